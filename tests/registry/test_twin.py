"""The twin: newest value wins, states keep their beginning, history stays whole."""

import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.model import MINUTE, DeviceState, Point, StatusChange, ValueType
from registry.store import devices, twin
from tests.registry.conftest import MakeDevice


def change(state: str, since: int, cause: str = "", device: str = "d") -> StatusChange:
    return StatusChange(device=device, state=DeviceState(state), since=since, cause=cause)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(times=st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_the_newest_source_time_wins_whatever_the_order(
    db: sqlite3.Connection, times: list[int]
) -> None:
    db.execute("DELETE FROM latest")
    rows = [("d", "p", float(number), 0, "", time, 100) for number, time in enumerate(times)]
    twin.put_latest(db, rows)
    newest = max(range(len(times)), key=lambda number: (times[number], number))
    kept = db.execute("SELECT source_time, value FROM latest").fetchall()
    assert kept == [(times[newest], float(newest))]


def test_a_value_from_the_far_future_gives_way(db: sqlite3.Connection) -> None:
    now = 1_000 * MINUTE
    twin.put_latest(db, [("d", "p", 1.0, 1, "clock", now + 60 * MINUTE, now)])
    twin.put_latest(db, [("d", "p", 2.0, 0, "", now + MINUTE, now + MINUTE)])
    assert [row[2] for row in twin.load_latest(db)] == [2.0]
    twin.put_latest(db, [("d", "p", 3.0, 0, "", now, now + MINUTE)])
    assert [row[2] for row in twin.load_latest(db)] == [2.0]


def test_latest_gives_truth_back(db: sqlite3.Connection, make: MakeDevice) -> None:
    device = make(
        "a", points=(Point(name="b", type=ValueType.BOOL), Point(name="i", type=ValueType.INT))
    )
    devices.upsert(db, device, via=None, now=1)
    rows = [(device.id, "i", 1, 0, "", 5, 6), (device.id, "b", True, 2, "stuck", 5, 6)]
    twin.put_latest(db, [*rows, (device.id, "gone", None, 2, "", 5, 6)])
    b, gone, i = twin.latest(db, device.id)
    assert (b.point, b.value, b.quality, b.reason) == ("b", True, 2, "stuck")
    assert b.value is True
    assert (i.value, type(i.value)) == (1, int)
    assert gone.value is None
    assert twin.latest(db, "nobody") == []


def test_the_same_state_keeps_its_since(db: sqlite3.Connection) -> None:
    first = change("online", 10)
    assert twin.put_status(db, [first, first]) == [first]
    assert twin.put_status(db, [change("online", 20)]) == []
    assert twin.put_status(db, [change("online", 30, "slow")]) == [change("online", 10, "slow")]
    kept = twin.state(db, "d")
    assert kept is not None
    assert (kept.since, kept.cause) == (10, "slow")
    assert len(twin.states(db, "d", 0, 99)) == 1


def test_the_last_to_arrive_counts_even_if_its_clock_stepped_back(db: sqlite3.Connection) -> None:
    twin.put_status(db, [change("online", 50), change("offline", 40, "gone")])
    kept = twin.state(db, "d")
    assert kept is not None
    assert (kept.state, kept.since) == (DeviceState.OFFLINE, 40)


def test_a_state_before_its_device_survives_the_device(
    db: sqlite3.Connection, make: MakeDevice
) -> None:
    device = make("a")
    twin.put_status(db, [change("online", 10, device=device.id)])
    devices.upsert(db, device, via="x", now=20)
    kept = twin.state(db, device.id)
    assert kept is not None
    assert kept.state is DeviceState.ONLINE


def test_touch_never_goes_back(db: sqlite3.Connection) -> None:
    twin.put_status(db, [change("online", 10)])
    twin.touch(db, [("d", 30), ("d", 20), ("nobody", 5)])
    (row,) = twin.load_states(db)
    assert row.last_seen == 30


@pytest.fixture
def history(db: sqlite3.Connection) -> sqlite3.Connection:
    states = ("online", "offline", "online", "offline")
    twin.put_status(db, [change(s, 10 * (n + 1)) for n, s in enumerate(states)])
    twin.put_status(db, [change("online", 5, device="other")])
    return db


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 99, [10, 20, 30, 40]),
        (25, 35, [20, 30]),
        (20, 30, [20]),
        (45, 99, [40]),
        (0, 10, []),
    ],
)
def test_a_window_begins_with_the_state_in_force(
    history: sqlite3.Connection, start: int, end: int, expected: list[int]
) -> None:
    assert [c.since for c in twin.states(history, "d", start, end)] == expected


def test_pruning_keeps_the_state_in_force(history: sqlite3.Connection) -> None:
    before = twin.states(history, "d", 35, 99)
    assert twin.prune(history, 35, limit=1) == 1
    assert twin.prune(history, 35) == 1
    assert twin.prune(history, 35) == 0
    assert twin.states(history, "d", 35, 99) == before
    assert [c.since for c in twin.states(history, "d", 0, 99)] == [30, 40]
    assert [c.since for c in twin.states(history, "other", 0, 99)] == [5]
