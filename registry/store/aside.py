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


def take(tx: Transaction, device: str, *, limit: int = 5000) -> list[Reading]:
    """Take back up to `limit` readings of a device, oldest first, marked historical."""
    rows = tx.execute(
        "SELECT id, point, value, quality, reason, source_time, received_time"
        " FROM aside_reading WHERE device=? ORDER BY id LIMIT ?",
        (device, limit),
    ).fetchall()
    tx.executemany("DELETE FROM aside_reading WHERE id=?", [(row[0],) for row in rows])
    return [
        Reading(
            device=device,
            point=point,
            value=_read(value),
            quality=Quality(quality),
            reason=reason,
            source_time=source_time,
            received_time=received_time,
            historical=True,
        )
        for _, point, value, quality, reason, source_time, received_time in rows
    ]


def waiting(conn: sqlite3.Connection) -> dict[str, int]:
    """Return how many readings wait for each unknown device."""
    return dict(conn.execute("SELECT device, count(*) FROM aside_reading GROUP BY device"))


def _write(value: Value | None) -> Value | bytes | None:
    # Without a known point nothing else would tell True from 1.
    return bytes([value]) if isinstance(value, bool) else value


def _read(stored: Value | bytes | None) -> Value | None:
    return stored == b"\1" if isinstance(stored, bytes) else stored
