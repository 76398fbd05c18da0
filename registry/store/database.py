"""Opening the main database: one file, one writer, many readers.

SQLAlchemy and Alembic are loaded only when the file's schema is not the newest.
"""

import secrets
import sqlite3
from pathlib import Path
from typing import Final

from registry.model import Fault, Faulty, Time
from registry.store.migrations import HEAD

_BUSY_MS: Final = 10_000
_WAL_LIMIT: Final = 64 * 1024 * 1024
_WAL_PAGES: Final = 8_000
"""Pages (of 4 KiB) the log may hold: a page that many commits touch is written back once."""


def prepare(path: Path, *, node: str, now: Time, max_pages: int | None = None) -> None:
    """Create or migrate the file and give it the identity of `node` once.

    `max_pages` (of 4096 bytes) bounds the file for every writer opened later; None lifts the
    bound. A bound below the present size stops the file from growing further.

    Raises:
        Faulty: the file is no database, is newer than the program, or belongs to another node.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = _connect(path)
    try:
        if _version(connection, path) != HEAD:
            from registry.store.migrate import upgrade

            upgrade(connection, path)
        _identify(connection, path, node, now, max_pages)
    finally:
        connection.close()


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the writing connection of a prepared file; the caller issues BEGIN and COMMIT."""
    connection = _connect(path)
    row = connection.execute("SELECT max_pages FROM node_identity").fetchone()
    if row is not None and row[0] is not None:
        connection.execute(f"PRAGMA max_page_count={int(row[0])}")
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that refuses to write."""
    connection = _connect(path)
    connection.execute("PRAGMA query_only=ON")
    return connection


def identity(connection: sqlite3.Connection) -> tuple[str, str]:
    """Return the node's name and epoch; the epoch is random and made with the file."""
    name, epoch = connection.execute("SELECT name, epoch FROM node_identity").fetchone()
    return name, epoch


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise Faulty(
            [
                Fault(
                    where=str(path),
                    message=f"cannot be opened as a database: {error}",
                    expected="a Ganzhi main.db: restore a backup or move the file away",
                )
            ]
        ) from error
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA journal_size_limit={_WAL_LIMIT}")
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> str | None:
    tables = {
        name
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"
        )
    }
    if "alembic_version" not in tables:
        if tables:
            raise Faulty(
                [
                    Fault(
                        where=str(path),
                        message="is a database of another program",
                        expected="an empty or a Ganzhi data folder",
                    )
                ]
            )
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _identify(
    connection: sqlite3.Connection, path: Path, node: str, now: Time, max_pages: int | None
) -> None:
    connection.execute(
        "INSERT INTO node_identity(name, epoch, created)"
        " SELECT ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM node_identity)",
        (node, secrets.token_hex(8), now),
    )
    name, bound = connection.execute("SELECT name, max_pages FROM node_identity").fetchone()
    if name != node:
        raise Faulty(
            [
                Fault(
                    where=str(path),
                    message=f"belongs to node {name}, not to {node}",
                    expected="a data folder of its own for each node",
                )
            ]
        )
    if bound != max_pages:
        connection.execute("UPDATE node_identity SET max_pages=?", (max_pages,))
