"""Coordinate systems and distances. All angles are degrees, longitude first; metres elsewhere.

CGCS 2000 equals WGS 84 to the centimetre and is taken as equal. GCJ-02 and BD-09 have no
published inverse: it is iterated until it is exact to well below a millimetre.
"""

import math
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from registry.model import CoordinateSystem, Place, PlaceSource, RawPosition

Pair = tuple[float, float]
Bounds = tuple[float, float, float, float]
"""west, south, east, north."""

_KRASOVSKY_A: Final = 6378245.0
_KRASOVSKY_E2: Final = 0.00669342162296594323
_WGS84_A: Final = 6378137.0
_WGS84_E2: Final = 0.00669437999014
_BD_TURN: Final = math.pi * 3000.0 / 180.0
_GCJ_AREA: Final[Bounds] = (72.004, 0.8293, 137.8347, 55.8271)
_STEPS: Final = 10
_EXACT: Final = 1e-12
_DIGITS: Final = 10


class Suspect(StrEnum):
    """What looks wrong with a position; it is shown, never silently corrected."""

    NOT_A_NUMBER = "not_a_number"
    ZERO = "zero"
    OUT_OF_RANGE = "out_of_range"
    SWAPPED = "swapped"
    OUTSIDE = "outside"


def to_wgs84(
    raw: RawPosition,
    *,
    source: PlaceSource = PlaceSource.IMPORT,
    altitude: float | None = None,
    accuracy: float | None = None,
    azimuth: float | None = None,
    view_angle: float | None = None,
    address: str = "",
) -> Place:
    """Convert a position as it was given into a Place; any but a WGS 84 pair is kept as `raw`."""
    lon, lat = convert((raw.lon, raw.lat), raw.system)
    return Place(
        lon=lon,
        lat=lat,
        raw=None if raw.system is CoordinateSystem.WGS84 else raw,
        source=source,
        altitude=altitude,
        accuracy=accuracy,
        azimuth=azimuth,
        view_angle=view_angle,
        address=address,
    )


def convert(pair: Pair, system: CoordinateSystem) -> Pair:
    """Return `pair` of `system` in WGS 84, rounded to 1e-10 degree if it had to be computed."""
    if system is CoordinateSystem.GCJ02:
        pair = gcj02_to_wgs84(pair)
    elif system is CoordinateSystem.BD09:
        pair = gcj02_to_wgs84(bd09_to_gcj02(pair))
    else:
        return pair
    return round(pair[0], _DIGITS), round(pair[1], _DIGITS)


def wgs84_to_gcj02(pair: Pair) -> Pair:
    """Shift a WGS 84 pair as maps in China must; outside the usual rectangle it stays."""
    lon, lat = pair
    if not _within(pair, _GCJ_AREA):
        return pair
    x, y = lon - 105.0, lat - 35.0
    east, north = _gcj_east(x, y), _gcj_north(x, y)
    sine = math.sin(math.radians(lat))
    w = 1 - _KRASOVSKY_E2 * sine * sine
    meridian = _KRASOVSKY_A * (1 - _KRASOVSKY_E2) / (w * math.sqrt(w))
    parallel = _KRASOVSKY_A / math.sqrt(w) * math.cos(math.radians(lat))
    return lon + math.degrees(east / parallel), lat + math.degrees(north / meridian)


def gcj02_to_wgs84(pair: Pair) -> Pair:
    """Undo `wgs84_to_gcj02`."""
    return _inverse(wgs84_to_gcj02, pair)


def gcj02_to_bd09(pair: Pair) -> Pair:
    """Shift a GCJ-02 pair as Baidu does."""
    lon, lat = pair
    z = math.hypot(lon, lat) + 2e-5 * math.sin(lat * _BD_TURN)
    theta = math.atan2(lat, lon) + 3e-6 * math.cos(lon * _BD_TURN)
    return z * math.cos(theta) + 0.0065, z * math.sin(theta) + 0.006


def bd09_to_gcj02(pair: Pair) -> Pair:
    """Undo `gcj02_to_bd09`."""
    return _inverse(gcj02_to_bd09, pair)


def distance(a: Pair, b: Pair) -> float:
    """Return metres between two WGS 84 pairs on the ellipsoid's local scale.

    Good to 1e-5 of the distance up to 100 km at middle latitudes.
    """
    middle = math.radians((a[1] + b[1]) / 2)
    meridian, parallel = _scales(middle)
    east = (b[0] - a[0] + 180.0) % 360.0 - 180.0
    return math.hypot(east * parallel, (b[1] - a[1]) * meridian)


def box_around(center: Pair, radius: float) -> Bounds:
    """Return a box that holds every point within `radius` metres (at most 100 km) of `center`."""
    lon, lat = center
    high = min(math.radians(abs(lat) + radius / 110_000.0), math.radians(89.9))
    _, parallel = _scales(high)
    meridian, _ = _scales(0.0)
    d_lon, d_lat = radius / parallel + 1e-6, radius / meridian + 1e-6
    return (
        max(-180.0, lon - d_lon),
        max(-90.0, lat - d_lat),
        min(180.0, lon + d_lon),
        min(90.0, lat + d_lat),
    )


def suspects(pair: Pair, *, bounds: Bounds | None = None) -> list[Suspect]:
    """Return what looks wrong with a pair; `bounds` is where devices of this node should be.

    A pair counts as swapped when only the other order is a position, or lies within `bounds`
    (without bounds: within China) and this order does not.
    """
    lon, lat = pair
    if not (math.isfinite(lon) and math.isfinite(lat)):
        return [Suspect.NOT_A_NUMBER]
    if abs(lon) < 1e-6 and abs(lat) < 1e-6:
        return [Suspect.ZERO]
    possible = abs(lon) <= 180 and abs(lat) <= 90
    expected = bounds or _GCJ_AREA
    if not (possible and _within(pair, expected)) and _within((lat, lon), expected):
        return [Suspect.SWAPPED]
    if not possible:
        return [Suspect.OUT_OF_RANGE]
    return [Suspect.OUTSIDE] if bounds and not _within(pair, bounds) else []


def unshifted(pair: Pair, reference: Pair, *, tolerance: float = 30.0) -> CoordinateSystem | None:
    """Tell in which system `pair` must have been read to lie where `reference` (WGS 84) does.

    Returns None unless reading it as GCJ-02 or BD-09 brings it within `tolerance` metres of
    the reference while it is further away as it stands.
    """
    if distance(pair, reference) <= tolerance:
        return None
    for system in (CoordinateSystem.GCJ02, CoordinateSystem.BD09):
        if distance(convert(pair, system), reference) <= tolerance:
            return system
    return None


def _inverse(forward: Callable[[Pair], Pair], target: Pair) -> Pair:
    lon, lat = target
    for _ in range(_STEPS):
        there = forward((lon, lat))
        east, north = there[0] - target[0], there[1] - target[1]
        lon, lat = lon - east, lat - north
        if abs(east) < _EXACT and abs(north) < _EXACT:
            break
    return lon, lat


def _within(pair: Pair, bounds: Bounds) -> bool:
    west, south, east, north = bounds
    return west <= pair[0] <= east and south <= pair[1] <= north


def _scales(latitude: float) -> Pair:
    """Return metres per degree of latitude and of longitude at a latitude in radians."""
    sine = math.sin(latitude)
    w = 1 - _WGS84_E2 * sine * sine
    meridian = _WGS84_A * (1 - _WGS84_E2) / (w * math.sqrt(w))
    parallel = _WGS84_A / math.sqrt(w) * math.cos(latitude)
    return math.radians(meridian), math.radians(parallel)


def _waves(angle: float) -> float:
    return (20.0 * math.sin(6.0 * angle * math.pi) + 20.0 * math.sin(2.0 * angle * math.pi)) / 1.5


def _gcj_north(x: float, y: float) -> float:
    flat = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x))
    slow = (20.0 * math.sin(y * math.pi) + 40.0 * math.sin(y / 3.0 * math.pi)) / 1.5
    slower = (160.0 * math.sin(y / 12.0 * math.pi) + 320 * math.sin(y * math.pi / 30.0)) / 1.5
    return flat + _waves(x) + slow + slower


def _gcj_east(x: float, y: float) -> float:
    flat = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x))
    slow = (20.0 * math.sin(x * math.pi) + 40.0 * math.sin(x / 3.0 * math.pi)) / 1.5
    slower = (150.0 * math.sin(x / 12.0 * math.pi) + 300.0 * math.sin(x / 30.0 * math.pi)) / 1.5
    return flat + _waves(x) + slow + slower
