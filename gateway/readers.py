"""Reading from the event loop: the main database on a few joined threads, files on another."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from registry.store.database import open_reader

T = TypeVar("T")


class Readers:
    """A few connections, each used by one thread at a time, and a thread for long work."""

    def __init__(self, path: Path, workers: int = 2) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="read")
        self._long = ThreadPoolExecutor(1, thread_name_prefix="read-long")
        self._connections: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._all = [open_reader(path) for _ in range(workers)]
        for connection in self._all:
            self._connections.put(connection)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query` on a reader connection and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, query)

    async def call(self, work: Callable[[], T]) -> T:
        """Run blocking `work` that needs no connection (a history file, say), one at a time.

        It has a thread of its own: however long it takes, no `read` waits for it.
        """
        return await asyncio.get_running_loop().run_in_executor(self._long, work)

    def _run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connections.get()
        try:
            return query(connection)
        finally:
            self._connections.put(connection)

    async def close(self) -> None:
        """Join the threads and close the connections."""
        await asyncio.to_thread(self._pool.shutdown)
        await asyncio.to_thread(self._long.shutdown, cancel_futures=True)
        for connection in self._all:
            connection.close()
