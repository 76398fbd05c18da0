"""The map folder is whole: closed polygons inside its bounds, the same each time."""

import json
from pathlib import Path

import pytest

from registry.model.area import subtree_prefix
from simulators.province.geography import (
    METRES_PER_UNIT,
    contains,
    dissolve,
    signed_area,
    to_lonlat,
    to_units,
    world_box,
)
from simulators.province.mapfolder import LAYERS, areas, write_map
from simulators.province.world import centre, city_code, county_at, county_codes, outline, world


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "demo"
    write_map(path)
    return path


def layer(folder: Path, name: str) -> list[dict]:  # type: ignore[type-arg]
    return json.loads((folder / f"{name}.geojson").read_text("utf-8"))["features"]  # type: ignore[no-any-return]


def rings(feature: dict) -> list[list[list[float]]]:  # type: ignore[type-arg]
    geometry = feature["geometry"]
    found = geometry["coordinates"]
    return [r for part in found for r in part] if geometry["type"] == "MultiPolygon" else found


def test_map_json_names_files_that_exist(folder: Path) -> None:
    described = json.loads((folder / "map.json").read_text("utf-8"))
    assert set(described["layers"]) == set(LAYERS)
    for name in [
        *described["layers"].values(),
        described["relief"]["dark"],
        described["relief"]["light"],
    ]:
        assert (folder / name).is_file()
    west, south, east, north = described["bounds"]
    assert (west, south, east, north) == (
        min(p[0] for r in rings(layer(folder, "veil")[0])[1:] for p in r),
        min(p[1] for r in rings(layer(folder, "veil")[0])[1:] for p in r),
        max(p[0] for r in rings(layer(folder, "veil")[0])[1:] for p in r),
        max(p[1] for r in rings(layer(folder, "veil")[0])[1:] for p in r),
    )
    box = world_box()
    assert box[0] < west < described["center"][0] < east < box[2]
    assert box[1] < south < described["center"][1] < north < box[3]


@pytest.mark.parametrize("name", ["veil", "areas", "urban"])
def test_polygons_are_closed_and_wound(folder: Path, name: str) -> None:
    west, south, east, north = world_box()
    for feature in layer(folder, name):
        for i, ring in enumerate(rings(feature)):
            assert ring[0] == ring[-1]
            assert len(ring) >= 4
            assert all(west <= lon <= east and south <= lat <= north for lon, lat in ring)
            outer = feature["geometry"]["type"] == "MultiPolygon" or i == 0
            assert (signed_area(ring) > 0) == outer


@pytest.mark.parametrize("name", ["borders", "rivers", "roads"])
def test_lines_have_length(folder: Path, name: str) -> None:
    for feature in layer(folder, name):
        assert len(feature["geometry"]["coordinates"]) >= 2


def test_areas_and_codes(folder: Path) -> None:
    found = {f["properties"]["code"]: f["properties"]["level"] for f in layer(folder, "areas")}
    listed = {area.code: area for area in areas()}
    assert set(found) | {"990000"} == set(listed)
    assert sum(level == "city" for level in found.values()) == 11
    assert sum(level == "county" for level in found.values()) == 103
    for area in listed.values():
        if area.parent:
            assert area.parent in listed
            assert area.code.startswith(subtree_prefix(area.parent))
    assert len({a.name for a in listed.values()}) == len(listed)


def test_the_fields_the_screen_reads(folder: Path) -> None:
    wanted = {
        "areas": {"code", "name", "name_en", "level"},
        "borders": {"level"},
        "rivers": {"flow"},
        "roads": {"class"},
        "peaks": {"m"},
        "labels": {"name", "name_en", "kind"},
    }
    for name, fields in wanted.items():
        assert all(set(f["properties"]) == fields for f in layer(folder, name))
    kinds = [f["properties"]["kind"] for f in layer(folder, "labels")]
    assert (kinds.count("capital"), kinds.count("city"), kinds.count("county")) == (1, 10, 103)


def test_writing_again_changes_nothing(folder: Path) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    (folder / "lakes.geojson").write_text("broken")
    write_map(folder)
    after = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert set(after) == set(before)
    assert {n for n in after if after[n] != before[n]} == {"lakes.geojson"}
    assert layer(folder, "lakes") == []


def test_dissolving_loses_nothing() -> None:
    for city in world().cities:
        members = [c.poly for c in world().counties if c.city == city.k]
        merged = dissolve(members)
        assert sum(map(signed_area, merged)) == pytest.approx(sum(map(signed_area, members)))


def test_seats_lie_in_their_areas() -> None:
    for code in county_codes():
        assert county_at(*to_lonlat(*centre(code))) == code
        assert contains(outline(), *centre(code))
    for city in world().cities:
        assert county_at(*to_lonlat(*city.seat)) == f"{city_code(city)[:4]}01"
    assert county_at(*to_lonlat(5, 5)) is None


def test_the_scale_is_true_and_turns_back() -> None:
    x, y = to_units(*to_lonlat(700, 650))
    assert (x, y) == pytest.approx((700, 650), abs=0.01)
    (lon_a, lat), (lon_b, _) = to_lonlat(800, 600), to_lonlat(900, 600)
    metres = (lon_b - lon_a) * 111_319.49 * 0.8660254
    assert lat == pytest.approx(30, abs=1e-4)
    assert metres == pytest.approx(100 * METRES_PER_UNIT, rel=1e-3)
