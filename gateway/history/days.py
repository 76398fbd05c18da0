"""The embedded history: `history/YYYY-MM-DD.db`, rows keyed by device, point and source time.

A repeat of a row is a no-op; another value for the same key replaces it and is counted as
superseded. Days are UTC. Files are opened on demand and the least used are closed again.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from registry.model import DAY, Time, Value

_OPEN_DAYS: Final = 8
_WAL_PAGES: Final = 10_000
"""Pages (of 4 KiB) the log may hold: a page that many batches touch is written back once."""
_CACHE_KB: Final = 8_192

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, device TEXT NOT NULL, point TEXT NOT NULL, UNIQUE (device, point));
CREATE TABLE IF NOT EXISTS sample (
    series INTEGER NOT NULL, time INTEGER NOT NULL, value, quality INTEGER NOT NULL,
    reason TEXT, received INTEGER NOT NULL, PRIMARY KEY (series, time)) WITHOUT ROWID;
"""


class Sample(NamedTuple):
    """One reading as the stores take it; times are UTC nanoseconds."""

    device: str
    point: str
    value: Value | None
    quality: int
    reason: str
    source_time: Time
    received_time: Time


class Stored(NamedTuple):
    """What a write did: rows that are new, rows whose value was replaced."""

    new: int
    superseded: int


class HistorySeries(NamedTuple):
    """One point's samples in columns, oldest first; times are UTC nanoseconds."""

    time: list[Time]
    value: list[Value | None]
    quality: list[int]


class _Day:
    """One open file and the series ids it knows."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=FULL")
        self.connection.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
        self.connection.execute(f"PRAGMA cache_size=-{_CACHE_KB}")
        self.connection.executescript(_SCHEMA)
        rows = self.connection.execute("SELECT device, point, id FROM series")
        self.series: dict[tuple[str, str], int] = {(d, p): i for d, p, i in rows}

    def write(self, samples: Sequence[Sample]) -> Stored:
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            series = self._series(samples)
            rows = [(series[s[0], s[1]], s[5], s[2], s[3], s[4] or None, s[6]) for s in samples]
            new = connection.executemany(
                "INSERT OR IGNORE INTO sample VALUES (?, ?, ?, ?, ?, ?)", rows
            ).rowcount
            superseded = self._supersede(rows) if new < len(rows) else 0
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self.series = {
                (d, p): i for d, p, i in connection.execute("SELECT device, point, id FROM series")
            }
            raise
        return Stored(new, superseded)

    def _series(self, samples: Sequence[Sample]) -> dict[tuple[str, str], int]:
        known = self.series
        for sample in samples:
            key = (sample[0], sample[1])
            if key not in known:
                cursor = self.connection.execute(
                    "INSERT INTO series (device, point) VALUES (?, ?)", key
                )
                known[key] = int(cursor.lastrowid or 0)
        return known

    def _supersede(self, rows: Sequence[tuple[object, ...]]) -> int:
        return self.connection.executemany(
            "UPDATE sample SET value = ?3, quality = ?4, reason = ?5, received = ?6"
            " WHERE series = ?1 AND time = ?2 AND (value IS NOT ?3 OR quality <> ?4)",
            rows,
        ).rowcount


def _day_name(time: Time) -> str:
    return datetime.fromtimestamp(time // DAY * 86_400, UTC).strftime("%Y-%m-%d")


class History:
    """Writes on the commit thread; reads open their own read-only connections."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._days: OrderedDict[int, _Day] = OrderedDict()
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, samples: Sequence[Sample]) -> Stored:
        """Store samples durably (`synchronous=FULL`), each in the file of its UTC day.

        Raises:
            sqlite3.Error: nothing of the failing day was stored; the caller must not acknowledge.
        """
        new = superseded = 0
        for day, rows in self._by_day(samples):
            stored = self._day(day).write(rows)
            new += stored.new
            superseded += stored.superseded
        return Stored(new, superseded)

    def _by_day(self, samples: Sequence[Sample]) -> Iterable[tuple[int, Sequence[Sample]]]:
        first = samples[0][5] // DAY if samples else 0
        if all(s[5] // DAY == first for s in samples):
            return [(first, samples)] if samples else []
        days: dict[int, list[Sample]] = {}
        for sample in samples:
            days.setdefault(sample[5] // DAY, []).append(sample)
        return days.items()

    def _path(self, day: int) -> Path:
        return self._folder / f"{_day_name(day * DAY)}.db"

    def _day(self, day: int) -> _Day:
        known = self._days.get(day)
        if known is not None:
            self._days.move_to_end(day)
            return known
        opened = self._days[day] = _Day(self._path(day))
        if len(self._days) > _OPEN_DAYS:
            self._days.popitem(last=False)[1].connection.close()
        return opened

    def read(self, device: str, point: str, start: Time, end: Time) -> HistorySeries:
        """Return all samples of one point with start <= time < end. Safe on any thread."""
        times: list[Time] = []
        values: list[Value | None] = []
        qualities: list[int] = []
        for day in range(start // DAY, (max(start, end - 1)) // DAY + 1):
            path = self._path(day)
            if not path.exists():
                continue
            reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                for time, value, quality in reader.execute(
                    "SELECT time, value, quality FROM sample WHERE series ="
                    " (SELECT id FROM series WHERE device = ? AND point = ?)"
                    " AND time >= ? AND time < ? ORDER BY time",
                    (device, point, start, end),
                ):
                    times.append(time)
                    values.append(value)
                    qualities.append(quality)
            finally:
                reader.close()
        return HistorySeries(times, values, qualities)

    def prune(self, before: Time) -> list[str]:
        """Delete the files of days that ended before `before`; return their names."""
        gone = []
        for path in sorted(self._folder.glob("????-??-??.db")):
            day = int(datetime.fromisoformat(path.stem).replace(tzinfo=UTC).timestamp()) // 86_400
            if (day + 1) * DAY > before:
                continue
            opened = self._days.pop(day, None)
            if opened is not None:
                opened.connection.close()
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            gone.append(path.stem)
        return gone

    def close(self) -> None:
        """Close every file."""
        while self._days:
            self._days.popitem()[1].connection.close()
