"""The twin: what each device last said and how it is."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from registry.model import MINUTE, DeviceState, Quality, StatusChange, Time, Value
from registry.store.codec import face, typed
from registry.store.transaction import Transaction

LatestTuple = tuple[str, str, Value | None, int, str, Time, Time]
"""device, point, value, quality, reason, source_time, received_time."""

_AHEAD: Final = 5 * MINUTE
"""A stored value whose time lies further than this beyond now came from a wrong clock."""


class LatestRow(Struct, frozen=True, kw_only=True):
    """The live value of one point."""

    point: str
    value: Value | None
    quality: Quality
    reason: str
    source_time: Time
    received_time: Time


class StateRow(Struct, frozen=True, kw_only=True):
    """How a device is; `last_seen` 0 means never."""

    device: str
    state: DeviceState
    since: Time
    cause: str
    source: str
    last_seen: Time


def put_latest(tx: Transaction, rows: Iterable[LatestTuple]) -> None:
    """Store live values: the newer source time wins, at equal times the later call.

    A stored value that claims a time more than 5 minutes after the new one was received gives
    way too, or a clock that once ran ahead would silence the point. Historical readings are
    not to be passed in; an int must fit into 64 bits.
    """
    tx.executemany(
        "INSERT INTO latest(device, point, value, quality, reason, source_time, received_time)"
        " VALUES(?,?,?,?,?,?,?) ON CONFLICT(device, point) DO UPDATE SET value=excluded.value,"
        " quality=excluded.quality, reason=excluded.reason, source_time=excluded.source_time,"
        " received_time=excluded.received_time"
        " WHERE excluded.source_time >= source_time"
        f" OR source_time > excluded.received_time + {_AHEAD}",
        rows,
    )


def put_status(tx: Transaction, changes: Sequence[StatusChange]) -> list[StatusChange]:
    """Store states in the order given; return those that changed something.

    The same state again changes nothing, or only its cause: it then keeps its `since` and
    writes no history. The last one to arrive counts, whatever its `since`: clocks step back.
    """
    effective: list[StatusChange] = []
    for change in changes:
        row = tx.execute(
            "SELECT state, since, cause FROM device_state WHERE device=?", (change.device,)
        ).fetchone()
        state = change.state.value
        if row is not None and row[0] == state:
            if row[2] == change.cause:
                continue
            tx.execute(
                "UPDATE device_state SET cause=?, source=? WHERE device=?",
                (change.cause, change.source, change.device),
            )
            effective.append(_with_since(change, row[1]))
            continue
        values = (change.device, state, change.since, change.cause, change.source)
        tx.execute(
            "INSERT INTO device_state(device, state, since, cause, source) VALUES(?,?,?,?,?)"
            " ON CONFLICT(device) DO UPDATE SET state=excluded.state, since=excluded.since,"
            " cause=excluded.cause, source=excluded.source",
            values,
        )
        tx.execute(
            "INSERT OR REPLACE INTO state_history(device, state, since, cause, source)"
            " VALUES(?,?,?,?,?)",
            values,
        )
        effective.append(change)
    return effective


def touch(tx: Transaction, seen: Iterable[tuple[str, Time]]) -> None:
    """Note when devices were last heard of: (device, time) pairs; never goes back."""
    tx.executemany(
        "UPDATE device_state SET last_seen=? WHERE device=? AND last_seen<?",
        [(time, device, time) for device, time in seen],
    )


def latest(conn: sqlite3.Connection, device: str) -> list[LatestRow]:
    """Return the live values of a device by point name; points without a value are missing."""
    found = conn.execute("SELECT body FROM device WHERE id=?", (device,)).fetchone()
    points = () if found is None else face(found[0]).points
    types = {point.name: point.type for point in points}
    rows = conn.execute(
        "SELECT point, value, quality, reason, source_time, received_time FROM latest"
        " WHERE device=? ORDER BY point",
        (device,),
    )
    return [
        LatestRow(
            point=point,
            value=typed(value, types.get(point)),
            quality=Quality(quality),
            reason=reason,
            source_time=source_time,
            received_time=received_time,
        )
        for point, value, quality, reason, source_time, received_time in rows
    ]


def load_latest(conn: sqlite3.Connection) -> Iterator[LatestTuple]:
    """Yield every live value as stored (truth as 0 and 1), by device and point."""
    yield from conn.execute(
        "SELECT device, point, value, quality, reason, source_time, received_time FROM latest"
        " ORDER BY device, point"
    )


def state(conn: sqlite3.Connection, device: str) -> StateRow | None:
    """Return the state of one device, or None if it is unknown here."""
    row = conn.execute(f"{_STATES} WHERE device=?", (device,)).fetchone()
    return None if row is None else _state_row(row)


def load_states(conn: sqlite3.Connection) -> Iterator[StateRow]:
    """Yield the state of every device."""
    for row in conn.execute(_STATES):
        yield _state_row(row)


def states(
    conn: sqlite3.Connection, device: str, start: Time, end: Time, *, limit: int = 10_000
) -> list[StatusChange]:
    """Return the states a device went through in [start, end), oldest first.

    The first one may have begun before `start`: it is the one in force then.
    """
    rows = conn.execute(
        "SELECT state, since, cause, source FROM state_history WHERE device=? AND since<?"
        " AND since >= COALESCE((SELECT max(since) FROM state_history"
        "   WHERE device=? AND since<=?), ?) ORDER BY since LIMIT ?",
        (device, end, device, start, start, limit),
    )
    return [
        StatusChange(
            device=device, state=DeviceState(name), since=since, cause=cause, source=source
        )
        for name, since, cause, source in rows
    ]


def prune(tx: Transaction, before: Time, *, limit: int = 2000) -> int:
    """Drop up to `limit` history rows older than `before`; return how many.

    The newest row before `before` of each device stays: it tells the state in force then.
    """
    return tx.execute(
        "DELETE FROM state_history WHERE (device, since) IN ("
        " SELECT h.device, h.since FROM state_history h WHERE h.since<? AND EXISTS ("
        "  SELECT 1 FROM state_history n WHERE n.device=h.device AND n.since>h.since"
        "  AND n.since<=?) ORDER BY h.since LIMIT ?)",
        (before, before, limit),
    ).rowcount


_STATES: Final = "SELECT device, state, since, cause, source, last_seen FROM device_state"


def _state_row(row: tuple[str, str, Time, str, str, Time]) -> StateRow:
    return StateRow(
        device=row[0],
        state=DeviceState(row[1]),
        since=row[2],
        cause=row[3],
        source=row[4],
        last_seen=row[5],
    )


def _with_since(change: StatusChange, since: Time) -> StatusChange:
    return StatusChange(
        device=change.device,
        state=change.state,
        since=since,
        cause=change.cause,
        source=change.source,
    )
