"""Reading the history: one point over time, as stored or, when that is too much, thinned.

A row whose source time was implausible on arrival lies in the file of the day it arrived, with
the time it claims. It is read at the time it arrived, and is at best uncertain.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from registry.model import DAY, Time, Value

_PLACED: Final = """
SELECT time AS placed, value, quality FROM sample
 WHERE series = :series AND time >= max(:start, :dawn) AND time < min(:end, :dusk)
UNION ALL SELECT received, value, max(quality, 1) FROM sample
 WHERE series = :series AND time < :dawn AND received >= :start AND received < :end
UNION ALL SELECT received, value, max(quality, 1) FROM sample
 WHERE series = :series AND time >= :dusk AND received >= :start AND received < :end
"""
_RAW: Final = f"{_PLACED} ORDER BY placed LIMIT :limit"
_NEWEST: Final = f"SELECT max(placed) FROM ({_PLACED})"  # noqa: S608
_NUMBER: Final = "CASE WHEN typeof(value) IN ('integer', 'real') THEN value END"
_MEANS: Final = (
    "SELECT (placed - :origin) / :step, total(number), count(number), min(number), max(number),"  # noqa: S608
    f" max(quality) FROM (SELECT placed, {_NUMBER} AS number, quality FROM ({_PLACED}))"
    " GROUP BY 1 ORDER BY 1"
)
_SAMPLED: Final = (
    "SELECT (placed - :origin) / :step, max(placed), value,"  # noqa: S608
    " CASE WHEN total(quality = 2) > 0 THEN 2 WHEN total(quality = 1) > 0 THEN 1 ELSE 0 END"
    f" FROM ({_PLACED}) GROUP BY 1 ORDER BY 1"
)
"""With one max() alone, SQLite takes the plain column `value` from the row that has it."""


class HistorySeries(NamedTuple):
    """One point's samples in columns, oldest first; times are UTC nanoseconds.

    With `aggregated` each row stands for an even step of time and has its worst quality. Of
    numbers it holds the mean, with the extremes in `low` and `high`, and the start of the step;
    of anything else the newest value of the step, with its time.
    """

    time: list[Time]
    value: list[Value | None]
    quality: list[int]
    aggregated: bool = False
    low: list[Value | None] | None = None
    high: list[Value | None] | None = None


class DayFile(NamedTuple):
    """A file of the history, and the days since 1970 at its UTC day."""

    day: int
    path: Path


class Range(NamedTuple):
    """What is asked for: one point, start <= time < end."""

    device: str
    point: str
    start: Time
    end: Time


def read(
    files: Sequence[DayFile], wanted: Range, limit: int | None, *, averaged: bool
) -> HistorySeries:
    """Return the rows of `wanted` from `files` (in order), at most `limit` of them.

    More are thinned inside SQLite: numbers are averaged if `averaged`, everything else is sampled.
    """
    series = HistorySeries([], [], [])
    for file in files:
        most = -1 if limit is None else limit + 1 - len(series.time)
        for time, value, quality in _rows(file, wanted, _RAW, limit=most):
            series.time.append(time)
            series.value.append(value)
            series.quality.append(quality)
        if limit is not None and len(series.time) > limit:
            numbers = averaged and not any(isinstance(v, str) for v in series.value)
            return _thinned(files, wanted, series.time[0], limit, numbers=numbers)
    return series


def _thinned(
    files: Sequence[DayFile], wanted: Range, origin: Time, limit: int, *, numbers: bool
) -> HistorySeries:
    """Return at most `limit` rows for the time from `origin`, the oldest row, to the newest."""
    span = _newest(files, wanted, origin) + 1 - origin
    step = -(-span // limit)
    wanted = wanted._replace(start=origin, end=origin + span)
    thin = _means if numbers else _sampled
    return thin(files, wanted, step)


def _newest(files: Sequence[DayFile], wanted: Range, origin: Time) -> Time:
    for file in reversed(files):
        for (time,) in _rows(file, wanted, _NEWEST):
            if time is not None:
                return int(time)
    return origin


class _Step:
    """What is known of one step; the files of two days may share it."""

    __slots__ = ("count", "high", "low", "quality", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self.count = self.quality = 0
        self.low: float | None = None
        self.high: float | None = None

    def add(
        self, total: float, count: int, low: float | None, high: float | None, quality: int
    ) -> None:
        self.total += total
        self.count += count
        self.quality = max(self.quality, quality)
        if low is not None and (self.low is None or low < self.low):
            self.low = low
        if high is not None and (self.high is None or high > self.high):
            self.high = high


def _means(files: Sequence[DayFile], wanted: Range, step: Time) -> HistorySeries:
    steps: dict[int, _Step] = {}
    for file in files:
        for place, *parts in _rows(file, wanted, _MEANS, origin=wanted.start, step=step):
            steps.setdefault(place, _Step()).add(*parts)
    found = steps.values()
    return HistorySeries(
        time=[wanted.start + place * step for place in steps],
        value=[s.total / s.count if s.count else None for s in found],
        quality=[s.quality for s in found],
        aggregated=True,
        low=[s.low for s in found],
        high=[s.high for s in found],
    )


def _sampled(files: Sequence[DayFile], wanted: Range, step: Time) -> HistorySeries:
    steps: dict[int, tuple[Time, Value | None, int]] = {}
    for file in files:
        for place, time, value, quality in _rows(
            file, wanted, _SAMPLED, origin=wanted.start, step=step
        ):
            known = steps.get(place)
            steps[place] = (time, value, max(quality, known[2]) if known else quality)
    found = steps.values()
    return HistorySeries(
        [time for time, _, _ in found],
        [value for _, value, _ in found],
        [quality for _, _, quality in found],
        aggregated=True,
    )


def _rows(file: DayFile, wanted: Range, query: str, **numbers: int) -> Iterator[Any]:
    """Yield the rows of `query` in one file; none when it has been pruned meanwhile."""
    try:
        opened = sqlite3.connect(f"file:{file.path}?mode=ro", uri=True)
    except sqlite3.OperationalError:
        if file.path.exists():
            raise
        return
    with closing(opened) as reader:
        row = reader.execute(
            "SELECT id FROM series WHERE device = ? AND point = ?", (wanted.device, wanted.point)
        ).fetchone()
        if row is None:
            return
        dawn = file.day * DAY
        bounds = {"start": wanted.start, "end": wanted.end, "dawn": dawn, "dusk": dawn + DAY}
        yield from reader.execute(query, {"series": row[0], **bounds, **numbers})
