"""Coordinates: published shifts, exact inverses, honest suspicion."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import coordinates as c
from registry.coordinates import Pair, Suspect
from registry.model import CoordinateSystem, RawPosition

TABLE = [
    ((112.5489, 37.8706), (112.5551993, 37.8711251), (112.5615789, 37.8774487)),
    ((113.3001, 40.0768), (113.3071166, 40.0779998), (113.3135965, 40.0840502)),
    ((111.0070, 35.0266), (111.0128123, 35.0258621), (111.0192172, 35.0321189)),
    ((116.3975, 39.9085), (116.4037435, 39.9099035), (116.4101167, 39.9162428)),
]
inland = st.tuples(st.floats(73.5, 135), st.floats(18, 53.5))


@pytest.mark.parametrize(("wgs", "gcj", "bd"), TABLE)
def test_the_table_of_known_places(wgs: Pair, gcj: Pair, bd: Pair) -> None:
    assert c.wgs84_to_gcj02(wgs) == pytest.approx(gcj, abs=1e-7)
    assert c.gcj02_to_bd09(c.wgs84_to_gcj02(wgs)) == pytest.approx(bd, abs=1e-7)
    assert c.convert(gcj, CoordinateSystem.GCJ02) == pytest.approx(wgs, abs=1.2e-7)
    assert c.convert(bd, CoordinateSystem.BD09) == pytest.approx(wgs, abs=1.2e-7)


@given(inland)
def test_there_and_back_is_below_a_millimetre(pair: Pair) -> None:
    gcj = c.wgs84_to_gcj02(pair)
    assert c.distance(pair, c.convert(gcj, CoordinateSystem.GCJ02)) < 0.001
    bd = c.gcj02_to_bd09(gcj)
    assert c.distance(pair, c.convert(bd, CoordinateSystem.BD09)) < 0.001


@pytest.mark.parametrize("system", CoordinateSystem)
def test_the_raw_pair_is_kept_unless_it_is_wgs84(system: CoordinateSystem) -> None:
    raw = RawPosition(lon=112.5, lat=37.8, system=system)
    place = c.to_wgs84(raw, altitude=800.0)
    assert place.raw == (None if system is CoordinateSystem.WGS84 else raw)
    assert place.altitude == 800.0
    moved = c.distance((112.5, 37.8), (place.lon, place.lat))
    if system in (CoordinateSystem.WGS84, CoordinateSystem.CGCS2000):
        assert moved == 0
    else:
        assert 400 < moved < 1600


@pytest.mark.parametrize("lat", [0.0, 18.0, 37.0, 53.0])
def test_distances_match_the_series_for_the_length_of_a_degree(lat: float) -> None:
    phi = math.radians(lat)
    north = 111_132.92 - 559.82 * math.cos(2 * phi) + 1.175 * math.cos(4 * phi)
    east = 111_412.84 * math.cos(phi) - 93.5 * math.cos(3 * phi) + 0.118 * math.cos(5 * phi)
    near = 1e-3
    assert c.distance((112, lat - near), (112, lat + near)) == pytest.approx(2 * near * north, 1e-5)
    assert c.distance((112, lat), (112 + near, lat)) == pytest.approx(near * east, 1e-5)
    assert c.distance((180 - near, lat), (near - 180, lat)) == pytest.approx(2 * near * east, 1e-5)


@given(inland, st.floats(1, 100_000), st.floats(0, 2 * math.pi))
def test_the_box_holds_the_circle(center: Pair, radius: float, angle: float) -> None:
    west, south, east, north = c.box_around(center, radius)
    scale = 1.0
    for _ in range(8):
        point = (
            center[0]
            + scale * radius / 111_320 / math.cos(math.radians(center[1])) * math.cos(angle),
            center[1] + scale * radius / 111_320 * math.sin(angle),
        )
        scale *= 0.999 * radius / c.distance(center, point)
    assert c.distance(center, point) <= radius
    assert west <= point[0] <= east
    assert south <= point[1] <= north


SHANXI = (110.0, 34.0, 115.0, 41.0)


@pytest.mark.parametrize(
    ("pair", "bounds", "expected"),
    [
        ((112.5, 37.8), None, []),
        ((112.5, 37.8), SHANXI, []),
        ((0.0, 0.0), None, [Suspect.ZERO]),
        ((37.8, 112.5), None, [Suspect.SWAPPED]),
        ((37.8, 89.0), None, [Suspect.SWAPPED]),
        ((37.8, 112.5), SHANXI, [Suspect.SWAPPED]),
        ((500.0, 37.8), None, [Suspect.OUT_OF_RANGE]),
        ((-0.12, 51.5), None, []),
        ((121.5, 31.2), SHANXI, [Suspect.OUTSIDE]),
        ((math.nan, 1.0), None, [Suspect.NOT_A_NUMBER]),
    ],
)
def test_suspects(pair: Pair, bounds: c.Bounds | None, expected: list[Suspect]) -> None:
    assert c.suspects(pair, bounds=bounds) == expected


def test_a_pair_read_in_the_wrong_system_is_recognised() -> None:
    here = (112.5489, 37.8706)
    assert c.unshifted(here, here) is None
    assert c.unshifted(c.wgs84_to_gcj02(here), here) is CoordinateSystem.GCJ02
    bd = c.gcj02_to_bd09(c.wgs84_to_gcj02(here))
    assert c.unshifted(bd, here) is CoordinateSystem.BD09
    assert c.unshifted((112.6, 37.9), here) is None
