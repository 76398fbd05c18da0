"""What arrived and did not fit: kept, bounded by count, never silently dropped."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from registry.model import Misfit, MisfitReason
from registry.store import counters
from registry.store.transaction import Transaction

KEEP: Final = 10_000
DROPPED: Final = "misfit_dropped"
_SAMPLE: Final = 512


def add(tx: Transaction, misfits: Sequence[Misfit], *, keep: int = KEEP) -> None:
    """Store misfits; beyond `keep` the oldest go and are counted in `misfit_dropped`."""
    tx.executemany(
        "INSERT INTO misfit(time, source, device, point, reason, detail, sample)"
        " VALUES(?,?,?,?,?,?,?)",
        [
            (m.time, m.source, m.device, m.point, m.reason.value, m.detail, m.sample[:_SAMPLE])
            for m in misfits
        ],
    )
    dropped = tx.execute(
        "DELETE FROM misfit WHERE id <= (SELECT max(id) FROM misfit) - ?", (keep,)
    ).rowcount
    counters.add(tx, DROPPED, dropped)


def newest(
    conn: sqlite3.Connection, *, limit: int = 100, before: int | None = None
) -> list[tuple[int, Misfit]]:
    """Return misfits, newest first, with their row ids; `before` is the last id of a page."""
    rows = conn.execute(
        "SELECT id, time, source, device, point, reason, detail, sample FROM misfit"
        " WHERE id < ? ORDER BY id DESC LIMIT ?",
        (before if before is not None else 1 << 62, limit),
    )
    return [
        (
            row[0],
            Misfit(
                time=row[1],
                source=row[2],
                device=row[3],
                point=row[4],
                reason=MisfitReason(row[5]),
                detail=row[6],
                sample=row[7],
            ),
        )
        for row in rows
    ]


def count(conn: sqlite3.Connection) -> int:
    """Return how many misfits came in all, dropped ones included."""
    kept = int(conn.execute("SELECT count(*) FROM misfit").fetchone()[0])
    return kept + counters.get(conn, DROPPED)


def reasons(conn: sqlite3.Connection) -> dict[str, int]:
    """Return how many of the kept misfits there are of each reason."""
    return dict(conn.execute("SELECT reason, count(*) FROM misfit GROUP BY reason"))
