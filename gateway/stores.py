"""A node's data folder: locked by one process, opened together, closed together."""

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Final

from gateway.history import History
from gateway.readers import Readers
from registry.model import Fault, Faulty, Time
from registry.store.database import identity, open_writer, prepare

_PAGE: Final = 4096


class Stores:
    """The main database, the history, and the lock that keeps a second process out.

    Raises:
        Faulty: another process holds the folder, or the database cannot be used.
    """

    def __init__(self, folder: Path, *, node: str, now: Time, main_megabytes: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(folder)
        try:
            path = folder / "main.db"
            prepare(path, node=node, now=now, max_pages=main_megabytes * 1024 * 1024 // _PAGE)
            self.writer: sqlite3.Connection = open_writer(path)
            _, self.epoch = identity(self.writer)
            self.history = History(folder / "history")
            self.readers = Readers(path)
        except BaseException:
            os.close(self._lock)
            raise

    async def close(self) -> None:
        """Close the readers and let go of the folder; writer and history belong to the commit."""
        await self.readers.close()
        os.close(self._lock)


def _lock(folder: Path) -> int:
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise Faulty(
            [
                Fault(
                    where=str(folder),
                    message="is in use by a running node",
                    expected="stop that node, or set another data.folder",
                )
            ]
        ) from None
    return handle


def in_use(folder: Path) -> bool:
    """Tell whether a running node holds the folder."""
    if not (folder / "lock").exists():
        return False
    try:
        os.close(_lock(folder))
    except Faulty:
        return True
    return False
