"""What a node does by the clock: silence, last-seen, retention, gauges."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.commit import StoreFailed
from gateway.history import History, Sample
from gateway.metrics import Metrics
from gateway.pipeline import Pipeline
from gateway.presence import Presence
from gateway.readers import Readers
from registry.model import DAY, Event, Time
from registry.store import alarms, commands, twin
from registry.store.transaction import Transaction

log = logging.getLogger(__name__)

_TICK: Final = 1.0
_SEEN_EVERY: Final = 10
_PRUNE_EVERY: Final = 3600


class Seen:
    """When data of each device last arrived, gathered between two writes."""

    def __init__(self, now: Callable[[], Time]) -> None:
        self._now = now
        self._devices: dict[str, Time] = {}

    def committed(self, samples: Sequence[Sample], events: Sequence[Event]) -> None:
        """Hear of a commit (a `pipeline.Listener`)."""
        for sample in samples:
            self._devices[sample[0]] = sample[6]

    def take(self) -> Mapping[str, Time]:
        """Return what was gathered, and begin anew."""
        devices, self._devices = self._devices, {}
        return devices


class Upkeep:
    """One task; `run` until cancelled."""

    def __init__(
        self,
        *,
        now: Callable[[], Time],
        pipeline: Pipeline,
        presence: Presence,
        seen: Seen,
        history: History,
        readers: Readers,
        retention_days: int,
        metrics: Metrics,
    ) -> None:
        self._now = now
        self._pipeline = pipeline
        self._presence = presence
        self._seen = seen
        self._history = history
        self._readers = readers
        self._retention = retention_days * DAY
        self._devices = metrics.gauge("devices", "Own devices, by state.", labels=("state",))
        self._states: set[str] = set()

    async def run(self) -> None:
        """Tick once a second; a full store is logged and tried again."""
        ticks = 0
        while True:
            await asyncio.sleep(_TICK)
            ticks += 1
            try:
                await self._tick(ticks)
            except StoreFailed as error:
                log.error("upkeep: %s", error)

    async def _tick(self, ticks: int) -> None:
        silent = self._presence.tick(self._now(), time.monotonic_ns())
        try:
            await self._pipeline.statuses(silent)
        except StoreFailed:
            self._presence.unsure(change.device for change in silent)
            raise
        if ticks % _SEEN_EVERY == 0:
            await self._write_seen()
            self._gauge()
        if ticks % _PRUNE_EVERY == 1:
            await self._prune()

    async def _write_seen(self) -> None:
        seen = self._seen.take()
        if not seen:
            return

        def touch(tx: Transaction) -> Sequence[Event]:
            twin.touch(tx, seen.items())
            return ()

        await self._pipeline.apply(touch)

    async def _prune(self) -> None:
        """Drop what is past its retention, in steps short enough for alarms to pass between."""
        before = self._now() - self._retention
        gone: list[int] = [1]

        def prune(tx: Transaction) -> Sequence[Event]:
            gone.append(
                twin.prune(tx, before) + alarms.prune(tx, before) + commands.prune(tx, before)
            )
            days = self._history.prune(before)
            if days:
                log.info("history of %s is past its retention and deleted", ", ".join(days))
            return ()

        while gone[-1]:
            await self._pipeline.apply(prune)

    def _gauge(self) -> None:
        counts = dict.fromkeys(self._states, 0)
        for state in self._presence.states().values():
            counts[state.value] = counts.get(state.value, 0) + 1
        self._states = set(counts)
        for name, count in counts.items():
            self._devices.set(count, state=name)
