"""JSON values into a point's type: coercion, scaling, times."""

import math
from typing import Final, NamedTuple

from protocols.mqtt.address import TimeFormat, point_pointer, pointer_keys
from registry.model import MisfitReason, Point, Time, Value, ValueType, from_rfc3339

INT64: Final = 2**63
MISSING: Final = object()
"""What a pointer finds where nothing is."""
_UNITS: Final = {TimeFormat.S: 10**9, TimeFormat.MS: 10**6, TimeFormat.NS: 1}


class Flaw(NamedTuple):
    """One thing in a payload that does not fit; `point` is empty when it concerns all of it."""

    reason: MisfitReason
    detail: str
    point: str = ""


class Field(NamedTuple):
    name: str
    pointer: str
    keys: tuple[str, ...]
    type: ValueType
    scale: float
    offset: float


def field_of(point: Point) -> Field:
    pointer = point_pointer(point)
    return Field(point.name, pointer, pointer_keys(pointer), point.type, point.scale, point.offset)


def walk(document: object, keys: tuple[str, ...]) -> object:
    """Follow a JSON pointer; `MISSING` where it leads nowhere."""
    for key in keys:
        if isinstance(document, dict):
            document = document.get(key, MISSING)
        elif isinstance(document, list) and key.isascii() and key.isdigit() and len(key) < 9:
            index = int(key)
            document = document[index] if index < len(document) else MISSING
        else:
            return MISSING
    return document


def printable(text: str) -> str:
    """Return text that can be stored: without the half characters that JSON escapes can make."""
    return text.encode("utf-8", "replace").decode()


def coerce(field: Field, raw: object) -> Value | Flaw | None:
    """Turn a JSON value into the point's type, scaled; None stays None."""
    if raw is None:
        return None
    taken = _TAKE[field.type](raw)
    if taken is None:
        return Flaw(
            MisfitReason.WRONG_TYPE,
            f"{field.pointer or 'the payload'} is {repr(raw)[:60]} ({type(raw).__name__}), but "
            f"point {field.name} is {field.type.value}: send a {field.type.value}, "
            "or correct the point's pointer or type",
            field.name,
        )
    return scale(field, taken)


def _take_bool(raw: object) -> bool | None:
    if isinstance(raw, bool):
        return raw
    return bool(raw) if isinstance(raw, int | float) and raw in (0, 1) else None


def _take_str(raw: object) -> str | None:
    return printable(raw) if isinstance(raw, str) else None


def _take_int(raw: object) -> int | None:
    if isinstance(raw, float) and raw.is_integer():
        return int(raw)
    return raw if isinstance(raw, int) and not isinstance(raw, bool) else None


def _take_float(raw: object) -> int | float | None:
    return raw if isinstance(raw, int | float) and not isinstance(raw, bool) else None


_TAKE: Final = {
    ValueType.BOOL: _take_bool,
    ValueType.STR: _take_str,
    ValueType.INT: _take_int,
    ValueType.FLOAT: _take_float,
}


def scale(field: Field, raw: Value) -> Value | Flaw:
    """Apply scale and offset; an int stays an int and within 64 bits."""
    if field.type is ValueType.FLOAT:
        try:
            return float(raw) * field.scale + field.offset
        except OverflowError:
            return math.inf
    if field.type is ValueType.INT:
        value = int(raw) * int(field.scale) + int(field.offset)
        if not -INT64 <= value < INT64:
            return Flaw(
                MisfitReason.WRONG_TYPE,
                f"{field.pointer or 'the payload'} does not fit into 64 bits: "
                f"make point {field.name} a float",
                field.name,
            )
        return value
    return raw


def read_time(raw: object, time_format: TimeFormat) -> Time:
    if raw is MISSING:
        raise ValueError("it is missing")
    if time_format is TimeFormat.RFC3339:
        if isinstance(raw, str):
            return from_rfc3339(raw)
    elif isinstance(raw, int) and not isinstance(raw, bool):
        return raw * _UNITS[time_format]
    elif isinstance(raw, float):
        return round(raw * _UNITS[time_format])
    raise ValueError(f"{repr(raw)[:60]} is not {time_format.value}")
