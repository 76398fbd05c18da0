"""The embedded history: `history/YYYY-MM-DD.db`, rows keyed by device, point and source time.

A repeat of a row is a no-op; another value for the same key replaces it and is counted as
superseded. Days are UTC. Files are opened on demand and the least used are closed again.

A row is filed under the day of its source time, unless that is implausible (400 days before its
arrival, or a day after it): then under the day it arrived, so that a broken clock opens no files
of its own and its rows are pruned with the others.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from gateway.history.reading import DayFile, HistorySeries, Range, read
from registry.model import DAY, Time, Value

_OPEN_DAYS: Final = 8
_WAL_PAGES: Final = 10_000
"""Pages (of 4 KiB) the log may hold: a page that many batches touch is written back once."""
_CACHE_KB: Final = 8_192
_BEHIND: Final = 400 * DAY
_AHEAD: Final = DAY

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
        added: list[tuple[str, str]] = []
        connection.execute("BEGIN IMMEDIATE")
        try:
            series = self._series(samples, added)
            rows = [(series[s[0], s[1]], s[5], s[2], s[3], s[4] or None, s[6]) for s in samples]
            new = connection.executemany(
                "INSERT OR IGNORE INTO sample VALUES (?, ?, ?, ?, ?, ?)", rows
            ).rowcount
            superseded = self._supersede(rows) if new < len(rows) else 0
            connection.execute("COMMIT")
        except BaseException:
            for key in added:
                del self.series[key]
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return Stored(new, superseded)

    def _series(
        self, samples: Sequence[Sample], added: list[tuple[str, str]]
    ) -> dict[tuple[str, str], int]:
        known = self.series
        for sample in samples:
            key = (sample[0], sample[1])
            if key not in known:
                cursor = self.connection.execute(
                    "INSERT INTO series (device, point) VALUES (?, ?)", key
                )
                known[key] = int(cursor.lastrowid or 0)
                added.append(key)
        return known

    def _supersede(self, rows: Sequence[tuple[object, ...]]) -> int:
        return self.connection.executemany(
            "UPDATE sample SET value = ?3, quality = ?4, reason = ?5, received = ?6"
            " WHERE series = ?1 AND time = ?2 AND (value IS NOT ?3 OR quality <> ?4)",
            rows,
        ).rowcount


def _day_name(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d")


def _day_of(sample: Sample) -> int:
    """Return the day a sample is filed under, in days since 1970."""
    source, received = sample[5], sample[6]
    plausible = received - _BEHIND < source < received + _AHEAD
    return (source if plausible else received) // DAY


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
            ValueError, OverflowError: the same, for a text or a number that cannot be stored.
        """
        new = superseded = 0
        for day, rows in self._by_day(samples):
            stored = self._day(day).write(rows)
            new += stored.new
            superseded += stored.superseded
        return Stored(new, superseded)

    def _by_day(self, samples: Sequence[Sample]) -> Iterable[tuple[int, Sequence[Sample]]]:
        if not samples:
            return ()
        first = _day_of(samples[0])
        low, high = first * DAY, (first + 1) * DAY
        if all(low <= s[5] < high and s[5] - _AHEAD < s[6] < s[5] + _BEHIND for s in samples):
            return [(first, samples)]
        days: dict[int, list[Sample]] = {}
        for sample in samples:
            days.setdefault(_day_of(sample), []).append(sample)
        return days.items()

    def _path(self, day: int) -> Path:
        return self._folder / f"{_day_name(day)}.db"

    def _day(self, day: int) -> _Day:
        known = self._days.get(day)
        if known is not None:
            self._days.move_to_end(day)
            return known
        opened = self._days[day] = _Day(self._path(day))
        if len(self._days) > _OPEN_DAYS:
            self._days.popitem(last=False)[1].connection.close()
        return opened

    def read(
        self,
        device: str,
        point: str,
        start: Time,
        end: Time,
        limit: int | None = None,
        *,
        averaged: bool = True,
    ) -> HistorySeries:
        """Return the samples of one point with start <= time < end. Safe on any thread.

        More than `limit` rows are thinned to at most `limit` even steps of time: numbers to their
        mean with the extremes, text (and everything unless `averaged`) to the newest of each step.
        A row that came with an implausible clock is found under the time it arrived.
        """
        first, last = start // DAY, (end - 1) // DAY
        files = [file for file in self._files() if first <= file.day <= last]
        return read(files, Range(device, point, start, end), limit, averaged=averaged)

    def _files(self) -> Iterator[DayFile]:
        """Yield the files there are, oldest first."""
        for path in sorted(self._folder.glob("????-??-??.db")):
            try:
                begins = datetime.fromisoformat(path.stem).replace(tzinfo=UTC)
            except ValueError:
                continue
            yield DayFile(int(begins.timestamp()) // 86_400, path)

    def prune(self, before: Time) -> list[str]:
        """Delete the files of days that ended before `before`; return their names."""
        gone = []
        for day, path in self._files():
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
