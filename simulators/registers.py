"""Where the points of a simulated Modbus unit lie, and how their values become registers."""

import struct
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from registry.model import Value


class RawType(StrEnum):
    """What one or more registers hold."""

    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BOOL = "bool"


class WordOrder(StrEnum):
    """The order of the four bytes of two registers; longer values follow suit."""

    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"


class Table(StrEnum):
    """The four address spaces of a unit."""

    COIL = "coil"
    DISCRETE = "discrete"
    HOLDING = "holding"
    INPUT = "input"


class Cell(Struct, frozen=True, kw_only=True):
    """One point's place: the first address in its table, and how many it takes."""

    point: str
    table: Table
    register: int
    type: RawType
    order: WordOrder
    scale: float
    offset: float

    @property
    def width(self) -> int:
        """Addresses taken: bits in a table of bits, else registers of 16 bits."""
        return width_of(self.type)


_FORMATS: Final = {
    RawType.INT16: "h",
    RawType.UINT16: "H",
    RawType.INT32: "i",
    RawType.UINT32: "I",
    RawType.INT64: "q",
    RawType.UINT64: "Q",
    RawType.FLOAT32: "f",
    RawType.FLOAT64: "d",
}
_FLOATS: Final = (RawType.FLOAT32, RawType.FLOAT64)


def width_of(kind: RawType) -> int:
    """Return how many addresses a value of this type takes."""
    return 1 if kind is RawType.BOOL else struct.calcsize(_FORMATS[kind]) // 2


def encode(cell: Cell, value: Value) -> list[int]:
    """Return the registers (16 bits each) or the bit (0 or 1) that carry `value`.

    Numbers beyond the raw type are held at its ends.
    """
    if isinstance(value, str):
        raise TypeError(f"point {cell.point}: registers here hold no text")
    if cell.type is RawType.BOOL:
        return [int(bool(value))]
    plain = cell.scale == 1 and cell.offset == 0  # whole numbers of 64 bits fit no float
    raw = value if plain else (value - cell.offset) / cell.scale
    code = _FORMATS[cell.type]
    if cell.type in _FLOATS:
        packed = struct.pack(f">{code}", raw)
    else:
        bits = 8 * struct.calcsize(code)
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if code.islower() else (0, 2**bits - 1)
        packed = struct.pack(f">{code}", min(high, max(low, round(raw))))
    return list(struct.unpack(f">{len(packed) // 2}H", _ordered(packed, cell.order)))


def decode(cell: Cell, registers: Sequence[int]) -> bool | int | float:
    """Return the value that registers (or one bit) carry; the reverse of `encode`."""
    if cell.type is RawType.BOOL:
        return bool(registers[0])
    packed = _ordered(struct.pack(f">{len(registers)}H", *registers), cell.order)
    raw: float = struct.unpack(f">{_FORMATS[cell.type]}", packed)[0]
    if cell.scale == 1 and cell.offset == 0:
        return raw
    return raw * cell.scale + cell.offset


def _ordered(packed: bytes, order: WordOrder) -> bytes:
    """Put bytes from big-endian into `order`, or back: each order undoes itself."""
    words = [packed[i : i + 2] for i in range(0, len(packed), 2)]
    if order in (WordOrder.CDAB, WordOrder.DCBA):
        words.reverse()
    if order in (WordOrder.BADC, WordOrder.DCBA):
        words = [word[::-1] for word in words]
    return b"".join(words)
