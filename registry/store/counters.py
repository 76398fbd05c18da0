"""Totals that survive a restart, such as `readings_stored`."""

import sqlite3

from registry.store.transaction import Transaction


def add(tx: Transaction, name: str, amount: int) -> None:
    """Add to a counter; it starts at 0."""
    if amount:
        tx.execute(
            "INSERT INTO counter(name, value) VALUES(?, ?)"
            " ON CONFLICT(name) DO UPDATE SET value = value + excluded.value",
            (name, amount),
        )


def get(conn: sqlite3.Connection, name: str) -> int:
    """Return the value of a counter; 0 if it was never counted."""
    row = conn.execute("SELECT value FROM counter WHERE name=?", (name,)).fetchone()
    return 0 if row is None else int(row[0])


def everything(conn: sqlite3.Connection) -> dict[str, int]:
    """Return all counters by name."""
    return dict(conn.execute("SELECT name, value FROM counter ORDER BY name"))
