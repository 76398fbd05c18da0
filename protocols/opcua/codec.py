"""OPC UA's values, grades and moments as the house's, and back; no library needed."""

import math
import sys
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from registry.model import MILLISECOND, Quality, Value, ValueType, to_rfc3339

_SEVERITY: Final = 0xC000_0000
_OVERFLOW: Final = 0x0480
_INFO: Final = 0x0C80
_EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INT64: Final = (-(2**63), 2**63 - 1)
_INTEGERS: Final = {
    "SByte": (-(2**7), 2**7 - 1),
    "Byte": (0, 2**8 - 1),
    "Int16": (-(2**15), 2**15 - 1),
    "UInt16": (0, 2**16 - 1),
    "Int32": (-(2**31), 2**31 - 1),
    "UInt32": (0, 2**32 - 1),
    "Int64": _INT64,
    "UInt64": (0, 2**64 - 1),
}
_WIDEST: Final = 2**64
_GREATEST: Final = sys.float_info.max
_FLOAT_MAX: Final = 3.4028235677973366e38


class Unfit(ValueError):
    """A value cannot be taken or given; the text says why and what would fit."""


class NoNumber(Unfit):
    """The node holds not-a-number or infinity, as some do while their sensor is broken."""


class Form(Struct, frozen=True, kw_only=True):
    """What a point expects of its node."""

    value: ValueType
    scale: float = 1.0
    offset: float = 0.0
    deadband: float = 0.0

    @property
    def raw_deadband(self) -> float:
        """The deadband in the node's own unit."""
        return abs(self.deadband / self.scale)


def grade(status: int) -> Quality:
    """Return the quality that a status code stands for; reserved severities are bad."""
    severity = status & _SEVERITY
    if severity == 0:
        return Quality.GOOD
    return Quality.UNCERTAIN if severity == 0x4000_0000 else Quality.BAD


def overflowed(status: int) -> bool:
    """Tell whether the server says that its queue dropped values before this one."""
    return status & _INFO == _OVERFLOW


def moment(stamp: datetime | None) -> int:
    """Return a timestamp as UTC nanoseconds (whole microseconds); 0 for none or one before 1970."""
    if stamp is None:
        return 0
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=UTC)
    if stamp < _EARLIEST:
        return 0
    span = stamp - _EPOCH
    return ((span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds) * 1_000


def fit(form: Form, raw: object) -> Value:
    """Return a node's value as the point's.

    Raises:
        Unfit: the node holds nothing, an array, or another type.
    """
    if form.value is ValueType.STR:
        return _text(raw)
    if form.value is ValueType.BOOL:
        if isinstance(raw, bool):
            return raw
        raise Unfit(f"the node holds {_name(raw)}, the point is bool")
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise Unfit(f"the node holds {_name(raw)}, the point is {form.value}")
    if isinstance(raw, int) and abs(raw) > _WIDEST:
        raise Unfit("the node holds a number beyond 64 bits")
    return _scaled(form, raw)


def _scaled(form: Form, raw: float) -> Value:
    if form.value is ValueType.INT:
        if isinstance(raw, float):
            raise Unfit("the node holds a float, the point is int: make the point a float")
        plain = form.scale == 1 and form.offset == 0
        whole = raw if plain else round(raw * int(form.scale) + int(form.offset))
        if not _INT64[0] <= whole <= _INT64[1]:
            raise Unfit(f"{whole} is beyond 64 bits signed: make the point a float")
        return int(whole)
    value = _multiply(raw, form.scale) + form.offset
    if not math.isfinite(value):
        raise NoNumber(f"the node holds {raw}, which gives no number")
    return float(value)


def _multiply(raw: float, scale: float) -> float:
    """Multiply; an integer by 1/n is divided instead, so that 3 * 0.1 is 0.3."""
    if scale == 1:
        return raw
    inverse = round(1 / scale) if isinstance(raw, int) and abs(scale) < 1 else 0
    if inverse and 1 / inverse == scale:
        return raw / inverse
    return raw * scale


def _text(raw: object) -> str:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, UUID):
        return str(raw)
    if isinstance(raw, datetime):
        return to_rfc3339(moment(raw) // MILLISECOND * MILLISECOND)
    text = getattr(raw, "Text", None)
    if isinstance(text, str):
        return text
    raise Unfit(f"the node holds {_name(raw)}, the point is str")


def _name(raw: object) -> str:
    if raw is None:
        return "nothing"
    if isinstance(raw, list | tuple):
        return "an array"
    return f"a {type(raw).__name__}"


def raw_of(form: Form, value: Value, kind: str) -> bool | int | float | str:
    """Return `value` as a node of the built-in type `kind` (e.g. `UInt16`) takes it.

    Raises:
        Unfit: the value is of another type or out of the node's range.
    """
    if kind == "Boolean":
        if isinstance(value, str) or value not in (0, 1):
            raise Unfit(f"{value!r} is neither true nor false; the node is Boolean")
        return bool(value)
    if kind in ("String", "LocalizedText"):
        if not isinstance(value, str):
            raise Unfit(f"{value!r} is no text; the node is {kind}")
        return value
    if kind not in _INTEGERS and kind not in ("Float", "Double"):
        raise Unfit(f"a node of type {kind} cannot be written from here")
    if isinstance(value, bool | str) or not abs(value) <= _GREATEST:
        raise Unfit(f"{value!r:.64} is no number; the node is {kind}")
    return _number(form, value, kind)


def _number(form: Form, value: float, kind: str) -> float:
    raw = value if form.offset == 0 else value - form.offset
    if form.scale != 1:
        raw = raw / form.scale
    if kind in ("Float", "Double"):
        if (abs(raw) > _FLOAT_MAX and kind == "Float") or not math.isfinite(raw):
            raise Unfit(f"{value} does not fit {kind}")
        return float(raw)
    low, high = _INTEGERS[kind]
    if isinstance(raw, float) and not raw.is_integer() and form.scale == 1:
        raise Unfit(f"{value} is no whole number; the node is {kind}")
    if not math.isfinite(raw) or not low <= round(raw) <= high:
        raise Unfit(f"{value} does not fit {kind}, which takes {low} to {high} before scaling")
    return round(raw)
