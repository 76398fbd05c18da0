"""Everything that happens is an event; events travel in batches through one pipeline."""

from enum import StrEnum

from msgspec import Struct

from registry.model.alarm import Alarm, AlarmAcknowledged
from registry.model.command import Command, Outcome
from registry.model.detection import Detection
from registry.model.device import Device
from registry.model.place import Place
from registry.model.reading import Delivery, ReadingBatch, SessionStarted
from registry.model.status import StatusChange
from registry.model.time import Time


class Discovered(Struct, frozen=True, kw_only=True, tag_field="event", tag="discovered"):
    """A device as its owner knows it now: new, changed, or (lifecycle retired) gone."""

    device: Device


class Moved(Struct, frozen=True, kw_only=True, tag_field="event", tag="moved"):
    """A mobile device reported a new place."""

    device: str
    place: Place
    time: Time


class MisfitReason(StrEnum):
    """Why something that arrived could not be taken; each is a metric label."""

    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_POINT = "unknown_point"
    WRONG_TYPE = "wrong_type"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    BAD_ADDRESS = "bad_address"
    BAD_TIME = "bad_time"
    FORBIDDEN = "forbidden"


class Misfit(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="event",
    tag="misfit",
    omit_defaults=True,
):
    """Something that arrived and does not fit; kept aside and visible, never silently dropped.

    `detail` names the field and the fix. `sample` is at most 512 characters of what came.
    """

    source: str
    reason: MisfitReason
    detail: str
    time: Time
    device: str = ""
    point: str = ""
    sample: str = ""


class Lane(StrEnum):
    """Order of importance on the way up; each lane has its own sequence."""

    ALARM = "alarm"
    STATUS = "status"
    REGISTRY = "registry"
    TELEMETRY = "telemetry"


class Mark(Struct, frozen=True, kw_only=True, tag_field="event", tag="mark"):
    """First event of a batch that came from a lower tier: its place in that tier's stream.

    The high-water mark is stored in the transaction that stores the batch; a batch whose
    mark is not the next one is not stored at all.
    """

    source: str
    epoch: str
    lane: Lane
    sequence: int


Event = (
    ReadingBatch
    | Delivery
    | SessionStarted
    | StatusChange
    | Discovered
    | Moved
    | Detection
    | Alarm
    | AlarmAcknowledged
    | Command
    | Outcome
    | Misfit
    | Mark
)


def lane_of(event: Event) -> Lane:
    """Return the lane an event travels in."""
    match event:
        case Alarm() | AlarmAcknowledged() | Outcome() | Command():
            return Lane.ALARM
        case StatusChange() | Moved():
            return Lane.STATUS
        case Discovered():
            return Lane.REGISTRY
        case _:
            return Lane.TELEMETRY
