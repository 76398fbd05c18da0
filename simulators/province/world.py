"""The drawn data of the fictional province, as typed structs, with its administrative codes."""

from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
from msgspec import Struct

from registry.model import Area, AreaKind
from simulators.province.geography import Ring, contains, dissolve, to_units

PROVINCE_CODE: Final = "990000"
PROVINCE_NAME: Final = "澄岳省"
PROVINCE_NAME_EN: Final = "Chengyue"

_SOUNDS: Final = {
    "原": "yuan",
    "台": "tai",
    "坪": "ping",
    "屿": "yu",
    "岑": "cen",
    "岗": "gang",
    "峤": "qiao",
    "川": "chuan",
    "栎": "li",
    "桁": "heng",
    "桠": "ya",
    "桥": "qiao",
    "槭": "qi",
    "樨": "xi",
    "汐": "xi",
    "沅": "yuan",
    "浦": "pu",
    "渡": "du",
    "湾": "wan",
    "溪": "xi",
    "漱": "shu",
    "玦": "jue",
    "珩": "heng",
    "琅": "lang",
    "瑱": "tian",
    "砚": "yan",
    "芷": "zhi",
    "苓": "ling",
    "荇": "xing",
    "葭": "jia",
    "蓼": "liao",
    "谷": "gu",
    "陵": "ling",
    "霁": "ji",
}


class County(Struct, frozen=True):
    """A county in plane units; `city` is the number of its city."""

    i: int
    city: int
    name: str
    seat: tuple[float, float]
    poly: list[tuple[float, float]]


class City(Struct, frozen=True):
    """A city; `county` is the number `i` of the county that holds its seat."""

    k: int
    name: str
    en: str
    seat: tuple[float, float]
    county: int


class Edge(Struct, frozen=True):
    """A border: `l` 0 province, 1 city, 2 county."""

    l: int  # noqa: E741 - the name in the data
    p: list[tuple[float, float]]


class River(Struct, frozen=True):
    """A river; `a0` and `a1` are the flow at its two ends."""

    p: list[tuple[float, float]]
    a0: float
    a1: float


class Road(Struct, frozen=True):
    """A road: `c` 1 expressway, 2 road."""

    c: int
    p: list[tuple[float, float]]


class Peak(Struct, frozen=True):
    """A summit, `m` metres high."""

    x: float
    y: float
    m: int


class World(Struct, frozen=True):
    """Everything that was drawn."""

    counties: list[County]
    cities: list[City]
    edges: list[Edge]
    rivers: list[River]
    roads: list[Road]
    urban: list[list[tuple[float, float]]]
    peaks: list[Peak]


@cache
def world() -> World:
    """Read the drawn data once."""
    data = files("simulators.province").joinpath("province-world.json").read_bytes()
    return msgspec.json.decode(data, type=World)


def city_code(city: City) -> str:
    """Return the code of a city: 990100 to 991100."""
    return f"99{city.k + 1:02d}00"


@cache
def county_codes() -> dict[str, County]:
    """Return every county by its code; a city's seat is its 01, the others count from 21."""
    codes: dict[str, County] = {}
    for city in world().cities:
        members = [county for county in world().counties if county.city == city.k]
        prefix = city_code(city)[:4]
        others = 21
        for county in members:
            if county.i == city.county:
                codes[f"{prefix}01"] = county
            else:
                codes[f"{prefix}{others:02d}"] = county
                others += 1
    return dict(sorted(codes.items()))


def county_name(code: str) -> tuple[str, str]:
    """Return a county's name in Chinese and in Latin letters, e.g. 漱湾区 and Shuwan."""
    name = county_codes()[code].name
    latin = "".join(_SOUNDS[sign] for sign in name).capitalize()
    return name + ("区" if code.endswith("01") else "县"), latin


def areas() -> list[Area]:
    """Return the province, its 11 cities and its 103 counties, parents first."""
    province = Area(
        code=PROVINCE_CODE,
        name=PROVINCE_NAME,
        name_en=PROVINCE_NAME_EN,
        kind=AreaKind.PROVINCE,
    )
    cities = [
        Area(
            code=city_code(city),
            name=f"{city.name}市",
            name_en=city.en,
            kind=AreaKind.CITY,
            parent=PROVINCE_CODE,
        )
        for city in world().cities
    ]
    counties = []
    for code in county_codes():
        name, latin = county_name(code)
        counties.append(
            Area(
                code=code,
                name=name,
                name_en=latin,
                kind=AreaKind.COUNTY,
                parent=f"{code[:4]}00",
            )
        )
    return [province, *cities, *counties]


@cache
def county_box(code: str) -> tuple[float, float, float, float]:
    """Return least x, least y, greatest x and greatest y of a county in plane units."""
    xs = [p[0] for p in county_codes()[code].poly]
    ys = [p[1] for p in county_codes()[code].poly]
    return min(xs), min(ys), max(xs), max(ys)


def county_holds(code: str, x: float, y: float) -> bool:
    """Tell whether a county holds a point in plane units."""
    west, top, east, bottom = county_box(code)
    if not (west < x < east and top < y < bottom):
        return False
    return contains(county_codes()[code].poly, x, y)


@cache
def centre(code: str) -> tuple[float, float]:
    """Return the seat of a county in plane units.

    Where the drawn seat lies across the border, it is the middle of the county's outline.
    """
    county = county_codes()[code]
    if county_holds(code, *county.seat):
        return county.seat
    many = len(county.poly)
    return sum(p[0] for p in county.poly) / many, sum(p[1] for p in county.poly) / many


def county_at(lon: float, lat: float) -> str | None:
    """Return the code of the county that holds a place, or None outside the province."""
    x, y = to_units(lon, lat)
    return next((code for code in county_codes() if county_holds(code, x, y)), None)


@cache
def outline() -> Ring:
    """Return the border of the province in plane units, open."""
    return dissolve([county.poly for county in world().counties])[0]
