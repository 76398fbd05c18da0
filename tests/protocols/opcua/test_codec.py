import math
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.opcua.codec import Form, Unfit, fit, grade, moment, overflowed, raw_of
from registry.model import Quality, ValueType

FLOAT, INT = Form(value=ValueType.FLOAT), Form(value=ValueType.INT)
BOOL, STR = Form(value=ValueType.BOOL), Form(value=ValueType.STR)
NUMBERS = ["SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64"]


class Localized:
    Text = "水位"


@pytest.mark.parametrize(
    ("status", "quality"),
    [
        (0, Quality.GOOD),
        (0x0000_0480, Quality.GOOD),
        (0x4090_0000, Quality.UNCERTAIN),
        (0x8034_0000, Quality.BAD),
        (0xC000_0000, Quality.BAD),
    ],
)
def test_grades(status: int, quality: Quality) -> None:
    assert grade(status) is quality


def test_overflow_is_a_bit_of_data_values_only() -> None:
    assert overflowed(0x0480)
    assert overflowed(0x4000_0480)
    assert not overflowed(0x0400)
    assert not overflowed(0x0080)


def test_moments() -> None:
    aware = datetime(2026, 3, 18, 14, 26, 5, 123_456, timezone(timedelta(hours=8)))
    assert moment(aware) == 1_773_815_165_123_456_000
    assert moment(aware.astimezone(UTC).replace(tzinfo=None)) == moment(aware)
    assert moment(datetime(1601, 1, 1, tzinfo=UTC)) == 0
    assert moment(None) == 0


@given(st.datetimes(datetime(1970, 1, 3), datetime(2250, 1, 1)))
def test_moments_are_exact(stamp: datetime) -> None:
    assert timedelta(microseconds=moment(stamp) // 1000) == stamp - datetime(1970, 1, 1)


@pytest.mark.parametrize(
    ("form", "raw", "value"),
    [
        (FLOAT, 3, 3.0),
        (FLOAT, 2.5, 2.5),
        (INT, 7, 7),
        (BOOL, True, True),
        (STR, "x", "x"),
        (STR, Localized(), "水位"),
        (STR, datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00.000Z"),
        (STR, UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Form(value=ValueType.FLOAT, scale=0.1), 3, 0.3),
        (Form(value=ValueType.FLOAT, scale=2, offset=1), 1.5, 4.0),
        (Form(value=ValueType.INT, scale=10, offset=-5), 2**60, 10 * 2**60 - 5),
    ],
)
def test_values_fit(form: Form, raw: object, value: object) -> None:
    if value == 10 * 2**60 - 5:
        with pytest.raises(Unfit, match="beyond 64 bits"):
            fit(form, raw)
        return
    got = fit(form, raw)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("form", "raw", "words"),
    [
        (FLOAT, "12", "a str, the point is float"),
        (FLOAT, True, "a bool, the point is float"),
        (FLOAT, None, "holds nothing"),
        (FLOAT, [1.0], "an array"),
        (FLOAT, math.nan, "no number"),
        (FLOAT, 10**400, "beyond 64 bits"),
        (INT, 2.0, "make the point a float"),
        (INT, 2**63, "beyond 64 bits"),
        (BOOL, 1, "the point is bool"),
        (STR, 1, "the point is str"),
        (STR, b"x", "a bytes"),
    ],
)
def test_what_does_not_fit_says_why(form: Form, raw: object, words: str) -> None:
    with pytest.raises(Unfit, match=words):
        fit(form, raw)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.datetimes(),
    st.uuids(),
    st.lists(st.integers(), max_size=2),
)


@given(
    raw=ANYTHING,
    value=st.sampled_from(ValueType),
    scale=st.sampled_from([1.0, 0.01, -3.0, 1e300]),
    offset=st.sampled_from([0.0, 5.0]),
)
def test_anything_fits_or_is_unfit(
    raw: object, value: ValueType, scale: float, offset: float
) -> None:
    try:
        got = fit(Form(value=value, scale=scale, offset=offset), raw)
    except Unfit:
        return
    kinds = {"float": float, "int": int, "bool": bool, "str": str}
    assert type(got) is kinds[value.value]
    if isinstance(got, float):
        assert math.isfinite(got)


@given(
    value=st.one_of(st.booleans(), st.integers(), st.floats(), st.text()),
    kind=st.sampled_from([*NUMBERS, "Float", "Double", "Boolean", "String", "Guid"]),
    scale=st.sampled_from([1.0, 0.1, -2.0, 1e-300]),
)
def test_what_is_written_fits_the_node(value: bool | float | str, kind: str, scale: float) -> None:
    try:
        raw = raw_of(Form(value=ValueType.FLOAT, scale=scale, offset=1.0), value, kind)
    except Unfit:
        return
    if kind in NUMBERS:
        bits = {"SByte": 8, "Byte": 8}.get(kind) or int(kind[-2:])
        low = 0 if kind in ("Byte", "UInt16", "UInt32", "UInt64") else -(2 ** (bits - 1))
        assert isinstance(raw, int)
        assert low <= raw < low + 2**bits
    elif kind in ("Float", "Double"):
        assert isinstance(raw, float)
        assert math.isfinite(raw)
    else:
        assert isinstance(raw, bool if kind == "Boolean" else str)


def test_writes_are_scaled_back() -> None:
    form = Form(value=ValueType.FLOAT, scale=0.1, offset=-40)
    assert raw_of(form, 25.5, "Int16") == 655
    assert raw_of(form, 25.5, "Double") == pytest.approx(655)
    with pytest.raises(Unfit, match="no whole number"):
        raw_of(FLOAT, 1.5, "Int16")
    with pytest.raises(Unfit, match="takes 0 to 255"):
        raw_of(FLOAT, 256, "Byte")
