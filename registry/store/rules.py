"""Threshold rules."""

import sqlite3

from registry.model import ThresholdRule
from registry.store.codec import pack, unpack
from registry.store.transaction import Transaction


def put(tx: Transaction, rule: ThresholdRule) -> bool:
    """Store a rule; False if it was there as it is."""
    body = pack(rule)
    return (
        tx.execute(
            "INSERT INTO rule(id, body) VALUES(?,?)"
            " ON CONFLICT(id) DO UPDATE SET body=excluded.body WHERE body<>excluded.body",
            (rule.id, body),
        ).rowcount
        > 0
    )


def remove(tx: Transaction, rule: str) -> bool:
    """Forget a rule."""
    return tx.execute("DELETE FROM rule WHERE id=?", (rule,)).rowcount > 0


def get(conn: sqlite3.Connection, rule: str) -> ThresholdRule | None:
    """Return one rule, or None."""
    row = conn.execute("SELECT body FROM rule WHERE id=?", (rule,)).fetchone()
    return None if row is None else unpack(row[0], ThresholdRule)


def everything(conn: sqlite3.Connection) -> list[ThresholdRule]:
    """Return all rules by id, disabled ones too."""
    rows = conn.execute("SELECT body FROM rule ORDER BY id")
    return [unpack(body, ThresholdRule) for (body,) in rows]
