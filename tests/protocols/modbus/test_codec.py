import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.modbus.codec import Form, Image, Kind, Order, Unfit, decode, encode, width_of
from registry.model import ValueType

INTEGERS = [k for k in Kind if k.value.startswith(("int", "uint"))]
ORDERS = st.sampled_from(Order)


def wire(text: str) -> list[int]:
    data = bytes.fromhex(text)
    return list(struct.unpack(f">{len(data) // 2}H", data))


@pytest.mark.parametrize(
    ("kind", "order", "on_the_wire", "value"),
    [
        (Kind.UINT32, Order.ABCD, "0102 0304", 0x01020304),
        (Kind.UINT32, Order.CDAB, "0304 0102", 0x01020304),
        (Kind.UINT32, Order.BADC, "0201 0403", 0x01020304),
        (Kind.UINT32, Order.DCBA, "0403 0201", 0x01020304),
        (Kind.UINT64, Order.CDAB, "0708 0506 0304 0102", 0x0102030405060708),
        (Kind.UINT64, Order.BADC, "0201 0403 0605 0807", 0x0102030405060708),
        (Kind.UINT16, Order.ABCD, "0102", 0x0102),
        (Kind.UINT16, Order.CDAB, "0102", 0x0102),
        (Kind.UINT16, Order.BADC, "0201", 0x0102),
        (Kind.INT16, Order.ABCD, "fffe", -2),
        (Kind.INT32, Order.ABCD, "ffff fffe", -2),
        (Kind.INT64, Order.DCBA, "feff ffff ffff ffff", -2),
    ],
)
def test_integers_lie_on_the_wire_as_their_order_says(
    kind: Kind, order: Order, on_the_wire: str, value: int
) -> None:
    form = Form(value=ValueType.INT, kind=kind, order=order)
    assert decode(form, Image(wire(on_the_wire)), 0) == value
    assert encode(form, value) == wire(on_the_wire)


@pytest.mark.parametrize(
    ("order", "on_the_wire"),
    [
        (Order.ABCD, "42f6 e979"),
        (Order.CDAB, "e979 42f6"),
        (Order.BADC, "f642 79e9"),
        (Order.DCBA, "79e9 f642"),
    ],
)
def test_the_known_float(order: Order, on_the_wire: str) -> None:
    form = Form(value=ValueType.FLOAT, kind=Kind.FLOAT32, order=order)
    assert decode(form, Image(wire(on_the_wire)), 0) == pytest.approx(123.456)


@given(kind=st.sampled_from(INTEGERS), order=ORDERS, data=st.data())
def test_integers_come_back(kind: Kind, order: Order, data: st.DataObject) -> None:
    bits = 16 * width_of(kind)
    low, high = (
        (0, 2**bits - 1) if kind.value[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )
    value = data.draw(st.integers(low, min(high, 2**63 - 1)))
    form = Form(value=ValueType.INT, kind=kind, order=order)
    words = encode(form, value)
    assert len(words) == width_of(kind)
    assert decode(form, Image([9, *words, 9]), 1) == value
    with pytest.raises(Unfit, match="does not fit"):
        encode(form, high + 1)
    with pytest.raises(Unfit, match="does not fit"):
        encode(form, low - 1)


@given(value=st.floats(allow_nan=False, allow_infinity=False), order=ORDERS)
def test_doubles_come_back(value: float, order: Order) -> None:
    form = Form(value=ValueType.FLOAT, kind=Kind.FLOAT64, order=order)
    assert decode(form, Image(encode(form, value)), 0) == value


@given(
    words=st.lists(st.integers(0, 65_535), min_size=4, max_size=4),
    kind=st.sampled_from(Kind),
    order=ORDERS,
    value=st.sampled_from([ValueType.FLOAT, ValueType.INT]),
    scale=st.sampled_from([1.0, 0.1, 0.001, 10.0, -2.5, 1e300]),
)
def test_any_registers_are_a_value_or_unfit(
    words: list[int], kind: Kind, order: Order, value: ValueType, scale: float
) -> None:
    form = Form(value=value, kind=kind, order=order, scale=scale, offset=1.5, length=7)
    try:
        got = decode(form, Image(words), 0)
    except Unfit:
        return
    if kind is Kind.STRING:
        assert isinstance(got, str)
    elif value is ValueType.INT:
        assert isinstance(got, int)
        assert -(2**63) <= got < 2**63
    else:
        assert isinstance(got, float)
        assert math.isfinite(got)


@given(text=st.text(max_size=10), order=ORDERS)
def test_text_comes_back(text: str, order: Order) -> None:
    form = Form(value=ValueType.STR, kind=Kind.STRING, order=order, length=40)
    words = encode(form, text)
    assert len(words) == 20
    assert decode(form, Image(words), 0) == text.partition("\0")[0].strip()


def test_text_in_a_chinese_code_page_is_read() -> None:
    data = "水位计".encode("gb18030").ljust(8, b"\0")
    words = list(struct.unpack(">4H", data))
    form = Form(value=ValueType.STR, kind=Kind.STRING, length=8)
    assert decode(form, Image(words), 0) == "水位计"


def test_text_too_long_says_so() -> None:
    form = Form(value=ValueType.STR, kind=Kind.STRING, length=4)
    with pytest.raises(Unfit, match="takes 5 bytes, the point has 4"):
        encode(form, "abcde")


def test_scaling_leaves_no_noise() -> None:
    form = Form(value=ValueType.FLOAT, kind=Kind.INT16, scale=0.1, offset=-40)
    assert decode(Form(value=ValueType.FLOAT, scale=0.1), Image([3]), 0) == 0.3
    assert decode(form, Image([655]), 0) == 25.5
    assert encode(form, 25.5) == [655]
    with pytest.raises(Unfit, match=r"-3316\.8 to 3236\.7"):
        encode(form, 4000.0)


def test_bits_are_counted_from_the_lowest() -> None:
    words = Image([0b0000_0000_0000_1000])
    assert decode(Form(value=ValueType.BOOL, bit=3), words, 0) is True
    assert decode(Form(value=ValueType.BOOL, bit=2), words, 0) is False


@pytest.mark.parametrize("value", ["12", True, math.nan, math.inf])
def test_what_is_no_number_is_not_written(value: object) -> None:
    with pytest.raises(Unfit, match="no number"):
        encode(Form(value=ValueType.FLOAT), value)  # type: ignore[arg-type]


def test_infinity_and_nan_are_no_values() -> None:
    form = Form(value=ValueType.FLOAT, kind=Kind.FLOAT32)
    with pytest.raises(Unfit, match="no number"):
        decode(form, Image(wire("7fc0 0000")), 0)
    with pytest.raises(Unfit, match="no number"):
        decode(form, Image(wire("7f80 0000")), 0)
