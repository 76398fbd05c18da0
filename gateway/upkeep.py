"""What a node does by the clock: silence, last-seen, retention, gauges."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from cascade import inbox, outbox
from gateway.commit import StoreFailed
from gateway.history import History, Sample
from gateway.metrics import Metrics
from gateway.pipeline import Pipeline
from gateway.presence import Presence
from gateway.sinks import READINGS_UNSENT
from registry.model import DAY, Event, Lane, Time
from registry.store import alarms, commands, counters, devices, twin
from registry.store.transaction import Transaction

log = logging.getLogger(__name__)

_TICK: Final = 1.0
_SEEN_EVERY: Final = 10
_PRUNE_EVERY: Final = 3600
_TOMBSTONES: Final = 100
_EXPIRING: Final = 1_000
"""Devices and envelopes of the outbox that one write job looks at."""


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


def expire(tx: Transaction, now: Time, before: Time) -> int:
    """Drop telemetry that waited in the outbox since before `before`, about 1,000 envelopes.

    Returns how many went; what they held is counted as dropped unsent.
    """
    (newest,) = tx.execute(
        "SELECT max(created) FROM (SELECT created, readings FROM outbox WHERE lane = ?"
        " ORDER BY sequence LIMIT ?) WHERE readings > 0",
        (Lane.TELEMETRY.value, outbox.MAX_WINDOW + _EXPIRING),
    ).fetchone()
    if newest is None:
        return 0
    gone = outbox.expire(tx, now=now, before=min(before, newest + 1))
    counters.add(tx, READINGS_UNSENT, gone.readings)
    return gone.envelopes


class Retention:
    """Drops what is past its retention, in jobs short enough for alarms to pass between."""

    def __init__(
        self, *, now: Callable[[], Time], pipeline: Pipeline, history: History, keep: Time
    ) -> None:
        self._now = now
        self._pipeline = pipeline
        self._history = history
        self._keep = keep
        self._due: list[Callable[[Transaction, Time], int]] = []

    def begin(self) -> None:
        """From now on `step` has something to look for."""
        self._due = [
            lambda _, before: self._files(before),
            twin.prune,
            alarms.prune,
            commands.prune,
            lambda tx, before: expire(tx, self._now(), before),
            lambda tx, before: inbox.forget(tx, before=before),
            lambda tx, before: devices.remove_retired(tx, before, limit=_TOMBSTONES),
        ]

    async def step(self) -> bool:
        """Run one write job of each kind that may still find something; False when none may.

        Raises:
            StoreFailed: one was refused and waits for the next `begin`; the others go on.
        """
        failed: StoreFailed | None = None
        for job in tuple(self._due):
            gone = 0
            try:
                gone = await self._run(job)
            except StoreFailed as error:
                failed = error
            if not gone:
                self._due.remove(job)
        if failed is not None:
            raise failed
        return bool(self._due)

    async def _run(self, job: Callable[[Transaction, Time], int]) -> int:
        gone: list[int] = []

        def work(tx: Transaction) -> Sequence[Event]:
            gone.append(job(tx, self._now() - self._keep))
            return ()

        await self._pipeline.apply(work)
        return gone[-1]

    def _files(self, before: Time) -> int:
        days = self._history.prune(before)
        if days:
            log.info("history of %s is past its retention and deleted", ", ".join(days))
        return len(days)


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
        retention_days: int,
        metrics: Metrics,
    ) -> None:
        self._now = now
        self._pipeline = pipeline
        self._presence = presence
        self._seen = seen
        self._retention = Retention(
            now=now, pipeline=pipeline, history=history, keep=retention_days * DAY
        )
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
            self._retention.begin()
        await self._retention.step()

    async def _write_seen(self) -> None:
        seen = self._seen.take()
        if not seen:
            return

        def touch(tx: Transaction) -> Sequence[Event]:
            twin.touch(tx, seen.items())
            return ()

        await self._pipeline.apply(touch)

    def _gauge(self) -> None:
        counts = dict.fromkeys(self._states, 0)
        for state in self._presence.states().values():
            counts[state.value] = counts.get(state.value, 0) + 1
        self._states = set(counts)
        for name, count in counts.items():
            self._devices.set(count, state=name)
