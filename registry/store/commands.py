"""Commands and where they stand."""

import sqlite3
from typing import Final

from msgspec import Struct

from registry.model import Command, Outcome, OutcomeState, Time
from registry.store.codec import pack, unpack
from registry.store.transaction import Transaction


class CommandRow(Struct, frozen=True, kw_only=True):
    """A command with its last outcome; without one it is merely accepted."""

    command: Command
    state: OutcomeState
    updated: Time
    outcome: Outcome | None


def put(tx: Transaction, command: Command) -> bool:
    """Store a command as accepted; False: this id is known, the command is not to be repeated."""
    return (
        tx.execute(
            "INSERT OR IGNORE INTO command(id, device, body, state, deadline, updated)"
            " VALUES(?,?,?,?,?,?)",
            (
                command.id,
                command.device,
                pack(command),
                OutcomeState.ACCEPTED.value,
                command.deadline,
                command.asked_time,
            ),
        ).rowcount
        > 0
    )


def conclude(tx: Transaction, outcome: Outcome) -> bool:
    """Store an outcome; False: its device has no such command, or one already as far or final."""
    row = tx.execute(
        "SELECT state FROM command WHERE id=? AND device=?", (outcome.command, outcome.device)
    ).fetchone()
    if row is None or _RANK[outcome.state] <= _RANK[OutcomeState(row[0])]:
        return False
    tx.execute(
        "UPDATE command SET state=?, detail=?, updated=?, outcome_body=? WHERE id=?",
        (
            outcome.state.value,
            outcome.detail,
            outcome.time,
            pack(outcome),
            outcome.command,
        ),
    )
    return True


def get(conn: sqlite3.Connection, command: str) -> CommandRow | None:
    """Return one command, or None."""
    row = conn.execute(f"{_SELECT} WHERE id=?", (command,)).fetchone()
    return None if row is None else _row(row)


def of_device(
    conn: sqlite3.Connection, device: str, *, limit: int = 100, before: str | None = None
) -> list[CommandRow]:
    """Return a device's commands, newest first; `before` is the last id of a page."""
    rows = conn.execute(
        f"{_SELECT} WHERE device=? AND id<? ORDER BY id DESC LIMIT ?",
        (device, before if before is not None else "~", limit),
    )
    return [_row(row) for row in rows]


def overdue(conn: Transaction, now: Time, *, limit: int = 500) -> list[Command]:
    """Return commands whose deadline has passed without a final outcome."""
    rows = conn.execute(
        "SELECT body FROM command WHERE state IN ('accepted', 'sent', 'delivered')"
        " AND deadline<? ORDER BY deadline LIMIT ?",
        (now, limit),
    ).fetchall()
    return [unpack(body, Command) for (body,) in rows]


def prune(tx: Transaction, before: Time, *, limit: int = 500) -> int:
    """Drop up to `limit` final commands last updated before `before`; return how many."""
    return tx.execute(
        "DELETE FROM command WHERE id IN (SELECT id FROM command WHERE updated<?"
        " AND state NOT IN ('accepted', 'sent', 'delivered') LIMIT ?)",
        (before, limit),
    ).rowcount


_SELECT: Final = "SELECT body, state, updated, outcome_body FROM command"
_RANK: Final = dict.fromkeys(OutcomeState, 3) | {
    OutcomeState.ACCEPTED: 0,
    OutcomeState.SENT: 1,
    OutcomeState.DELIVERED: 2,
}


def _row(row: tuple[str, str, Time, str | None]) -> CommandRow:
    return CommandRow(
        command=unpack(row[0], Command),
        state=OutcomeState(row[1]),
        updated=row[2],
        outcome=None if row[3] is None else unpack(row[3], Outcome),
    )
