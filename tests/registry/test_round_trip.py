"""Export then import changes nothing, whatever a device holds; garbage never breaks the reader."""

import math
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.coordinates import to_wgs84
from registry.exchange.document import Document, Format, read_devices, write_csv, write_yaml
from registry.exchange.plan import difference
from registry.model import (
    Area,
    AreaKind,
    Capability,
    Comparison,
    CoordinateSystem,
    Device,
    DeviceKind,
    Faulty,
    Lifecycle,
    Link,
    Place,
    PlaceSource,
    Point,
    Profile,
    RawPosition,
    Sensing,
    Severity,
    ThresholdRule,
    ValueRange,
    ValueType,
)

text = st.text(st.characters(codec="utf-8"), max_size=6)
numbers = ("3", "1e5", "010", "12:30", "2020-01-01", "true", "null", "yes", "=1")
breaks = ("", " ", " a ", "\r\n", "x\ny", "\x85", "\u2028", "\ufeff")
marks = ('"', '""', "[]", "[", "a;b", "{unit}", "{local}", "'", "#", "*a", "!x")
tricky = st.sampled_from((*numbers, *breaks, *marks))
words = text | tricky
finite = st.floats(allow_nan=False, allow_infinity=False)
key = st.text("abcXYZ09_-. é", min_size=1, max_size=6)
scalar = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | finite | words
address = st.dictionaries(key, scalar, max_size=3)
name = st.text("abcXYZ09._-", min_size=1, max_size=8)
area = st.sampled_from(["990000", "990101", "990101002", "010101"])
pair = st.tuples(st.floats(75, 134), st.floats(18, 53))


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


points = st.builds(
    Point,
    name=name,
    type=st.sampled_from(ValueType),
    title=words,
    unit=words,
    range=maybe(st.builds(ValueRange, low=finite, high=finite)),
    scale=finite,
    deadband=st.floats(0, 1e9),
    cadence=maybe(st.floats(0.1, 1e6)),
    writable=st.booleans(),
    address=address,
)
links = st.builds(
    Link,
    protocol=st.sampled_from(["mqtt", "modbus"]),
    endpoint=words,
    address=address,
    credential=maybe(words),
    profile=maybe(words | st.just("gauge")),
)


def place(lonlat: tuple[float, float], system: CoordinateSystem, more: dict[str, Any]) -> Place:
    lon, lat = lonlat
    return to_wgs84(RawPosition(lon=lon, lat=lat, system=system), **more)


details = st.fixed_dictionaries(
    {
        "altitude": maybe(finite),
        "source": st.sampled_from(PlaceSource),
        "azimuth": maybe(st.floats(0, 359)),
        "view_angle": maybe(st.floats(1, 360)),
        "accuracy": maybe(st.floats(0, 1e6)),
        "address": words,
    }
)
places = st.builds(place, pair, st.sampled_from(CoordinateSystem), details) | st.builds(
    Place,
    lon=st.floats(75, 134),
    lat=st.floats(18, 53),
    raw=maybe(
        st.builds(RawPosition, lon=finite, lat=finite, system=st.sampled_from(CoordinateSystem))
    ),
)
devices = st.builds(
    Device,
    id=st.text("abcXYZ09._~-", min_size=1, max_size=12),
    home=name,
    name=words.filter(lambda text: text != ""),
    kind=st.sampled_from(DeviceKind),
    sensing=st.sampled_from(Sensing),
    category=st.sampled_from(["", "water", "gas"]),
    codes=st.dictionaries(key, words, max_size=2),
    link=maybe(links),
    place=maybe(places),
    area=maybe(area),
    owner=words,
    tags=st.lists(words, max_size=3).map(tuple),
    key_point=st.booleans(),
    lifecycle=st.sampled_from(Lifecycle),
    parent=maybe(name),
    maker=words,
    model=words,
    capabilities=st.lists(st.sampled_from(Capability), max_size=3).map(tuple),
    points=st.lists(points, max_size=2, unique_by=lambda point: point.name).map(tuple),
)


def distinct(devices: list[Device]) -> bool:
    codes = [item for device in devices for item in device.codes.items()]
    return len(set(codes)) == len(codes)


some = st.lists(devices, max_size=2, unique_by=lambda device: device.id).filter(distinct)
GAUGE = Profile(
    name="gauge",
    kind=DeviceKind.METER,
    maker="Hai",
    capabilities=(),
    address={"topic": "x/{local}", "unit": "{unit}"},
    points=(Point(name="level", address={"register": "{base}"}),),
)


def of_gauge(device: Device, unit: int, base: str, maker: str) -> Device:
    link = Link(
        protocol="modbus",
        endpoint="h",
        address={"topic": "x/{local}", "unit": unit},
        profile="gauge",
    )
    level = Point(name="level", address={"register": base})
    return msgspec.structs.replace(device, link=link, maker=maker, points=(level,))


gauges = st.builds(of_gauge, devices, st.integers(), words, st.sampled_from(["Hai", "", "Other"]))


@settings(max_examples=40, deadline=None)
@given(some)
def test_a_table_reads_back_as_it_was(given: list[Device]) -> None:
    read = read_devices(write_csv(given), "csv", node="other", profiles={})
    assert list(read.devices) == given
    assert difference(given, read.devices).same == tuple(device.id for device in given)


@settings(max_examples=40, deadline=None)
@given(some)
def test_a_document_reads_back_as_it_was(given: list[Device]) -> None:
    document = Document(
        devices=tuple(given),
        profiles=(GAUGE,),
        areas=(Area(code="990000", name="省", kind=AreaKind.PROVINCE, valid_from="2020-01-01"),),
        rules=(
            ThresholdRule(
                id="007", point="p", comparison=Comparison.ABOVE, limit=3, severity=Severity.MAJOR
            ),
        ),
    )
    read = read_devices(write_yaml(document), "yaml", node="other", profiles={})
    assert msgspec.structs.replace(read, lines={}) == document


@settings(max_examples=30, deadline=None)
@given(gauges)
@example(of_gauge(Device(id="a", home="h", name="n", kind=DeviceKind.METER), 1, "2", "Hai"))
def test_devices_of_a_profile_read_back_as_they_were(device: Device) -> None:
    profiles = {"gauge": GAUGE}
    table = write_csv([device], profiles=profiles)
    assert read_devices(table, "csv", node="x", profiles=profiles).devices == (device,)
    document = write_yaml(Document(devices=(device,), profiles=(GAUGE,)))
    assert read_devices(document, "yaml", node="x", profiles={}).devices == (device,)


def test_what_a_profile_explains_is_not_written_out() -> None:
    profile = msgspec.structs.replace(GAUGE, address={"topic": "x/{local}"}, points=())
    given = [
        Device(
            id=f"e~{n}",
            home="e",
            name="n",
            kind=DeviceKind.METER,
            maker="Hai",
            capabilities=(),
            link=Link(
                protocol="mqtt", endpoint="m", address={"topic": "x/{local}"}, profile="gauge"
            ),
        )
        for n in range(2)
    ]
    header, first, *_ = write_csv(given, profiles={"gauge": profile}).splitlines()
    assert header == "id,home,name,kind,profile,protocol,endpoint,lon,lat,area"
    assert first == "e~0,e,n,,gauge,mqtt,m,,,"


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=80) | st.binary(max_size=80))
@example("devices:\n- {id: a, place: {lon: 1, lat: .nan}}")
@example("id,points\na,[1e999]")
def test_garbage_is_refused_with_a_reason(data: str | bytes) -> None:
    formats: tuple[Format, ...] = ("csv", "yaml")
    for format in formats:
        try:
            read_devices(data, format, node="e", profiles={})
        except Faulty as refused:
            assert all(f.where and f.message for f in refused.faults)  # noqa: PT017


yamlish = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(name, inner, max_size=3),
    max_leaves=6,
)
fields = [*Device.__struct_fields__, "local", "profile", "with"]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(fields), yamlish, max_size=6))
def test_any_shape_of_entry_gives_a_device_or_a_reason(entry: dict[str, Any]) -> None:
    import yaml

    lawful: dict[str, Any] = {"id": "a", "name": "n", "kind": "meter", "profile": "gauge"}
    document = yaml.safe_dump({"devices": [{**lawful, **entry}]}, allow_unicode=True)
    try:
        (device,) = read_devices(document, "yaml", node="e", profiles={"gauge": GAUGE}).devices
    except Faulty as refused:
        assert refused.faults  # noqa: PT017
    else:
        assert msgspec.json.decode(msgspec.json.encode(device), type=Device) == device
        assert device.place is None or math.isfinite(device.place.lon)
