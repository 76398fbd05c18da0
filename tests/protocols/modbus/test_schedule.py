import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from protocols.modbus.schedule import LONGEST, Patience, Timetable


def test_ticks_stay_on_the_grid_and_late_rounds_do_not_pile_up() -> None:
    table: Timetable[str] = Timetable(100.0)
    table.set({"a": 1.0}, 100.0)
    assert table.due(100.0) == "a"
    table.done("a", 100.3)
    assert table.due(100.9) is None
    assert table.wait(100.5) == 0.5
    assert table.due(101.0) == "a"
    table.done("a", 104.2)
    assert table.due(104.9) is None
    assert table.due(105.0) == "a"
    assert table.skipped == 3


def test_the_one_that_waited_longest_goes_first() -> None:
    table: Timetable[str] = Timetable(0.0)
    table.set({"fast": 1.0, "slow": 5.0}, 0.0)
    for key in ("fast", "slow"):
        table.done(key, 0.0)
    assert table.due(5.5) == "fast"
    table.done("fast", 5.5)
    assert table.due(6.0) == "slow"


def test_changes_keep_the_others_and_forget_the_gone() -> None:
    table: Timetable[str] = Timetable(0.0)
    table.set({"a": 10.0, "b": 10.0}, 0.0)
    table.done("a", 0.0)
    table.done("b", 0.0)
    table.set({"a": 10.0, "c": 2.0}, 3.0)
    assert table.due(3.0) == "c"
    table.done("c", 3.0)
    assert table.wait(3.0) == 1.0
    table.set({"a": 10.0}, 3.0)
    assert table.wait(3.0) == 7.0
    table.done("c", 3.0)
    table.set({}, 3.0)
    assert table.wait(3.0) is None


@given(
    periods=st.dictionaries(st.text(max_size=2), st.floats(0.1, 10), min_size=1, max_size=5),
    busy=st.lists(st.floats(0, 3), min_size=5, max_size=50),
)
def test_never_early_and_never_twice_in_a_tick(
    periods: dict[str, float], busy: list[float]
) -> None:
    table: Timetable[str] = Timetable(0.0)
    table.set(periods, 0.0)
    now, last = 0.0, dict.fromkeys(periods, -100.0)
    for spent in busy:
        wait = table.wait(now)
        assert wait is not None
        now += max(wait, 0.0)
        key = table.due(now)
        assert key is not None
        period = periods[key]
        assert math.floor(now / period + 1e-9) > math.floor(last[key] / period - 1e-9)
        last[key] = now
        now += spent
        table.done(key, now)


def test_a_silent_unit_is_asked_ever_more_rarely() -> None:
    patience, now, asked = Patience(), 0.0, []
    while now < 600:
        if patience.may_ask(7, now):
            asked.append(now)
            patience.silent(7, now + 1, 1.0)
            now += 1
        now += 1
    pauses = [b - a for a, b in itertools.pairwise(asked)]
    assert pauses[0] <= 2
    assert pauses == sorted(pauses)
    assert LONGEST <= pauses[-1] <= LONGEST + 2
    patience.answered(7)
    assert patience.may_ask(7, now)


def test_fifty_silent_units_leave_the_line_to_the_others() -> None:
    patience, now, waited = Patience(), 0.0, 0
    for unit in range(50):
        patience.silent(unit, now, 1.0)
        patience.silent(unit, now, 1.0)
    start = now
    while now < start + 200:
        free = [u for u in range(50) if patience.may_ask(u, now)]
        now += 1
        if free:
            waited += 1
            patience.silent(free[0], now, 1.0)
    assert waited <= 200 / 5 + 1
