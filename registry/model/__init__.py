"""The words: one vocabulary for memory, wire, configuration and API."""

from registry.model.alarm import (
    Acknowledgement,
    Alarm,
    AlarmAcknowledged,
    AlarmState,
    EvidenceItem,
    Severity,
)
from registry.model.area import Area, AreaKind
from registry.model.command import Command, Outcome, OutcomeState
from registry.model.detection import Box, Detection
from registry.model.device import (
    Capability,
    Device,
    DeviceKind,
    Lifecycle,
    Link,
    Profile,
    Sensing,
)
from registry.model.event import (
    Discovered,
    Event,
    Lane,
    Mark,
    Misfit,
    MisfitReason,
    Moved,
    lane_of,
)
from registry.model.fault import Fault, Faulty
from registry.model.ids import device_id, is_device_id, local_part, ulid
from registry.model.place import CoordinateSystem, Place, PlaceSource, RawPosition
from registry.model.point import Point, Scalar, ValueRange, ValueType
from registry.model.reading import (
    Delivery,
    Quality,
    Reading,
    ReadingBatch,
    Receipt,
    SessionStarted,
    Value,
)
from registry.model.rule import Comparison, ThresholdRule
from registry.model.status import DeviceState, StatusChange
from registry.model.time import (
    DAY,
    MILLISECOND,
    MINUTE,
    SECOND,
    Time,
    from_rfc3339,
    to_rfc3339,
)

__all__ = [
    "DAY",
    "MILLISECOND",
    "MINUTE",
    "SECOND",
    "Acknowledgement",
    "Alarm",
    "AlarmAcknowledged",
    "AlarmState",
    "Area",
    "AreaKind",
    "Box",
    "Capability",
    "Command",
    "Comparison",
    "CoordinateSystem",
    "Delivery",
    "Detection",
    "Device",
    "DeviceKind",
    "DeviceState",
    "Discovered",
    "Event",
    "EvidenceItem",
    "Fault",
    "Faulty",
    "Lane",
    "Lifecycle",
    "Link",
    "Mark",
    "Misfit",
    "MisfitReason",
    "Moved",
    "Outcome",
    "OutcomeState",
    "Place",
    "PlaceSource",
    "Point",
    "Profile",
    "Quality",
    "RawPosition",
    "Reading",
    "ReadingBatch",
    "Receipt",
    "Scalar",
    "Sensing",
    "SessionStarted",
    "Severity",
    "StatusChange",
    "ThresholdRule",
    "Time",
    "Value",
    "ValueRange",
    "ValueType",
    "device_id",
    "from_rfc3339",
    "is_device_id",
    "lane_of",
    "local_part",
    "to_rfc3339",
    "ulid",
]
