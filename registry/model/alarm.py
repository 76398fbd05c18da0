"""Alarms: raised by a source, acknowledged by a person; the two are independent."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from registry.model.place import Place
from registry.model.reading import Value
from registry.model.time import Time


class Severity(StrEnum):
    """紧急, 重要, 一般, 提示."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    NOTICE = "notice"


class AlarmState(StrEnum):
    RAISED = "raised"
    UPDATED = "updated"
    CLEARED = "cleared"


class Acknowledgement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who took note of an alarm, when, and what they wrote."""

    by: str
    time: Time
    comment: str = ""


class EvidenceItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that shows why: named by its content."""

    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    media_type: str
    size: int
    role: str = ""


class Alarm(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="event",
    tag="alarm",
    omit_defaults=True,
):
    """One alarm as it stands. `id` is a ULID made where it arose and kept on every tier.

    `key` says what is the same alarm while it is open: a second RAISED with the key of an open
    alarm merges into it and adds to `count`; within the reopen window after a clear it reopens it.
    """

    id: str
    key: str
    device: str
    type: Annotated[str, Meta(description="threshold, silence, fire, intrusion, report ...")]
    severity: Severity
    state: AlarmState
    message: str
    raised_time: Time
    updated_time: Time
    cleared_time: Time = 0
    count: Annotated[int, Meta(ge=0, le=2**62)] = 1
    reopened: Annotated[int, Meta(ge=0, le=2**62)] = 0
    point: str = ""
    value: Value | None = None
    limit: float | None = None
    rule: str = ""
    source: Annotated[str, Meta(description="Node where it arose.")] = ""
    area: str | None = None
    place: Place | None = None
    acknowledged: Acknowledgement | None = None
    evidence: tuple[EvidenceItem, ...] = ()

    @property
    def open(self) -> bool:
        return self.state is not AlarmState.CLEARED


class AlarmAcknowledged(
    Struct, frozen=True, kw_only=True, tag_field="event", tag="alarm_acknowledged"
):
    """A person acknowledged an alarm; travels up and down, the first one wins."""

    alarm: str
    acknowledgement: Acknowledgement
