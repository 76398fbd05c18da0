"""Importing device tables: every mistake is told with its line, column and reason."""

from collections.abc import Iterable

import pytest

from registry.coordinates import distance
from registry.exchange.document import Document, read_devices
from registry.model import (
    CoordinateSystem,
    Device,
    DeviceKind,
    Fault,
    Faulty,
    Lifecycle,
    Point,
    Profile,
    RawPosition,
)

GAUGE = Profile(
    name="gauge",
    kind=DeviceKind.METER,
    category="water",
    maker="Hai",
    address={"topic": "city/{local}/telemetry", "unit": "{unit}", "note": "u-{unit}"},
    points=(Point(name="level", address={"register": "{base}", "table": "holding"}),),
)
PROFILES = {"gauge": GAUGE}


def read(text: str | bytes, **more: object) -> Document:
    return read_devices(text, "csv", node="edge-1", profiles=PROFILES, **more)  # type: ignore[arg-type]


def faults(text: str | bytes, **more: object) -> list[str]:
    with pytest.raises(Faulty) as caught:
        read(text, **more)
    return [str(fault) for fault in caught.value.faults]


def test_a_row_becomes_a_device() -> None:
    (device,) = read(
        "local,name,kind,category,lon,lat,protocol,endpoint,address.topic,address.qos,tags,"
        "key_point,lifecycle,area,code.gb28181,points\n"
        "w1,滨河,sensor,water,112.5,37.8,mqtt,mqtt://b:1883,a/{local},1,x; y,是,planned,"
        '990101,34020000001320000001,"[{""name"":""level"",""unit"":""m""}]"\n'
    ).devices
    assert (device.id, device.home, device.name) == ("edge-1~w1", "edge-1", "滨河")
    assert device.link is not None
    assert device.link.address == {"topic": "a/{local}", "qos": 1}
    assert device.tags == ("x", "y")
    assert device.key_point
    assert device.lifecycle is Lifecycle.PLANNED
    assert device.area == "990101"
    assert device.codes == {"gb28181": "34020000001320000001"}
    assert device.points == (Point(name="level", unit="m"),)


def test_every_mistake_of_every_row_is_told_at_once() -> None:
    told = faults(
        "id,name,kind,lon,lat,key_point,lifecycle,area\n"
        "a,Good,sensor,112.5,37.8,,,\n"
        "b,,camra,east,37.8,maybe,,\n"
        "\n"
        "no id,Bad,sensor,112.5,97,,gone,99\n"
        "a,Twice,sensor,,,,,\n"
        "c,Wide,sensor,,,,,,,extra\n"
    )
    assert told == [
        "line 3, column lon: 'east' is no number (expected a number with a decimal point)",
        "line 3, column key_point: 'maybe' is neither yes nor no (expected true or false)",
        "line 5, column lon: is no position (expected lon within 180, lat within 90 degrees)",
        "line 5, column id: 'no id' does not fit (expected string, like ^[A-Za-z0-9._~-]{1,96}$)",
        "line 5, column area: '99' does not fit"
        r" (expected string, like ^(\d{6}|\d{9}|\d{12})$)",
        "line 5, column lifecycle: 'gone' does not fit"
        " (expected one of planned, installed, active, maintenance, retired)",
        "line 6, column id: a stands on line 2 already (expected one line per device)",
        "line 7: has a cell 'extra' beyond the 8 columns",
    ]


def test_missing_things_are_named() -> None:
    told = faults("id,name,kind,lon\na,,sensor,112\n,B,meter,\n")
    assert [text.partition(" (")[0] for text in told] == [
        "line 2, column lat: is missing",
        "line 2, column name: is missing",
        "line 3, column id: is missing",
    ]


def test_lines_count_the_lines_inside_cells() -> None:
    told = faults('id,name,kind\na,"two\nlines",sensor\nb,B,thing\n')
    assert told[0].startswith("line 4, column kind: 'thing'")


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("id,nmae,kind", "line 1, column nmae: is unknown (expected name (did you mean that?))"),
        ("id,name,name", "line 1, column name: says the same as name (expected one of them)"),
        ("id,名称,name", "line 1, column name: says the same as 名称 (expected one of them)"),
        ("id,addres.unit", "line 1, column addres.unit: is unknown (expected address"),
        ("id,unit_x", "line 1, column unit_x: is unknown (expected unit (did"),
        ("", "line 1: holds no header (expected id, name, kind …)"),
    ],
)
def test_columns_are_judged_first(header: str, told: str) -> None:
    assert faults(f"{header}\na,b,c\n")[0].startswith(told)


def test_headers_in_chinese_and_other_delimiters() -> None:
    (device,) = read("编号;名称;设备类型;经度;纬度\nw1;水位;sensor;112.5;37.8\n").devices
    assert (device.id, device.name) == ("edge-1~w1", "水位")
    (other,) = read("编号\t名称\t设备类型\nw1\t水, 位\tsensor\n").devices
    assert other.name == "水, 位"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_encodings(encoding: str) -> None:
    (device,) = read("id,name,kind\r\na,龘山水位,sensor\r\n".encode(encoding)).devices
    assert device.name == "龘山水位"


def test_what_is_no_text_or_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "unknown encoding" in faults(b"id,name\n\xff\xfe\xff\xff\xff")[0]
    monkeypatch.setattr("registry.exchange.text.MAX_BYTES", 10)
    assert "at most 10" in faults("id,name,kind\n")[0]
    monkeypatch.undo()
    monkeypatch.setattr("registry.exchange.table.MAX_ROWS", 2)
    assert "more than 2 rows" in faults("id,name,kind\na,a,meter\nb,b,meter\nc,c,meter\n")[0]


def test_broken_quotes_end_the_reading_and_say_where() -> None:
    told = faults('id,name,kind\na,"A"x,sensor\n')
    assert told[0].startswith("line 2: cannot be read any further")


def test_positions_are_converted_once_and_the_raw_pair_kept() -> None:
    (device,) = read(
        "id,name,kind,lon,lat,system,location\na,A,sensor,112.5551993,37.8711251,gcj02,门口\n"
    ).devices
    place = device.place
    assert place is not None
    assert place.raw == RawPosition(lon=112.5551993, lat=37.8711251, system=CoordinateSystem.GCJ02)
    assert distance((place.lon, place.lat), (112.5489, 37.8706)) < 0.02
    assert place.address == "门口"


@pytest.mark.parametrize(
    ("lon", "lat", "system", "told"),
    [
        ("0", "0.0", "wgs84", "0, 0 lies in the Gulf of Guinea"),
        ("37.8", "112.5", "", "seem to be swapped"),
        ("37.8", "89", "", "seem to be swapped"),
        ("nan", "37", "", "'nan' is no finite number"),
        ("1e999", "37", "", "'1e999' is no finite number"),
        ("112", "37", "gcj2", "one of wgs84, cgcs2000, gcj02, bd09"),
        ("112", "", "", "column lat: is missing"),
    ],
)
def test_positions_that_cannot_be(lon: str, lat: str, system: str, told: str) -> None:
    (only,) = faults(f"id,name,kind,lon,lat,system\na,A,sensor,{lon},{lat},{system}\n")
    assert only.startswith("line 2, column ")
    assert told in only


def test_a_filled_system_column_alone_is_no_position() -> None:
    assert read("id,name,kind,lon,lat,system\na,A,sensor,,,gcj02\n").devices[0].place is None


def test_a_profile_fills_what_the_row_leaves_open() -> None:
    a, b = read(
        "local,name,profile,protocol,endpoint,unit,base,maker,address.note\n"
        "w1,W1,gauge,modbus,modbus+tcp://h:502,7,10,,\n"
        "w2,W2,gauge,modbus,modbus+tcp://h:502,8,20,Other,own\n"
    ).devices
    assert (a.kind, a.category, a.maker, b.maker) == (DeviceKind.METER, "water", "Hai", "Other")
    assert a.link is not None
    assert b.link is not None
    assert a.link.profile == "gauge"
    assert a.link.address == {"topic": "city/{local}/telemetry", "unit": 7, "note": "u-7"}
    assert b.link.address["note"] == "own"
    assert a.points[0].address == {"register": 10, "table": "holding"}
    assert b.points[0].address == {"register": 20, "table": "holding"}


def test_profiles_and_their_slots_are_checked() -> None:
    told = faults(
        "local,name,profile,protocol,endpoint,unit,base\n"
        "w1,W1,gaug,modbus,h,1,1\n"
        "w2,W2,gauge,modbus,h,,1\n"
        "w3,W3,,modbus,h,3,\n"
    )
    assert told[0].startswith("line 2, column profile: 'gaug' is unknown (expected gauge")
    assert told[1].startswith("line 3, column unit: profile gauge asks for it")
    assert told[2].startswith("line 4, with: fills no profile")


def test_the_protocol_judges_addresses_where_they_stand() -> None:
    def check(device: Device) -> Iterable[Fault]:
        assert device.link is not None
        yield Fault(where="link.address.unit", message="too large", expected="0 to 247")
        yield Fault(where="points[level].address.register", message="is missing")

    told = faults(
        "id,name,kind,protocol,endpoint,address.unit,points\n"
        'a,A,meter,modbus,h,999,"[{""name"":""x""},{""name"":""level""}]"\n',
        check=check,
    )
    assert told == [
        "line 2, column address.unit: too large (expected 0 to 247)",
        "line 2, column points, points[1].address.register: point level: is missing",
    ]


def test_codes_are_unique_and_not_rounded_by_a_spreadsheet() -> None:
    (told,) = faults("id,name,kind,code.gb28181\na,A,camera,1\nc,C,camera,3.4E+19\n")
    assert told.startswith("line 3, column code.gb28181: '3.4E+19' was rounded")
    (told,) = faults("id,name,kind,code.gb28181\na,A,camera,1\nb,B,camera,1\n")
    assert told.startswith("line 3, column code.gb28181: 1 stands on line 2 already")


def test_too_many_mistakes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.exchange.document.MAX_FAULTS", 3)
    told = faults("id,name,kind\n" + "a b,A,meter\n" * 5)
    assert len(told) == 4
    assert told[-1] == "file: 2 more mistakes"
