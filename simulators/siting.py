"""Where the devices of a scenario stand: seeded, inside their county."""

import itertools
import math
from functools import cache

from msgspec import Struct

from simulators.province.geography import METRES_PER_UNIT, length_km, to_lonlat, to_units
from simulators.province.world import (
    PROVINCE_CODE,
    centre,
    county_at,
    county_box,
    county_codes,
    county_holds,
    world,
)
from simulators.scenario import Near, Spot
from simulators.signals import normal, seed_of, uniform

_TRIES = 60
_NAVIGABLE = 600.0  # flow from which a stream is worth a gauge


class Site(Struct, frozen=True, kw_only=True):
    """A place (degrees) and the area it lies in; without a county, the area is the given one."""

    lon: float
    lat: float
    area: str


def counties_of(area: str) -> list[str]:
    """Return the codes of the counties in a province, a city or a county; empty when unknown."""
    if area == PROVINCE_CODE:
        return list(county_codes())
    if area.endswith("00"):
        return [code for code in county_codes() if code[:4] == area[:4]]
    return [area] if area in county_codes() else []


def site(area: str, index: int, near: Near, spread: float, seed: int) -> Site:
    """Return where the `index`-th device of an area stands: its counties take turns, seat first.

    `spread` is the standard deviation in kilometres around the seat.
    """
    counties = counties_of(area)
    code = counties[index % len(counties)]
    own = seed_of(seed, area, index)
    point = _on_line(code, near, own) if near in ("river", "road") else None
    if point is None:
        point = _anywhere(code, own) if near == "anywhere" else _around_seat(code, spread, own)
    lon, lat = to_lonlat(*point)
    return Site(lon=lon, lat=lat, area=code)


def site_around(place: Spot, index: int, spread: float, seed: int) -> Site:
    """Return where the `index`-th device around a place stands."""
    x, y = to_units(place.lon, place.lat)
    own = seed_of(seed, "place", index)
    reach = spread * 1000 / METRES_PER_UNIT if index else 0.0
    lon, lat = to_lonlat(x + reach * normal(own, 0), y + reach * normal(own, 1))
    return Site(lon=lon, lat=lat, area=county_at(lon, lat) or PROVINCE_CODE)


def _around_seat(code: str, spread: float, seed: int) -> tuple[float, float]:
    seat = centre(code)
    reach = spread * 1000 / METRES_PER_UNIT
    for i in range(_TRIES):
        x = seat[0] + reach * normal(seed, 2 * i)
        y = seat[1] + reach * normal(seed, 2 * i + 1)
        if county_holds(code, x, y):
            return x, y
    return seat


def _anywhere(code: str, seed: int) -> tuple[float, float]:
    west, top, east, bottom = county_box(code)
    for i in range(_TRIES):
        x = west + (east - west) * uniform(seed, 2 * i)
        y = top + (bottom - top) * uniform(seed, 2 * i + 1)
        if county_holds(code, x, y):
            return x, y
    return centre(code)


def _on_line(code: str, near: Near, seed: int) -> tuple[float, float] | None:
    points = _line_points(code, near)
    return points[int(uniform(seed, 0) * len(points))] if points else None


@cache
def _line_points(code: str, near: Near) -> list[tuple[float, float]]:
    """Return the points of rivers (or roads) inside a county."""
    if near == "river":
        lines = [r.p for r in world().rivers if max(r.a0, r.a1) >= _NAVIGABLE]
    else:
        lines = [r.p for r in world().roads]
    return [(x, y) for line in lines for x, y in line[::4] if county_holds(code, x, y)]


class Route(Struct, frozen=True):
    """A road to drive to and fro on: its points in plane units and the kilometres to each."""

    points: list[tuple[float, float]]
    marks: list[float]

    def at(self, km: float) -> tuple[float, float]:
        """Return longitude and latitude after so many kilometres, turning at both ends."""
        whole = self.marks[-1]
        km = km % (2 * whole)
        km = km if km <= whole else 2 * whole - km
        leg = next(i for i in range(1, len(self.marks)) if km <= self.marks[i])
        length = self.marks[leg] - self.marks[leg - 1]
        share = (km - self.marks[leg - 1]) / length if length else 0.0
        (x0, y0), (x1, y1) = self.points[leg - 1], self.points[leg]
        return to_lonlat(x0 + share * (x1 - x0), y0 + share * (y1 - y0))


@cache
def route(area: str) -> Route | None:
    """Return the longest stretch of road inside an area, or None without any."""
    counties = counties_of(area)
    best: list[tuple[float, float]] = []
    for road in world().roads:
        inside: list[tuple[float, float]] = []
        for x, y in [*road.p, (math.inf, math.inf)]:
            if any(county_holds(code, x, y) for code in counties):
                inside.append((x, y))
                continue
            if len(inside) > 1 and length_km(inside) > length_km(best):
                best = inside
            inside = []
    if not best:
        return None
    marks = [0.0]
    for before, after in itertools.pairwise(best):
        marks.append(marks[-1] + length_km([before, after]))
    return Route(best, marks)
