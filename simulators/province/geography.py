"""Where the fictional province lies: plane units to WGS 84 and back, and its polygons.

The plane has x to the right 0..1600 and y down 0..1200, one unit 0.4 km on the ground at the
anchor. A linear map carries it to Web Mercator around an anchor in the open North Pacific, so
that shapes look as they would at 30 degrees north and no real place is implied.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Final

UnitPoint = Sequence[float]
"""x, y in plane units."""
Ring = list[tuple[float, float]]
"""Points of a polygon; closed when the first is repeated at the end."""

WIDTH: Final = 1600
HEIGHT: Final = 1200
METRES_PER_UNIT: Final = 400.0
ANCHOR_LON: Final = -140.0
ANCHOR_LAT: Final = 30.0

_RADIUS: Final = 6_378_137.0
_PER_UNIT: Final = METRES_PER_UNIT / math.cos(math.radians(ANCHOR_LAT))


def _mercator_y(lat: float) -> float:
    return _RADIUS * math.asinh(math.tan(math.radians(lat)))


_ANCHOR_X: Final = _RADIUS * math.radians(ANCHOR_LON)
_ANCHOR_Y: Final = _mercator_y(ANCHOR_LAT)


def to_lonlat(x: float, y: float) -> tuple[float, float]:
    """Return longitude and latitude (degrees, 5 decimals: about 1 m) of a point in plane units."""
    east = _ANCHOR_X + (x - WIDTH / 2) * _PER_UNIT
    north = _ANCHOR_Y - (y - HEIGHT / 2) * _PER_UNIT
    lon = math.degrees(east / _RADIUS)
    lat = math.degrees(math.atan(math.sinh(north / _RADIUS)))
    return round(lon, 5), round(lat, 5)


def to_units(lon: float, lat: float) -> tuple[float, float]:
    """Return x and y in plane units of a longitude and latitude (degrees)."""
    x = (_RADIUS * math.radians(lon) - _ANCHOR_X) / _PER_UNIT + WIDTH / 2
    y = (_ANCHOR_Y - _mercator_y(lat)) / _PER_UNIT + HEIGHT / 2
    return x, y


def world_box() -> tuple[float, float, float, float]:
    """Return west, south, east, north (degrees) of the whole plane."""
    west, north = to_lonlat(0, 0)
    east, south = to_lonlat(WIDTH, HEIGHT)
    return west, south, east, north


def signed_area(ring: Sequence[UnitPoint]) -> float:
    """Return the area of a ring (open or closed); positive when counter-clockwise, y up."""
    following = [*ring[1:], ring[0]]
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, following, strict=True)) / 2


def closed(points: Sequence[UnitPoint]) -> Ring:
    """Return the points in degrees as a closed ring, counter-clockwise seen from above."""
    ring = [to_lonlat(p[0], p[1]) for p in points]
    if signed_area(ring) < 0:
        ring.reverse()
    return ring if ring[0] == ring[-1] else [*ring, ring[0]]


def contains(ring: Sequence[UnitPoint], x: float, y: float) -> bool:
    """Tell whether a point lies inside a ring; all in the same coordinates."""
    inside = False
    previous = ring[-1]
    for point in ring:
        if (point[1] > y) != (previous[1] > y):
            share = (y - point[1]) / (previous[1] - point[1])
            if x < point[0] + share * (previous[0] - point[0]):
                inside = not inside
        previous = point
    return inside


def dissolve(polygons: Sequence[Sequence[UnitPoint]]) -> list[Ring]:
    """Merge polygons of one orientation that share their border points exactly.

    Returns the rings, largest first, that remain when every segment that two neighbours share
    in opposite directions is dropped.
    """
    left: dict[tuple[tuple[float, float], tuple[float, float]], None] = {}
    for polygon in polygons:
        for a, b in _segments(polygon):
            if (b, a) in left:
                del left[b, a]
            else:
                left[a, b] = None
    after: dict[tuple[float, float], list[tuple[float, float]]] = {}
    for a, b in left:
        after.setdefault(a, []).append(b)
    rings = list(_chains(after))
    return sorted(rings, key=lambda ring: -abs(signed_area(ring)))


def _segments(
    polygon: Sequence[UnitPoint],
) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    points = [(p[0], p[1]) for p in polygon]
    for a, b in zip(points, [*points[1:], points[0]], strict=True):
        if a != b:
            yield a, b


def _chains(after: dict[tuple[float, float], list[tuple[float, float]]]) -> Iterator[Ring]:
    while after:
        start = next(iter(after))
        ring = [start]
        here = start
        while True:
            targets = after[here]
            following = targets.pop()
            if not targets:
                del after[here]
            if following == start:
                break
            ring.append(following)
            here = following
        yield ring


def length_km(points: Sequence[UnitPoint]) -> float:
    """Return the length of a line in plane units as kilometres on the ground."""
    legs = itertools.pairwise(points)
    return sum(math.dist(a, b) for a, b in legs) * METRES_PER_UNIT / 1000
