"""The floor under the pipeline: sqlite3 alone storing the same rows in the history's layout."""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from registry.model import ReadingBatch


def sqlite_rate(folder: Path, batches: Sequence[ReadingBatch]) -> float:
    """Return rows a second of `executemany`, one transaction a batch, WAL, synchronous=FULL."""
    connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE sample (series INTEGER NOT NULL, time INTEGER NOT NULL, value,"
        " quality INTEGER NOT NULL, reason TEXT, received INTEGER NOT NULL,"
        " PRIMARY KEY (series, time)) WITHOUT ROWID"
    )
    groups = _rows(batches)
    began = time.perf_counter()
    for rows in groups:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT OR IGNORE INTO sample VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    connection.close()
    return sum(map(len, groups)) / seconds


def _rows(batches: Sequence[ReadingBatch]) -> list[list[tuple[object, ...]]]:
    """Give each series a number and make the tuples that SQLite takes."""
    series: dict[tuple[str, str], int] = {}
    now = time.time_ns()
    return [
        [
            (series.setdefault((device, point), len(series)), moment, value, 0, None, now)
            for device, point, value, moment in zip(
                batch.device, batch.point, batch.value, batch.source_time, strict=True
            )
        ]
        for batch in batches
    ]
