"""Values survive registers in every type and order, and registers are what Modbus means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.cast import cells
from simulators.loading import parse
from simulators.registers import Cell, RawType, Table, WordOrder, decode, encode
from tests.simulators.conftest import Ports, small

WHOLE = [t for t in RawType if t.name.startswith(("INT", "UINT"))]


def cell(kind: RawType, order: WordOrder = WordOrder.ABCD, scale: float = 1, offset: float = 0):  # type: ignore[no-untyped-def]
    return Cell(
        point="p", table=Table.INPUT, register=0, type=kind, order=order, scale=scale, offset=offset
    )


@given(st.sampled_from(WHOLE), st.sampled_from(WordOrder), st.integers(-(2**63), 2**64))
def test_whole_numbers_return_or_are_held(kind: RawType, order: WordOrder, number: int) -> None:
    back = decode(cell(kind, order), encode(cell(kind, order), number))
    bits = int(kind.value.lstrip("uint"))
    low, high = (
        (0, 2**bits - 1) if kind.value[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )
    assert back == min(high, max(low, number))


@given(st.sampled_from(WordOrder), st.floats(width=32, allow_nan=False))
def test_floats_return(order: WordOrder, number: float) -> None:
    single = cell(RawType.FLOAT32, order)
    assert decode(single, encode(single, number)) == number


@pytest.mark.parametrize(
    ("order", "registers"),
    [
        (WordOrder.ABCD, [0x4148, 0x0000]),
        (WordOrder.CDAB, [0x0000, 0x4148]),
        (WordOrder.BADC, [0x4841, 0x0000]),
        (WordOrder.DCBA, [0x0000, 0x4841]),
    ],
)
def test_order_on_the_wire(order: WordOrder, registers: list[int]) -> None:
    assert encode(cell(RawType.FLOAT32, order), 12.5) == registers


def test_scale() -> None:
    tenths = cell(RawType.UINT16, scale=0.1, offset=100)
    assert encode(tenths, 229.3) == [1293]
    assert decode(tenths, [1293]) == pytest.approx(229.3)


def test_points_are_laid_without_overlap() -> None:
    scenario = parse(small(Ports(1, 2, 3, 4)))
    profile = scenario.profile("pump")
    assert profile is not None
    places = {name: (c.table.value, c.register, c.type.value) for name, c in cells(profile).items()}
    assert places == {
        "flow": ("input", 0, "float32"),
        "energy": ("input", 2, "uint32"),
        "speed": ("holding", 0, "int16"),
        "manual": ("coil", 0, "bool"),
        "running": ("discrete", 0, "bool"),
    }
