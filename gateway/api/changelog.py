"""What changed lately, for the screens: a bounded ring of coalesced change records.

The node calls `publish` after each commit. What is published within a quarter of a second
becomes one entry, the newest value of a device's point winning. A subscriber is no more than a
place in the ring: one that falls too far behind, or asks for what is gone, is told to reset.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from registry.model import Time, Value

INTERVAL: Final = 0.25
"""Seconds an entry gathers changes: at most four entries a second."""

_FIRST_DELAY: Final = 0.02

StatusRow = tuple[str, str, Time, str]
"""device, state, since, cause"""
LatestRow = tuple[str, str, Value | None, int, Time]
"""device, point, value, quality, source time"""
MovedRow = tuple[str, float, float, Time]
"""device, lon, lat, time"""


class Changes(Struct, kw_only=True):
    """What one commit changed. Times are UTC nanoseconds; alarms, devices and commands by id."""

    status: Sequence[StatusRow] = ()
    latest: Sequence[LatestRow] = ()
    moved: Sequence[MovedRow] = ()
    alarms: Sequence[str] = ()
    devices: Sequence[str] = ()
    outcomes: Sequence[str] = ()


@dataclass(slots=True)
class Entry:
    """One coalesced record; `rendered` is for the stream to keep what it made of it."""

    number: int
    status: list[StatusRow]
    latest: list[LatestRow]
    moved: list[MovedRow]
    alarms: list[str]
    devices: list[str]
    outcomes: list[str]
    rendered: dict[str, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return (
            1
            + len(self.status)
            + len(self.latest)
            + len(self.moved)
            + len(self.alarms)
            + len(self.devices)
            + len(self.outcomes)
        )


@dataclass(frozen=True, slots=True)
class Reset:
    """What was asked for cannot be replayed: load everything again, then go on from `last`."""

    last: int


class _Pending:
    def __init__(self) -> None:
        self.status: dict[str, StatusRow] = {}
        self.latest: dict[tuple[str, str], LatestRow] = {}
        self.moved: dict[str, MovedRow] = {}
        self.alarms: dict[str, None] = {}
        self.devices: dict[str, None] = {}
        self.outcomes: dict[str, None] = {}

    def add(self, changes: Changes) -> None:
        for status in changes.status:
            self.status[status[0]] = status
        for row in changes.latest:
            self.latest[row[0], row[1]] = row
        for moved in changes.moved:
            self.moved[moved[0]] = moved
        self.alarms.update(dict.fromkeys(changes.alarms))
        self.devices.update(dict.fromkeys(changes.devices))
        self.outcomes.update(dict.fromkeys(changes.outcomes))

    def entry(self, number: int) -> Entry:
        return Entry(
            number,
            list(self.status.values()),
            list(self.latest.values()),
            list(self.moved.values()),
            list(self.alarms),
            list(self.devices),
            list(self.outcomes),
        )


class ChangeLog:
    """The ring. All methods are for the node's event loop."""

    def __init__(
        self, *, interval: float = INTERVAL, max_entries: int = 2_400, max_rows: int = 200_000
    ) -> None:
        """Keep at most `max_entries` entries with at most `max_rows` changes in all."""
        self.generation = secrets.token_hex(6)
        self.last = 0
        self._interval = interval
        self._max_entries = max_entries
        self._max_rows = max_rows
        self._ring: deque[Entry] = deque()
        self._rows = 0
        self._pending: _Pending | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._flushed_at = float("-inf")
        self._news = asyncio.Event()
        self._closed = False
        self.subscribers = 0

    def publish(self, changes: Changes) -> None:
        """Take note of what a commit changed; cheap, never blocks, ignored once closed."""
        if self._closed:
            return
        if self._pending is None:
            self._pending = _Pending()
            loop = asyncio.get_running_loop()
            wait = max(_FIRST_DELAY, self._flushed_at + self._interval - loop.time())
            self._timer = loop.call_later(wait, self._flush)
        self._pending.add(changes)

    def _flush(self) -> None:
        pending, self._pending, self._timer = self._pending, None, None
        self._flushed_at = asyncio.get_running_loop().time()
        if pending is None:
            return
        self.last += 1
        entry = pending.entry(self.last)
        self._ring.append(entry)
        self._rows += entry.size
        while len(self._ring) > self._max_entries or (
            self._rows > self._max_rows and len(self._ring) > 1
        ):
            self._rows -= self._ring.popleft().size
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def event_id(self, number: int) -> str:
        """Return the id under which entry `number` is sent."""
        return f"{self.generation}-{number}"

    def resume(self, last_event_id: str | None) -> int | None:
        """Return the number of the entry a subscriber has seen last, to subscribe with.

        Without an id that is the newest; None when the id cannot be continued from.
        """
        if last_event_id is None:
            return self.last
        generation, _, number = last_event_id.rpartition("-")
        if generation != self.generation or not (number.isascii() and number.isdigit()):
            return None
        seen = int(number[:20])
        return seen if seen <= self.last and self._held(seen + 1) else None

    def _held(self, number: int) -> bool:
        """Tell whether entry `number` is in the ring, or is the next one to come."""
        first = self._ring[0].number if self._ring else self.last + 1
        return first <= number <= self.last + 1

    async def subscribe(
        self, seen: int | None, *, idle: float = 15.0
    ) -> AsyncGenerator[Entry | Reset | None, None]:
        """Yield what follows entry `seen` (None: a reset first), until the log is closed.

        Yields None after `idle` seconds without a change, and `Reset` when entries were missed.
        """
        self.subscribers += 1
        try:
            if seen is None:
                seen = self.last
                yield Reset(seen)
            while not self._closed:
                if seen == self.last:
                    if not await self._wait(idle):
                        yield None
                elif self._held(seen + 1):
                    seen += 1
                    yield self._ring[seen - self._ring[0].number]
                else:
                    seen = self.last
                    yield Reset(seen)
        finally:
            self.subscribers -= 1

    async def _wait(self, idle: float) -> bool:
        try:
            async with asyncio.timeout(idle):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """End all subscriptions and take nothing more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pending = None
        self._wake()
