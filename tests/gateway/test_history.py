"""History: files by day, broken clocks, and reading that stays within bounds."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.history import History, Sample
from registry.model import DAY, MINUTE, SECOND, Time, Value, to_rfc3339
from tests.gateway.support import NOW

NOON = NOW // DAY * DAY + 720 * MINUTE


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    opened = History(tmp_path)
    yield opened
    opened.close()


def sample(
    value: Value | None,
    time: Time = NOON,
    *,
    received: Time = NOON,
    quality: int = 0,
    point: str = "p",
) -> Sample:
    return Sample("a", point, value, quality, "", time, received)


def names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.db"))


@pytest.mark.parametrize("unstorable", ["\ud800", 1 << 70])
def test_a_value_that_cannot_be_stored_leaves_the_day_writable(
    history: History, unstorable: Value
) -> None:
    history.write([sample(1.0)])
    with pytest.raises((UnicodeEncodeError, OverflowError)):
        history.write([sample(unstorable, NOON + 1, point="new")])
    assert history.write([sample(2.0, NOON + 1), sample(3.0, point="new")]).new == 2
    assert history.read("a", "p", 0, NOW * 2).value == [1.0, 2.0]
    assert history.read("a", "new", 0, NOW * 2).value == [3.0]


def test_a_refusal_of_the_disk_leaves_the_day_writable(history: History) -> None:
    history.write([sample(1.0)])
    with pytest.raises(sqlite3.Error):
        history.write([sample(2.0, NOON + 1, point="new"), sample(object(), NOON + 1)])  # type: ignore[arg-type]
    assert history.write([sample(2.0, point="new")]).new == 1


def test_a_plausible_clock_files_by_source_time(history: History, tmp_path: Path) -> None:
    history.write([sample(1.0, NOON - 399 * DAY), sample(2.0), sample(3.0, NOON + DAY - 1)])
    assert len(names(tmp_path)) == 3
    assert history.read("a", "p", 0, NOW * 2).value == [1.0, 2.0, 3.0]


def test_a_broken_clock_opens_no_files_and_its_rows_are_read_by_arrival(
    history: History, tmp_path: Path
) -> None:
    strange = [NOON + n * DAY for n in range(1, 300)] + [n * DAY for n in range(300)]
    rows = [sample(float(i), t, received=NOON + i) for i, t in enumerate(strange)]
    history.write([sample(-1.0, NOON - 1), *rows])
    assert len(names(tmp_path)) == 1
    day = NOON // DAY * DAY
    found = history.read("a", "p", day, day + DAY)
    assert found.value == [-1.0, *(float(i) for i in range(599))]
    assert found.time == [NOON - 1, *(NOON + i for i in range(599))]
    assert found.quality == [0] + [1] * 599
    assert history.read("a", "p", NOON + 5, NOON + 7).value == [5.0, 6.0]
    assert history.read("a", "p", 0, day).value == []
    assert history.prune(day + DAY) == [to_rfc3339(NOON)[:10]]
    assert names(tmp_path) == []


def test_a_file_of_another_name_is_left_alone(history: History, tmp_path: Path) -> None:
    (tmp_path / "oops-ab-cd.db").touch()
    history.write([sample(1.0)])
    assert history.read("a", "p", 0, NOW * 2).value == [1.0]
    assert len(history.prune(NOW + 9 * DAY)) == 1
    assert names(tmp_path) == ["oops-ab-cd"]


def test_as_many_rows_as_the_limit_are_returned_as_stored(history: History) -> None:
    history.write([sample(float(i), NOON + i * SECOND) for i in range(10)])
    found = history.read("a", "p", 0, NOW * 2, 10)
    assert not found.aggregated
    assert found.value == [float(i) for i in range(10)]


def test_more_rows_are_averaged_over_even_steps_with_extremes_and_worst_quality(
    history: History,
) -> None:
    start = NOON + 720 * MINUTE - 50 * SECOND
    values: list[Value | None] = [None if i == 3 else float(i) for i in range(100)]
    rows = [sample(v, start + i * SECOND, received=start) for i, v in enumerate(values)]
    rows[99] = rows[99]._replace(quality=2)
    history.write(rows)
    found = history.read("a", "p", 0, NOW * 2, 9)
    assert found.aggregated
    assert len(found.time) == len(found.value) == 9
    assert {b - a for a, b in zip(found.time, found.time[1:], strict=False)} == {
        found.time[1] - start
    }
    assert found.value[0] == pytest.approx((sum(range(12)) - 3) / 11)
    assert found.quality == [0] * 8 + [2]
    assert found.low is not None
    assert found.high is not None
    assert found.low[0] == 0
    assert found.high[-1] == 99
    midnight = NOON + 720 * MINUTE
    shared = max(i for i, t in enumerate(found.time) if t < midnight)
    assert found.low[shared] < 50 <= found.high[shared]  # type: ignore[operator]


def test_great_integers_do_not_overflow(history: History) -> None:
    history.write([sample((1 << 63) - 1, NOON + i) for i in range(10)])
    assert history.read("a", "p", 0, NOW * 2, 2).value == [pytest.approx(2.0**63)] * 2


def test_text_is_sampled_newest_of_each_step(history: History) -> None:
    rows = [sample(f"v{i}", NOON + i, quality=int(i == 2)) for i in range(100)]
    history.write(rows)
    found = history.read("a", "p", 0, NOW * 2, 4)
    assert found.aggregated
    assert found.value == ["v24", "v49", "v74", "v99"]
    assert found.time == [NOON + 24, NOON + 49, NOON + 74, NOON + 99]
    assert found.quality == [1, 0, 0, 0]
    assert found.low is None


def test_truth_is_sampled_when_it_is_not_to_be_averaged(history: History) -> None:
    history.write([sample(i % 2 == 0, NOON + i) for i in range(100)])
    assert history.read("a", "p", 0, NOW * 2, 4, averaged=False).value == [1, 0, 1, 0]
