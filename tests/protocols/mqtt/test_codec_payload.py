"""Payloads into typed values."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.mqtt.address import TimeFormat
from protocols.mqtt.codec_payload import Plan, Sample, Unfit
from registry.model import MisfitReason, Point, ValueType

LEVEL = Point(name="level")
COUNT = Point(name="count", type=ValueType.INT)
DOOR = Point(name="door", type=ValueType.BOOL)
MODE = Point(name="mode", type=ValueType.STR)
ALL = (LEVEL, COUNT, DOOR, MODE)


def plan(*points: Point, time: str | None = None, form: TimeFormat = TimeFormat.RFC3339) -> Plan:
    return Plan(points, time, form)


def said(sample: Sample) -> dict[str, Any]:
    return dict(zip(sample.names, sample.values, strict=True))


def test_all_types_and_more_fields_than_points() -> None:
    payload = b'{"level": 2, "count": 3, "door": true, "mode": "auto", "rssi": -70}'
    sample = plan(*ALL).read(payload)
    assert said(sample) == {"level": 2.0, "count": 3, "door": True, "mode": "auto"}
    assert [type(v) for v in sample.values] == [float, int, bool, str]
    assert sample.time == 0
    assert not sample.bad
    assert not sample.flaws


def test_missing_points_are_left_out() -> None:
    assert said(plan(*ALL).read(b'{"count": 3}')) == {"count": 3}


def test_a_payload_without_any_point_says_what_it_has() -> None:
    with pytest.raises(Unfit) as caught:
        plan(LEVEL).read(b'{"level_m": 2.0}')
    assert caught.value.flaw.reason is MisfitReason.UNKNOWN_POINT
    assert "/level" in caught.value.flaw.detail
    assert "level_m" in caught.value.flaw.detail


@pytest.mark.parametrize(
    ("point", "value"),
    [
        (LEVEL, "2.5"),
        (LEVEL, True),
        (LEVEL, [1]),
        (COUNT, 2.5),
        (COUNT, "2"),
        (COUNT, True),
        (COUNT, 2**63),
        (DOOR, 2),
        (DOOR, "on"),
        (MODE, 1),
        (MODE, {"a": 1}),
    ],
)
def test_a_wrong_type_names_the_field_and_spares_the_neighbours(point: Point, value: Any) -> None:
    sample = plan(point, Point(name="other")).read(
        json.dumps({point.name: value, "other": 1}).encode()
    )
    assert said(sample) == {"other": 1.0}
    (flaw,) = sample.flaws
    assert flaw.reason is MisfitReason.WRONG_TYPE
    assert flaw.point == point.name
    assert f"/{point.name}" in flaw.detail


@pytest.mark.parametrize(
    ("point", "value", "taken"),
    [(COUNT, 2.0, 2), (DOOR, 1, True), (DOOR, 0, False), (LEVEL, 1, 1.0)],
)
def test_harmless_differences_are_taken(point: Point, value: Any, taken: Any) -> None:
    sample = plan(point).read(json.dumps({point.name: value}).encode())
    assert sample.values == [taken] or sample.values == (taken,)
    assert type(sample.values[0]) is type(taken)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "null"])
def test_no_number_is_a_bad_reading(text: str) -> None:
    sample = plan(LEVEL, COUNT).read(f'{{"level": {text}, "count": 1}}'.encode())
    assert said(sample) == {"level": None, "count": 1}
    assert sample.bad is not None
    assert list(sample.bad) == [0]


def test_scale_and_offset() -> None:
    points = (
        Point(name="t", scale=0.1, offset=-40),
        Point(name="n", type=ValueType.INT, scale=10, offset=5),
    )
    assert said(plan(*points).read(b'{"t": 655, "n": 2}')) == {"t": pytest.approx(25.5), "n": 25}


def test_a_scaled_int_beyond_64_bits_is_set_aside() -> None:
    point = Point(name="n", type=ValueType.INT, scale=10)
    sample = plan(point).read(b'{"n": %d}' % 2**62)
    assert not sample.names
    assert sample.flaws[0].reason is MisfitReason.WRONG_TYPE


def test_a_scaled_float_that_overflows_is_bad() -> None:
    sample = plan(Point(name="n", scale=1e300)).read(b'{"n": 1e300}')
    assert sample.values == [None]
    assert sample.bad == {0: "not a finite number"}


def test_nested_pointers_arrays_escapes_and_the_whole_payload() -> None:
    points = (
        Point(name="a", address={"pointer": "/data/0/v"}),
        Point(name="b", address={"pointer": "/x~1y/~0"}),
    )
    assert said(plan(*points).read(b'{"data": [{"v": 1}], "x/y": {"~": 2}}')) == {"a": 1, "b": 2}
    whole = Point(name="w", address={"pointer": ""})
    assert said(plan(whole).read(b"12.5")) == {"w": 12.5}


def test_two_points_of_one_field() -> None:
    points = (LEVEL, Point(name="cm", address={"pointer": "/level"}, scale=100))
    assert said(plan(*points).read(b'{"level": 2}')) == {"level": 2.0, "cm": 200.0}


NOON = 1_773_835_200 * 10**9


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (TimeFormat.RFC3339, '"2026-03-18T12:00:00Z"'),
        (TimeFormat.RFC3339, '"2026-03-18T20:00:00+08:00"'),
        (TimeFormat.RFC3339, '"2026-03-18T12:00:00.000"'),
        (TimeFormat.S, "1773835200"),
        (TimeFormat.S, "1773835200.0"),
        (TimeFormat.MS, "1773835200000"),
        (TimeFormat.NS, "1773835200000000000"),
    ],
)
@pytest.mark.parametrize("pointer", ["/ts", "/meta/ts"])
def test_times(form: TimeFormat, text: str, pointer: str) -> None:
    body = f'{{"level": 1, "ts": {text}, "meta": {{"ts": {text}}}}}'
    assert plan(LEVEL, time=pointer, form=form).read(body.encode()).time == NOON


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (TimeFormat.RFC3339, '"yesterday"'),
        (TimeFormat.RFC3339, "1773835200"),
        (TimeFormat.RFC3339, '"1950-01-01T00:00:00Z"'),
        (TimeFormat.S, '"1773835200"'),
        (TimeFormat.S, "1e300"),
        (TimeFormat.MS, "-5"),
        (TimeFormat.MS, "true"),
        (TimeFormat.NS, "null"),
        (TimeFormat.NS, str(2**63)),
    ],
)
def test_a_bad_time_sets_the_payload_aside(form: TimeFormat, text: str) -> None:
    with pytest.raises(Unfit) as caught:
        plan(LEVEL, time="/ts", form=form).read(f'{{"level": 1, "ts": {text}}}'.encode())
    assert caught.value.flaw.reason is MisfitReason.BAD_TIME
    assert "/ts" in caught.value.flaw.detail


def test_a_missing_time_is_named() -> None:
    with pytest.raises(Unfit, match="/ts cannot be read: it is missing"):
        plan(LEVEL, time="/ts").read(b'{"level": 1}')


@pytest.mark.parametrize("payload", [b"", b"\xff\xfe", b"{", b"OFF", b"[" * 100_000])
def test_what_is_no_json_is_unreadable(payload: bytes) -> None:
    with pytest.raises(Unfit) as caught:
        plan(LEVEL).read(payload)
    assert caught.value.flaw.reason is MisfitReason.UNREADABLE


def test_text_that_cannot_be_stored_is_mended() -> None:
    assert plan(MODE).read(b'{"mode": "a\\ud800b"}').values == ["a?b"]


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True)
    | st.text(st.characters(), max_size=5)
)
trees = st.recursive(
    scalars, lambda t: st.lists(t, max_size=3) | st.dictionaries(st.text(max_size=3), t, max_size=3)
)
bodies = st.dictionaries(
    st.sampled_from(["level", "count", "door", "mode", "ts", "x"]), trees, max_size=6
)


def read(made: Plan, payload: bytes) -> object:
    """Return what a plan makes of a payload, in a form that can be compared."""
    try:
        sample = made.read(payload)
    except Unfit as unfit:
        return unfit.flaw.reason
    by_name = {
        name: (type(value), value, (sample.bad or {}).get(i))
        for i, (name, value) in enumerate(zip(sample.names, sample.values, strict=True))
        if name != "twin"
    }
    flaws = sorted((f.reason, f.point) for f in sample.flaws if f.point != "twin")
    return by_name, sample.time, flaws


@settings(deadline=None, max_examples=60)
@given(bodies, st.sampled_from([None, "/ts"]), st.sampled_from(TimeFormat))
def test_the_fast_way_and_the_free_way_agree(
    body: dict[str, Any], time: str | None, form: TimeFormat
) -> None:
    payload = json.dumps(body).encode()
    twin = Point(name="twin", address={"pointer": "/level"})  # a field used twice: the free way
    assert read(plan(*ALL, time=time, form=form), payload) == read(
        plan(*ALL, twin, time=time, form=form), payload
    )


@settings(deadline=None, max_examples=60)
@given(bodies)
def test_values_always_have_their_points_type(body: dict[str, Any]) -> None:
    types = {"level": float, "count": int, "door": bool, "mode": str}
    try:
        sample = plan(*ALL).read(json.dumps(body).encode())
    except Unfit:
        return
    for index, (name, value) in enumerate(zip(sample.names, sample.values, strict=True)):
        if value is None:
            assert index in (sample.bad or {})
        else:
            assert type(value) is types[name]
        if isinstance(value, float):
            assert math.isfinite(value)
        if isinstance(value, str):
            value.encode()


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=60))
def test_any_payload_is_survived(payload: bytes) -> None:
    for time in (None, "/ts"):
        read(plan(*ALL, time=time), payload)
