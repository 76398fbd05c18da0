"""Where a device is."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

Longitude = Annotated[float, Meta(ge=-180, le=180, description="Degrees east, WGS 84.")]
Latitude = Annotated[float, Meta(ge=-90, le=90, description="Degrees north, WGS 84.")]


class CoordinateSystem(StrEnum):
    """Systems a position may arrive in; it is converted once, at the door."""

    WGS84 = "wgs84"
    CGCS2000 = "cgcs2000"
    GCJ02 = "gcj02"
    BD09 = "bd09"


class PlaceSource(StrEnum):
    """How a position became known."""

    CATALOGUE = "catalogue"
    SURVEY = "survey"
    IMPORT = "import"
    GPS = "gps"
    GEOCODE = "geocode"


class RawPosition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pair as it was given, kept beside the converted one."""

    lon: float
    lat: float
    system: CoordinateSystem


class Place(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A position in WGS 84, with what is known of its origin and of the view from it."""

    lon: Longitude
    lat: Latitude
    altitude: Annotated[float, Meta(description="Metres above the ellipsoid.")] | None = None
    raw: RawPosition | None = None
    source: PlaceSource = PlaceSource.IMPORT
    accuracy: Annotated[float, Meta(ge=0, description="Metres.")] | None = None
    azimuth: (
        Annotated[float, Meta(ge=0, lt=360, description="View, degrees from north.")] | None
    ) = None
    view_angle: (
        Annotated[float, Meta(gt=0, le=360, description="Field of view, degrees.")] | None
    ) = None
    address: str = ""
