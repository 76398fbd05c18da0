"""The outbox and the inbox: numbers, quotas, tombstones, marks."""

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from cascade import downbox, inbox, outbox
from cascade.envelope import Leap, Stowed, open_stowed
from cascade.faults import OutboxFull
from cascade.outbox import MAX_WINDOW, Quota
from cascade.parcel import Parcel, Tombstone, open_body, pack
from registry.model import Event, Lane, Mark
from registry.store.schema import metadata
from tests.cascade.house import database
from tests.cascade.test_envelope import CARRIED, alarm, rows

T = Lane.TELEMETRY


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = database(":memory:")
    yield connection
    connection.close()


def put(
    db: sqlite3.Connection, *events: Event, quota: Quota | None = None, now: int = 1
) -> outbox.Appended:
    return outbox.append(db, pack(events), now=now, quota=quota or Quota())


def test_numbers_are_given_per_lane_and_never_again(db: sqlite3.Connection) -> None:
    assert put(db, alarm(), rows(3)).last == {Lane.ALARM: 1, T: 1}
    assert put(db, rows(3), rows(2)).last == {T: 2}
    outbox.acknowledge(db, T, 2)
    assert outbox.read(db, T, 0, 9) == []
    assert put(db, rows(1)).last == {T: 3}
    assert [row.sequence for row in outbox.read(db, T, 0, 9)] == [3]


def test_telemetry_requires_the_registry_of_its_own_commit(db: sqlite3.Connection) -> None:
    device = CARRIED[3][0]
    put(db, rows(1), device)
    put(db, device)
    put(db, rows(1), alarm())
    needs = [open_stowed(row.payload).requires for row in outbox.read(db, T, 0, 9)]
    assert needs == [1, 2]
    assert open_stowed(outbox.read(db, Lane.ALARM, 0, 9)[0].payload).requires == 2
    assert open_stowed(outbox.read(db, Lane.REGISTRY, 0, 9)[0].payload).requires == 0


def test_acknowledging_deletes_up_to_there_and_counts_the_bytes(db: sqlite3.Connection) -> None:
    for _ in range(5):
        put(db, rows(2))
    before = outbox.backlog(db)[T]
    assert (before.rows, before.readings, before.oldest) == (5, 10, 1)
    assert outbox.acknowledge(db, T, 3) == 3
    assert outbox.acknowledge(db, T, 3) == 0
    assert outbox.acknowledge(db, T, 2) == 0
    after = outbox.backlog(db)[T]
    assert (after.rows, after.readings) == (2, 4)
    assert after.bytes == sum(len(row.payload) for row in outbox.read(db, T, 0, 9))
    assert outbox.streams(db)[T].acknowledged == 3


def test_a_long_backlog_is_estimated(db: sqlite3.Connection) -> None:
    outbox.append(db, [SMALL] * 3000, now=1, quota=Quota())
    assert outbox.backlog(db)[T].rows == 3000
    assert outbox.backlog(db)[T].readings == 30_000


def test_a_number_never_given_is_not_acknowledged(db: sqlite3.Connection) -> None:
    put(db, rows(2))
    assert outbox.acknowledge(db, T, 2) == 0
    assert len(outbox.read(db, T, 0, 9)) == 1


SMALL = Parcel(T, b"x" * 1000, 10)


def test_over_quota_the_oldest_telemetry_goes_and_is_declared(db: sqlite3.Connection) -> None:
    quota = Quota(limit=100_000, telemetry=0.8)
    dropped = outbox.Dropped()
    for now in range(1, 101):
        dropped += outbox.append(db, [SMALL], now=now, quota=quota).dropped
    waiting = outbox.read(db, T, 0, 1000)
    stones = [row for row in waiting if open_stowed(row.payload).first]
    assert len(stones) == 1
    stowed = open_stowed(stones[0].payload)
    stone = open_body(stowed.body).tombstone
    assert stone is not None
    assert stowed.first == MAX_WINDOW + 1  # what may be under way is left alone
    assert stone.envelopes == dropped.envelopes == stones[0].sequence - MAX_WINDOW
    assert stone.readings == dropped.readings == 10 * dropped.envelopes
    assert (stone.oldest, stone.newest) == (MAX_WINDOW + 1, stones[0].sequence)
    assert outbox.streams(db)[T].bytes <= 80_000


def test_alarms_take_room_from_telemetry_until_none_is_left(db: sqlite3.Connection) -> None:
    quota = Quota(limit=100_000, telemetry=0.8)
    for _ in range(90):
        outbox.append(db, [SMALL], now=1, quota=quota)
    big = Parcel(Lane.ALARM, b"x" * 10_000, 0)
    given = [outbox.append(db, [big], now=1, quota=quota) for _ in range(3)]
    assert given[-1].dropped.envelopes > 0
    total = sum(stream.bytes for stream in outbox.streams(db).values())
    assert total <= quota.limit
    with pytest.raises(OutboxFull, match="quota"):
        outbox.append(db, [big] * 5, now=1, quota=quota)


def ledger(db: sqlite3.Connection) -> tuple[list[int], int]:
    """Return every number accounted for, and the readings that wait or are declared lost."""
    numbers: list[int] = []
    readings = 0
    for sequence, payload, count in db.execute(
        "SELECT sequence, payload, readings FROM outbox WHERE lane=? ORDER BY sequence", (T,)
    ):
        stowed: Stowed = open_stowed(payload)
        numbers += range(stowed.first or sequence, sequence + 1)
        stone: Tombstone | None = open_body(stowed.body).tombstone if stowed.first else None
        readings += stone.readings if stone else count
    return numbers, readings


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(1, 4000)),
            st.tuples(st.just("ack"), st.integers(0, 5)),
            st.tuples(st.just("age"), st.integers(0, 30)),
        ),
        min_size=20,
        max_size=110,
    )
)
@settings(max_examples=15)
def test_the_books_balance_whatever_happens(steps: list[tuple[str, int]]) -> None:
    db = database(":memory:")
    given = acknowledged = 0
    for now, (what, n) in enumerate(steps, 1):
        if what == "put":
            parcel = Parcel(T, b"x" * n, n)
            outbox.append(db, [parcel], now=now, quota=Quota(limit=60_000))
            given += n
        elif what == "ack":
            waiting = outbox.read(db, T, 0, n)
            if waiting:
                before = ledger(db)[1]
                outbox.acknowledge(db, T, waiting[-1].sequence)
                acknowledged += before - ledger(db)[1]
        else:
            outbox.expire(db, now=now, before=now - n)
        stream = outbox.streams(db)[T]
        numbers, readings = ledger(db)
        assert numbers == list(range(stream.acknowledged + 1, stream.next))
        assert readings + acknowledged == given
        size = db.execute("SELECT COALESCE(SUM(LENGTH(payload)), 0) FROM outbox").fetchone()[0]
        assert stream.bytes == size
    db.close()


def test_old_telemetry_expires(db: sqlite3.Connection) -> None:
    for now in range(1, 101):
        outbox.append(db, [SMALL], now=now, quota=Quota())
    gone = outbox.expire(db, now=200, before=81)
    assert gone == outbox.Dropped(envelopes=80 - MAX_WINDOW, readings=10 * (80 - MAX_WINDOW))
    assert outbox.expire(db, now=200, before=81) == outbox.Dropped()


def test_a_new_epoch_leaves_numbers_and_rows_alone(db: sqlite3.Connection) -> None:
    put(db, rows(1))
    before = outbox.identity(db)
    after = outbox.renew_epoch(db, now=5)
    assert after.name == before.name
    assert after.epoch != before.epoch
    assert len(outbox.read(db, T, 0, 9)) == 1


def mark(sequence: int, epoch: str = "e") -> Mark:
    return Mark(source="s", epoch=epoch, lane=T, sequence=sequence)


def leap(first: int, last: int) -> Leap:
    return Leap(source="s", epoch="e", lane=T, sequence=last, first=first)


def test_the_mark_moves_one_by_one(db: sqlite3.Connection) -> None:
    assert [inbox.advance(db, mark(n)) for n in (1, 1, 3, 2, 3)] == [True, False, False, True, True]
    assert inbox.position(db, "s", "e", T) == 3
    assert inbox.positions(db, "s", "e") == dict.fromkeys(Lane, 0) | {T: 3}
    assert inbox.position(db, "s", "other", T) == 0


def test_a_tombstone_jumps_but_not_over_what_it_does_not_declare(db: sqlite3.Connection) -> None:
    assert inbox.advance(db, mark(1))
    assert not inbox.advance(db, leap(3, 9))
    assert inbox.advance(db, leap(1, 9))  # partly known already
    assert not inbox.advance(db, leap(2, 9))
    assert inbox.position(db, "s", "e", T) == 9


def test_old_epochs_are_forgotten_the_newest_is_kept(db: sqlite3.Connection) -> None:
    inbox.advance(db, mark(1, "old"), now=10)
    inbox.advance(db, mark(1, "new"), now=20)
    assert inbox.forget(db, before=1000) == 1
    assert inbox.position(db, "s", "new", T) == 1
    assert inbox.position(db, "s", "old", T) == 0


def test_each_child_has_its_own_numbers(db: sqlite3.Connection) -> None:
    parcels = pack([alarm(), rows(1)])
    assert downbox.append(db, "a", parcels, now=1) == 2
    assert downbox.append(db, "b", parcels[:1], now=1) == 1
    downbox.acknowledge(db, "a", 1)
    downbox.acknowledge(db, "b", 7)
    assert [row.sequence for row in downbox.read(db, "a", 0, 9)] == [2]
    assert [row.sequence for row in downbox.read(db, "b", 0, 9)] == [1]
    assert downbox.append(db, "a", parcels[:1], now=1) == 3


def test_a_child_that_never_comes_does_not_fill_the_disk(db: sqlite3.Connection) -> None:
    parcels = [Parcel(Lane.ALARM, b"", 0)] * downbox.MAX_WAITING
    downbox.append(db, "a", parcels, now=1)
    with pytest.raises(OutboxFull):
        downbox.append(db, "a", parcels[:1], now=1)


def test_the_real_schema_fits() -> None:
    db = sqlite3.connect(":memory:")
    for table in metadata.sorted_tables:
        db.execute(str(CreateTable(table).compile(dialect=sqlite.dialect())))
    db.execute("INSERT INTO node_identity(name, epoch, created) VALUES ('edge1', 'e', 1)")
    put(db, alarm(), rows(3))
    assert outbox.acknowledge(db, T, 1) == 1
    assert outbox.backlog(db)[Lane.ALARM].rows == 1
    assert inbox.advance(db, mark(1), now=3)
    assert downbox.append(db, "a", pack([alarm()]), now=1) == 1
    downbox.acknowledge(db, "a", 1)
    assert downbox.state(db, "a").acknowledged == 1
    assert outbox.identity(db).name == "edge1"
    assert outbox.renew_epoch(db, now=4).name == "edge1"
    db.close()
