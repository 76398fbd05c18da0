"""Writes the map folder of the fictional province: map.json, GeoJSON layers and relief."""

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

from registry.model import Area
from simulators.province import world as drawn
from simulators.province.geography import UnitPoint, closed, dissolve, to_lonlat, world_box

Json = Mapping[str, object]

LAYERS: Final = (
    "veil",
    "areas",
    "borders",
    "rivers",
    "lakes",
    "roads",
    "urban",
    "peaks",
    "labels",
)
RELIEFS: Final = ("relief-dark.webp", "relief-light.webp")


def areas() -> list[Area]:
    """Return the administrative areas of the fictional province, parents first."""
    return drawn.areas()


def write_map(folder: Path) -> None:
    """Write the map into `folder`, made if missing; files that are already right stay untouched.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, features in _layers().items():
        _put(folder / f"{name}.geojson", _collection(features))
    for name in RELIEFS:
        _put(folder / name, files("simulators.province").joinpath(name).read_bytes())
    # Last, so that a folder with a map.json is whole.
    _put(folder / "map.json", msgspec.json.format(msgspec.json.encode(_map_json()), indent=1))


def _put(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(content)
    fresh.replace(path)


def _map_json() -> Json:
    west, south, east, north = world_box()
    border = [to_lonlat(x, y) for x, y in drawn.outline()]
    lons = [p[0] for p in border]
    lats = [p[1] for p in border]
    bounds = [min(lons), min(lats), max(lons), max(lats)]
    return {
        "kind": "vector",
        "title": drawn.PROVINCE_NAME,
        "title_en": f"{drawn.PROVINCE_NAME_EN} Province",
        "notice": "示意 · 虚构省份，不含真实界线",
        "notice_en": "Illustrative: a fictional province",
        "approval": "",
        "bounds": bounds,
        "center": [
            round((bounds[0] + bounds[2]) / 2, 5),
            round((bounds[1] + bounds[3]) / 2, 5),
        ],
        "layers": {name: f"{name}.geojson" for name in LAYERS},
        "relief": {
            "dark": "relief-dark.webp",
            "light": "relief-light.webp",
            "coordinates": [[west, north], [east, north], [east, south], [west, south]],
        },
    }


def _layers() -> dict[str, list[Json]]:
    data = drawn.world()
    layers: dict[str, list[Json]] = {
        "veil": [_veil()],
        "areas": _areas(),
        "borders": [_line(edge.p, {"level": edge.l}) for edge in data.edges],
        "rivers": [_line(river.p, {"flow": max(river.a0, river.a1)}) for river in data.rivers],
        "lakes": [],
        "roads": [_line(road.p, {"class": road.c}) for road in data.roads],
        "urban": [_polygon([closed(ring)], {}) for ring in data.urban],
        "peaks": [_point((peak.x, peak.y), {"m": peak.m}) for peak in data.peaks],
        "labels": _labels(),
    }
    return {name: layers[name] for name in LAYERS}


def _veil() -> Json:
    west, south, east, north = world_box()
    box = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return _polygon([box, closed(drawn.outline())[::-1]], {})


def _areas() -> list[Json]:
    features = []
    for city in drawn.world().cities:
        members = [c.poly for c in drawn.world().counties if c.city == city.k]
        properties = {
            "code": drawn.city_code(city),
            "name": f"{city.name}市",
            "name_en": city.en,
            "level": "city",
        }
        features.append(_city(dissolve(members), properties))
    for code, county in drawn.county_codes().items():
        name, latin = drawn.county_name(code)
        properties = {"code": code, "name": name, "name_en": latin, "level": "county"}
        features.append(_polygon([closed(county.poly)], properties))
    return features


def _city(rings: Sequence[Sequence[UnitPoint]], properties: Json) -> Json:
    if len(rings) == 1:
        return _polygon([closed(rings[0])], properties)
    return _feature("MultiPolygon", [[closed(ring)] for ring in rings], properties)


def _labels() -> list[Json]:
    features = []
    for city in drawn.world().cities:
        kind = "capital" if city.k == 0 else "city"
        properties = {"name": f"{city.name}市", "name_en": city.en, "kind": kind}
        features.append(_point(city.seat, properties))
    for code in drawn.county_codes():
        name, latin = drawn.county_name(code)
        properties = {"name": name, "name_en": latin, "kind": "county"}
        features.append(_point(drawn.centre(code), properties))
    return features


def _feature(kind: str, coordinates: object, properties: Json) -> Json:
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": kind, "coordinates": coordinates},
    }


def _polygon(rings: Sequence[Sequence[UnitPoint]], properties: Json) -> Json:
    return _feature("Polygon", rings, properties)


def _line(points: Sequence[UnitPoint], properties: Json) -> Json:
    line: list[tuple[float, float]] = []
    for x, y in points:
        place = to_lonlat(x, y)
        if not line or place != line[-1]:
            line.append(place)
    return _feature("LineString", line, properties)


def _point(place: UnitPoint, properties: Json) -> Json:
    return _feature("Point", to_lonlat(place[0], place[1]), properties)


def _collection(features: Iterable[Json]) -> bytes:
    return msgspec.json.encode({"type": "FeatureCollection", "features": list(features)})
