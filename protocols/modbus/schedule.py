"""When to ask whom: an aligned timetable, and patience with units that are silent.

Times are monotonic seconds and come as arguments.
"""

import heapq
import itertools
import math
from collections.abc import Hashable, Mapping
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

MISSES: Final = 2
"""Unanswered requests in a row after which a unit counts as silent."""
LONGEST: Final = 60.0
"""Seconds after which a silent unit is asked again at the latest."""
_SHARE: Final = 4.0
"""Waiting for silent units may cost a line one part in `_SHARE + 1` of its time."""

_ROUNDING: Final = 1e-9


class Timetable(Generic[K]):
    """Due times on a grid from `start`: a late round skips ticks, it never piles up or drifts."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._periods: dict[K, float] = {}
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self.skipped = 0

    def set(self, periods: Mapping[K, float], now: float) -> None:
        """Take the keys and their periods: new and changed ones are due at once."""
        for key in self._periods.keys() - periods.keys():
            del self._due[key]
        for key, period in periods.items():
            if self._periods.get(key) != period:
                self._push(key, now)
        self._periods = dict(periods)

    def due(self, now: float) -> K | None:
        """Return the key that has been due longest, or None; it waits until `done`."""
        wait = self.wait(now)
        return self._heap[0][2] if wait is not None and wait <= _ROUNDING else None

    def done(self, key: K, now: float) -> None:
        """Set a key's next due time: the next tick of its grid after `now`."""
        period = self._periods.get(key)
        if period is None:
            return
        due = self._due[key]
        tick = math.floor((max(now, due) - self._start) / period + _ROUNDING) + 1
        missed = tick - 1 - math.floor((due - self._start) / period + _ROUNDING)
        self.skipped += max(missed, 0)
        self._push(key, self._start + tick * period)

    def wait(self, now: float) -> float | None:
        """Return seconds until something is due (0 or less: now), or None if nothing ever is."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] - now if self._heap else None

    def _push(self, key: K, due: float) -> None:
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))


class Patience:
    """Who answers: silent units are asked ever more rarely, so that they starve nobody."""

    def __init__(self) -> None:
        self._misses: dict[int, int] = {}
        self._again: dict[int, float] = {}
        self._free = -math.inf

    def misses(self, unit: int) -> int:
        """Return how many requests in a row went unanswered."""
        return self._misses.get(unit, 0)

    def may_ask(self, unit: int, now: float) -> bool:
        """Tell whether it is time to ask `unit`."""
        misses = self._misses.get(unit, 0)
        if misses == 0:
            return True
        return now >= self._again[unit] and (misses < MISSES or now >= self._free)

    def answered(self, unit: int) -> None:
        """Note an answer."""
        if self._misses.pop(unit, 0):
            del self._again[unit]

    def silent(self, unit: int, now: float, spent: float) -> int:
        """Note that a request went unanswered for `spent` seconds; return how many in a row."""
        misses = self._misses.get(unit, 0) + 1
        self._misses[unit] = misses
        rest = 0.0 if misses < MISSES else min(LONGEST, spent * 2.0 ** min(misses - 1, 16))
        self._again[unit] = now + rest
        if misses >= MISSES:
            self._free = now + _SHARE * spent
        return misses

    def keep(self, units: set[int]) -> None:
        """Forget all units but these."""
        for unit in self._misses.keys() - units:
            del self._misses[unit], self._again[unit]
