"""Readings of unknown devices and points: set aside until the registry knows them."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from registry.model import Quality, Reading, Time, Value
from registry.store import counters
from registry.store.transaction import Transaction

KEEP: Final = 100_000
DROPPED: Final = "aside_dropped"

AsideRow = tuple[str, str, Value | None, int, str, Time, Time]
"""device, point, value, quality, reason, source_time, received_time: as in `twin.put_latest`."""


def put(tx: Transaction, rows: Sequence[AsideRow], *, keep: int = KEEP) -> None:
    """Set readings aside; beyond `keep` the oldest go and are counted in `aside_dropped`."""
    tx.executemany(
        "INSERT INTO aside_reading(device, point, value, quality, reason, source_time,"
        " received_time) VALUES(?,?,?,?,?,?,?)",
        [(*row[:2], _write(row[2]), *row[3:]) for row in rows],
    )
    dropped = tx.execute(
        "DELETE FROM aside_reading WHERE id <= (SELECT max(id) FROM aside_reading) - ?", (keep,)
    ).rowcount
    counters.add(tx, DROPPED, dropped)


def peek(
    conn: sqlite3.Connection, device: str, *, after: int = 0, limit: int = 5000
) -> list[tuple[int, Reading]]:
    """Return up to `limit` readings of a device with row ids above `after`, oldest first."""
    rows = conn.execute(
        "SELECT id, point, value, quality, reason, source_time, received_time"
        " FROM aside_reading WHERE device=? AND id>? ORDER BY id LIMIT ?",
        (device, after, limit),
    ).fetchall()
    return [
        (
            number,
            Reading(
                device=device,
                point=point,
                value=_read(value),
                quality=Quality(quality),
                reason=reason,
                source_time=source_time,
                received_time=received_time,
                historical=True,
            ),
        )
        for number, point, value, quality, reason, source_time, received_time in rows
    ]


def drop(tx: Transaction, numbers: Sequence[int]) -> None:
    """Forget readings by row id: they have found their place."""
    tx.executemany("DELETE FROM aside_reading WHERE id=?", [(number,) for number in numbers])


def waiting(conn: sqlite3.Connection) -> dict[str, int]:
    """Return how many readings wait for each unknown device."""
    return dict(conn.execute("SELECT device, count(*) FROM aside_reading GROUP BY device"))


def _write(value: Value | None) -> Value | bytes | None:
    # Without a known point nothing else would tell True from 1.
    return bytes([value]) if isinstance(value, bool) else value


def _read(stored: Value | bytes | None) -> Value | None:
    return stored == b"\1" if isinstance(stored, bytes) else stored
