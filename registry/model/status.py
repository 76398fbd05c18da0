"""Run states of devices and links."""

from enum import StrEnum

from msgspec import Struct

from registry.model.time import Time


class DeviceState(StrEnum):
    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    MAINTENANCE = "maintenance"
    UNKNOWN = "unknown"


class StatusChange(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="event",
    tag="status",
    omit_defaults=True,
):
    """A device took a state. `cause` is written for an operator, `source` names who judged."""

    device: str
    state: DeviceState
    since: Time
    cause: str = ""
    source: str = ""
