"""Registers into values and back: types, word and byte order, bits, strings, scaling.

Order names how a big-endian value `ABCD` lies on the wire. All four follow from two images of a
block, as received and with the bytes of each register swapped, read big- or little-endian.
64-bit types follow the same rule; for 16-bit types and strings only the byte order counts.
"""

import math
import struct
import sys
from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property
from typing import Final

from msgspec import Struct

from registry.model import Value, ValueType


class Kind(StrEnum):
    """What lies in the registers."""

    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BOOL = "bool"
    STRING = "string"


class Order(StrEnum):
    """Where the bytes of a big-endian value ABCD come on the wire."""

    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"

    @property
    def swapped(self) -> bool:
        """True where the bytes are to be swapped within each register first."""
        return self in (Order.CDAB, Order.BADC)

    @property
    def little(self) -> bool:
        """True where what is then read is little-endian."""
        return self in (Order.CDAB, Order.DCBA)


class Unfit(ValueError):
    """A value cannot be taken or given; the text says why and what would fit."""


_CODES: Final = {
    Kind.INT16: "h",
    Kind.UINT16: "H",
    Kind.BOOL: "H",
    Kind.INT32: "i",
    Kind.UINT32: "I",
    Kind.INT64: "q",
    Kind.UINT64: "Q",
    Kind.FLOAT32: "f",
    Kind.FLOAT64: "d",
}
_BIG: Final = {kind: struct.Struct(">" + code) for kind, code in _CODES.items()}
_LITTLE: Final = {kind: struct.Struct("<" + code) for kind, code in _CODES.items()}
_FLOATS: Final = (Kind.FLOAT32, Kind.FLOAT64)
_GREATEST: Final = sys.float_info.max
_INT64: Final = (-(2**63), 2**63 - 1)


class Form(Struct, frozen=True, kw_only=True):
    """How a point's registers are read: `length` is a string's size in bytes."""

    value: ValueType
    kind: Kind = Kind.UINT16
    order: Order = Order.ABCD
    bit: int | None = None
    length: int = 0
    scale: float = 1.0
    offset: float = 0.0


def width_of(kind: Kind, length: int = 0) -> int:
    """Return how many registers a value of `kind` takes."""
    if kind is Kind.STRING:
        return (length + 1) // 2
    return _BIG[kind].size // 2


class Image:
    """The registers of one answer, as bytes."""

    def __init__(self, words: Sequence[int]) -> None:
        self._words = words

    @cached_property
    def plain(self) -> bytes:
        return struct.pack(f">{len(self._words)}H", *self._words)

    @cached_property
    def swapped(self) -> bytes:
        return struct.pack(f"<{len(self._words)}H", *self._words)


def decode(form: Form, image: Image, at: int) -> Value:
    """Read the value whose first register is the `at`-th of the image.

    Raises:
        Unfit: the registers hold no number, or one beyond 64 bits signed.
    """
    if form.kind is Kind.STRING:
        data = image.swapped if form.order in (Order.BADC, Order.DCBA) else image.plain
        return _text(data[2 * at : 2 * at + form.length])
    reader = (_LITTLE if form.order.little else _BIG)[form.kind]
    raw = reader.unpack_from(image.swapped if form.order.swapped else image.plain, 2 * at)[0]
    if form.bit is not None:
        return bool(raw >> form.bit & 1)
    return _scaled(raw, form)


def _text(data: bytes) -> str:
    data = data.partition(b"\0")[0]
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError:
        return data.decode("gb18030", errors="replace").strip()


def _scaled(raw: float, form: Form) -> Value:
    if form.value is ValueType.BOOL:
        return bool(raw)
    if not math.isfinite(raw):
        raise Unfit(f"the registers hold {raw}, which is no number")
    value = _multiply(raw, form.scale) + form.offset
    if not math.isfinite(value):
        raise Unfit(f"{raw} * {form.scale} is beyond a double")
    if form.value is ValueType.FLOAT:
        return float(value)
    whole = raw if form.scale == 1 and form.offset == 0 else round(value)
    if not _INT64[0] <= whole <= _INT64[1]:
        raise Unfit(f"{whole} is beyond 64 bits signed: make the point a float")
    return int(whole)


def _multiply(raw: float, scale: float) -> float:
    """Multiply; by 1/n divide instead, so that 3 * 0.1 is 0.3."""
    if scale == 1:
        return raw
    inverse = round(1 / scale) if abs(scale) < 1 else 0
    if inverse and 1 / inverse == scale:
        return raw / inverse
    return raw * scale


def encode(form: Form, value: Value) -> list[int]:
    """Write `value` as registers; for a form with `bit` the caller merges it into the register.

    Raises:
        Unfit: the value is of another type or does not fit the registers.
    """
    if form.kind is Kind.STRING:
        return _encode_text(form, value)
    raw = _raw_of(form, value)
    writer = (_LITTLE if form.order.little else _BIG)[form.kind]
    try:
        data = writer.pack(raw)
    except (struct.error, OverflowError):
        raise Unfit(f"{value} does not fit {form.kind}{_span(form)}") from None
    mark = "<" if form.order.swapped else ">"
    return list(struct.unpack(f"{mark}{len(data) // 2}H", data))


def encode_bit(value: Value) -> bool:
    """Return a value to be written to a coil or bit.

    Raises:
        Unfit: the value is not a bool, 0 or 1.
    """
    if isinstance(value, str) or value not in (0, 1):
        raise Unfit(f"{value!r} is no bit: give true or false")
    return bool(value)


def _raw_of(form: Form, value: Value) -> float:
    if form.value is ValueType.BOOL:
        return int(encode_bit(value))
    if isinstance(value, bool | str) or not abs(value) <= _GREATEST:
        raise Unfit(f"{value!r:.64} is no number; the point is {form.value}")
    raw = value if form.offset == 0 else value - form.offset
    if form.scale != 1:
        raw = raw / form.scale
    if not math.isfinite(raw):
        raise Unfit(f"{value} does not fit {form.kind}{_span(form)}")
    return float(raw) if form.kind in _FLOATS else round(raw)


def _span(form: Form) -> str:
    if form.kind in _FLOATS:
        return ""
    bits = 16 * width_of(form.kind)
    low, high = (0, 2**bits - 1)
    if form.kind.value.startswith("int"):
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    ends = sorted((low * form.scale + form.offset, high * form.scale + form.offset))
    return f", which takes {ends[0]:g} to {ends[1]:g}"


def _encode_text(form: Form, value: Value) -> list[int]:
    if not isinstance(value, str):
        raise Unfit(f"{value!r} is no text")
    data = value.encode("utf-8")
    if len(data) > form.length:
        raise Unfit(f"the text takes {len(data)} bytes, the point has {form.length}")
    data = data.ljust(2 * width_of(form.kind, form.length), b"\0")
    mark = "<" if form.order in (Order.BADC, Order.DCBA) else ">"
    return list(struct.unpack(f"{mark}{len(data) // 2}H", data))
