from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.modbus.address import Slot
from protocols.modbus.codec import Form
from protocols.modbus.planner import Block, BlockPlan, Limits, plan
from registry.model import ValueType

FORM = Form(value=ValueType.FLOAT)
LIMITS = Limits(span=125, gap=8)


def slot(start: int, width: int = 1) -> Slot:
    return Slot(
        device="d",
        point=f"p{start}",
        unit=1,
        table="holding",
        start=start,
        width=width,
        period=1.0,
        form=FORM,
    )


SLOTS = st.lists(st.builds(slot, st.integers(0, 400), st.integers(1, 4)), min_size=1, max_size=60)


def ranges(blocks: list[Block]) -> list[tuple[int, int]]:
    return [(block.start, block.count) for block in blocks]


def served(blocks: list[Block]) -> list[Slot]:
    return [s for block in blocks for s in block.slots]


@given(
    slots=SLOTS,
    span=st.integers(4, 125),
    gap=st.integers(0, 20),
    cuts=st.frozensets(st.integers(0, 400), max_size=5),
)
def test_every_point_is_served_once_within_the_limits(
    slots: list[Slot], span: int, gap: int, cuts: frozenset[int]
) -> None:
    blocks = plan(slots, Limits(span=span, gap=gap), cuts)
    assert sorted(map(id, served(blocks))) == sorted(map(id, slots))
    for block in blocks:
        assert block.count <= span
        assert all(block.start <= s.start and s.end <= block.end for s in block.slots)
        covered = {r for s in block.slots for r in range(s.start, s.end)}
        run = 0
        for register in range(block.start, block.end):
            run = 0 if register in covered else run + 1
            assert run <= gap
        assert not any(block.start < cut <= s.start for cut in cuts for s in block.slots)


@given(starts=st.sets(st.integers(0, 300), min_size=1, max_size=40), span=st.integers(1, 50))
def test_no_plan_needs_fewer_reads(starts: set[int], span: int) -> None:
    blocks = plan([slot(s) for s in starts], Limits(span=span, gap=1000))
    need, reach = 0, -1
    for start in sorted(starts):
        if start >= reach:
            need, reach = need + 1, start + span
    assert len(blocks) == need


def test_neighbours_and_small_gaps_become_one_read() -> None:
    slots = [slot(0, 2), slot(2), slot(11), slot(20)]
    assert ranges(plan(slots, LIMITS)) == [(0, 21)]
    assert ranges(plan(slots, Limits(span=125, gap=7))) == [(0, 3), (11, 1), (20, 1)]
    assert ranges(plan(slots, Limits(span=12, gap=8))) == [(0, 12), (20, 1)]


def converse(blocks: BlockPlan, answers: Callable[[Block], bool]) -> int:
    """Read everything once as a poller does; return how many reads it took."""
    queue, reads = list(reversed(blocks.blocks)), 0
    while queue:
        block = queue.pop()
        reads += 1
        if answers(block):
            blocks.took(block)
        else:
            queue.extend(reversed(blocks.refused(block)))
    return reads


def test_a_bad_register_is_found_and_costs_one_read_more_afterwards() -> None:
    slots = [slot(n) for n in range(100)]
    blocks = BlockPlan(slots, LIMITS)

    def answers(block: Block) -> bool:
        return not block.start <= 37 < block.end

    assert converse(blocks, answers) <= 2 * 7 + 1
    assert [s.start for s in blocks.bad] == [37]
    assert ranges(list(blocks.blocks)) == [(0, 37), (38, 62)]
    assert converse(blocks, answers) == 2


def test_a_hole_that_cannot_be_read_is_not_bridged_again() -> None:
    blocks = BlockPlan([slot(0), slot(1), slot(5), slot(6)], LIMITS)

    def answers(block: Block) -> bool:
        return not block.start <= 3 < block.end

    converse(blocks, answers)
    assert not blocks.bad
    assert ranges(list(blocks.blocks)) == [(0, 2), (5, 2)]


def test_a_device_that_takes_short_reads_only_gets_them() -> None:
    blocks = BlockPlan([slot(n) for n in range(100)], LIMITS)
    converse(blocks, lambda block: block.count <= 32)
    converse(blocks, lambda block: block.count <= 32)
    assert not blocks.bad
    assert max(block.count for block in blocks.blocks) <= 32
    assert len(blocks.blocks) <= 8


def test_points_refused_are_tried_again() -> None:
    blocks = BlockPlan([slot(n) for n in range(10)], LIMITS)
    converse(blocks, lambda block: not block.start <= 4 < block.end)
    assert len(blocks.bad) == 1
    blocks.retry()
    assert converse(blocks, lambda _: True) == 1
    assert not blocks.bad


def test_a_whole_table_may_be_set_apart() -> None:
    blocks = BlockPlan([slot(n) for n in range(3)], LIMITS)
    blocks.set_apart(blocks.blocks[0])
    assert len(blocks.bad) == 3
    assert not blocks.blocks


@given(slots=SLOTS, dead=st.frozensets(st.integers(0, 404), max_size=12))
def test_whatever_is_dead_every_readable_point_is_read_in_the_end(
    slots: list[Slot], dead: frozenset[int]
) -> None:
    """A device that refuses any read touching a dead register."""
    blocks = BlockPlan(slots, LIMITS)

    def answers(block: Block) -> bool:
        return not any(register in dead for register in range(block.start, block.end))

    for _ in range(60):
        settled = all(answers(block) for block in blocks.blocks)
        converse(blocks, answers)
        if settled:
            break
    else:
        pytest.fail("never settled")
    readable = {id(s) for s in slots if not dead & set(range(s.start, s.end))}
    assert {id(s) for s in served(list(blocks.blocks))} == readable
    assert {id(s) for s in blocks.bad} == {id(s) for s in slots} - readable
