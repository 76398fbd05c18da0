"""What a device measures or lets itself be told."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

PointName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Scalar = bool | int | float | str | None
"""A JSON scalar, as protocol addresses hold them."""


class ValueType(StrEnum):
    """A point's type never changes; a value of another type is set aside."""

    FLOAT = "float"
    INT = "int"
    BOOL = "bool"
    STR = "str"


class ValueRange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Plausible values, inclusive; a value outside is kept as `uncertain: range`."""

    low: float
    high: float


class Point(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One series of a device. A raw value v becomes v * scale + offset."""

    name: PointName
    type: ValueType = ValueType.FLOAT
    title: str = ""
    unit: Annotated[str, Meta(description="UCUM, e.g. m, Cel, %, [ppm].")] = ""
    range: ValueRange | None = None
    scale: float = 1.0
    offset: float = 0.0
    deadband: Annotated[float, Meta(ge=0, description="Changes up to this are not reported.")] = 0.0
    cadence: (
        Annotated[float, Meta(gt=0, description="Expected seconds between readings.")] | None
    ) = None
    writable: bool = False
    address: dict[str, Scalar] = {}
