"""The core: everything of a node that needs no socket. `ganzhi devices import` uses it alone."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from cascade.outbox import Quota
from edge_ai.threshold import Thresholds
from gateway.alarm_book import AlarmBook
from gateway.commit import Committer
from gateway.config import Settings
from gateway.metrics import Metrics
from gateway.pipeline import Pipeline
from gateway.presence import Presence
from gateway.roster import Roster
from gateway.rows import Rows
from gateway.sinks import Meter, NodeSinks
from gateway.stores import Stores
from registry.model import Device, Event, StatusChange, ThresholdRule, Time
from registry.store import alarms, devices, rules, twin
from registry.store.transaction import Transaction

T = TypeVar("T")


class Core:
    """Stores, registry in memory, rules, presence, commit and pipeline of one node."""

    def __init__(self, settings: Settings, now: Callable[[], Time] = time.time_ns) -> None:
        """Open the data folder.

        Raises:
            Faulty: the folder is in use, or its database cannot be used.
        """
        name = settings.node.name
        self.settings = settings
        self.now = now
        self.metrics = Metrics()
        self.stores = Stores(
            Path(settings.data.folder),
            node=name,
            now=now(),
            main_megabytes=settings.data.main_megabytes,
        )
        self.roster = Roster(name)
        self.presence = Presence(name)
        self.thresholds = Thresholds()
        quota = settings.data.outbox_megabytes * 1024 * 1024
        sinks = NodeSinks(Quota(limit=quota) if settings.upper else None, now)
        self.committer = Committer(
            self.stores.writer, self.stores.history, sinks, Meter(self.metrics)
        )
        self.pipeline = Pipeline(
            node=name,
            now=now,
            roster=self.roster,
            thresholds=self.thresholds,
            presence=self.presence,
            book=AlarmBook(),
            rows=Rows(now, self._child_of),
            committer=self.committer,
            metrics=self.metrics,
        )

    async def start(self) -> None:
        """Start the commit thread and take in what the registry holds."""
        self.committer.start()
        self.roster.load(await self.stores.readers.read(lambda c: list(devices.load(c))))
        self.roster.listen(self._changed)
        await self.load_rules()
        await self._load_presence()

    async def close(self) -> None:
        """Commit what waits and close everything."""
        await self.committer.close()
        await self.pipeline.drain()
        await self.stores.close()

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in the write transaction; returns its result once that is durable.

        Raises:
            StoreFailed: it is not stored.
        """
        results: list[T] = []

        def step(tx: Transaction) -> Sequence[Event]:
            results.append(work(tx))
            return ()

        await self.pipeline.apply(step)
        return results[-1]

    async def put_rule(self, rule: ThresholdRule) -> None:
        """Store a rule; it holds from the next reading on."""

        await self.write(lambda tx: rules.put(tx, rule))
        await self.load_rules()

    async def delete_rule(self, rule: str) -> bool:
        """Remove a rule; False when there is none with this id. Its open alarms stay open."""
        found = await self.write(lambda tx: rules.remove(tx, rule))
        await self.load_rules()
        return found

    async def load_rules(self) -> None:
        """Let the rules in the registry hold from the next reading on."""
        known = await self.stores.readers.read(rules.everything)
        keys = await self.stores.readers.read(lambda c: [a.key for a in alarms.all_open(c)])
        self.thresholds.load(known, self.roster.own(), keys)

    async def _load_presence(self) -> None:
        states = await self.stores.readers.read(
            lambda c: {row.device: row for row in twin.load_states(c)}
        )
        first = []
        for device in self.roster.own().values():
            row = states.get(device.id)
            last = None
            if row is not None:
                last = StatusChange(
                    device=row.device,
                    state=row.state,
                    since=row.since,
                    cause=row.cause,
                    source=row.source,
                )
            first.append(self.presence.load(device, last, self.now(), time.monotonic_ns()))
        await self.pipeline.statuses([change for change in first if change is not None])

    def _child_of(self, device: str) -> str | None:
        known = self.roster.get(device)
        return known.via if known else None

    def _changed(self, before: Device | None, after: Device | None) -> None:
        """A device changed (a `roster.Listener`): rules and presence follow."""
        if after is None and before is not None:
            self.thresholds.remove(before)
            self.presence.forget(before.id)
        elif after is not None and self.roster.is_own(after.id):
            self.thresholds.add(after)
            self.presence.reload(after, self.now(), time.monotonic_ns())
