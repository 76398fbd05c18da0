"""Structs to the text that the tables hold, and back."""

from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from registry.model import Fault, Faulty, Point, Value, ValueType

T = TypeVar("T", bound=Struct)

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def pack(item: Struct) -> str:
    """Write a Struct as JSON; equal Structs give equal text."""
    return _ENCODER.encode(item).decode()


def unpack(text: str | bytes, kind: type[T]) -> T:
    """Read a Struct of class `kind` from what `pack` wrote."""
    return msgspec.json.decode(text, type=kind)


def pack_checked(item: Struct) -> str:
    """Write a Struct as `pack` does, having made sure that it can be read back.

    Raises:
        Faulty: a field holds what JSON or the field's own bounds do not allow, such as NaN.
    """
    body = pack(item)
    try:
        unpack(body, type(item))
    except msgspec.ValidationError as error:
        fault = Fault(
            where=type(item).__name__.lower(), message=str(error), expected="finite, lawful values"
        )
        raise Faulty([fault]) from error
    return body


def typed(value: Value | None, kind: ValueType | None) -> Value | None:
    """Give back to a stored value what SQLite forgot: it keeps truth as 0 and 1."""
    if kind is ValueType.BOOL and isinstance(value, int):
        return bool(value)
    return value


class PointFace(Struct, frozen=True):
    """The part of a Point that a list shows."""

    name: str
    type: ValueType = ValueType.FLOAT
    title: str = ""
    unit: str = ""


class DeviceFace(Struct, frozen=True):
    """The points of a device body, read without the rest."""

    points: tuple[PointFace, ...] = ()


def face(body: str) -> DeviceFace:
    """Read the face out of a device's body."""
    return _FACE.decode(body)


_FACE: Final = msgspec.json.Decoder(DeviceFace)


def headline(points: tuple[Point, ...]) -> str | None:
    """Return the name of the point that stands for the device in lists: the first one that
    measures something; a mobile device's position is shown by the map."""
    names = [point.name for point in points]
    return next((name for name in names if name not in ("lon", "lat")), None)
