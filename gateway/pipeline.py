"""The one path: stamp, fit to the registry, rules, commit; then tell whoever listens.

`emit` returns once everything handed to it is durable. Alarms, status and commands have a lane
of their own in the commit and never wait behind telemetry.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec.structs import replace

from edge_ai.threshold import Thresholds
from gateway.alarm_book import AlarmBook
from gateway.commit import Committed, Committer, Step, StoreFailed, Write
from gateway.conclusions import Conclusions
from gateway.fit import Fit, Fitted
from gateway.history import Sample
from gateway.metrics import Metrics
from gateway.presence import Presence
from gateway.roster import Roster
from gateway.rows import Rows
from registry.model import (
    Alarm,
    AlarmAcknowledged,
    Command,
    Delivery,
    Detection,
    Discovered,
    Event,
    Lane,
    Mark,
    Misfit,
    Moved,
    Outcome,
    Reading,
    ReadingBatch,
    SessionStarted,
    StatusChange,
)
from registry.store import aside, twin
from registry.store.transaction import Transaction


class Listener(Protocol):
    """Told on the event loop what a commit made true."""

    def committed(self, samples: Sequence[Sample], events: Sequence[Event]) -> None: ...


class Pipeline:
    """Takes every event of a node; see the module's text."""

    def __init__(
        self,
        *,
        node: str,
        now: Callable[[], int],
        roster: Roster,
        thresholds: Thresholds,
        presence: Presence,
        book: AlarmBook,
        rows: Rows,
        committer: Committer,
        metrics: Metrics,
    ) -> None:
        self._node = node
        self._now = now
        self._roster = roster
        self._fit = Fit(roster.fits)
        self._presence = presence
        self._conclusions = Conclusions(node, now, roster, thresholds, presence)
        self._book = book
        self._rows = rows
        self._committer = committer
        self._listeners: list[Listener] = []
        self._carrying: set[asyncio.Task[list[Event]]] = set()
        self._readings = metrics.counter(
            "readings_total", "Readings committed, by source.", labels=("source",)
        )
        self._misfits = metrics.counter(
            "misfits_total", "What arrived and was set aside.", labels=("source", "reason")
        )
        self._repeats = metrics.counter(
            "repeats_total", "Deliveries known already and not stored again.", labels=("source",)
        )

    def listen(self, listener: Listener) -> None:
        """Call `listener` after each commit."""
        self._listeners.append(listener)

    async def emit(self, events: Sequence[Event], source: str) -> None:
        """Store `events` of the adapter named `source`; returns after the durable commit.

        Raises:
            StoreFailed: some of it is not stored; the source must repeat all of it.
        """
        if events and isinstance(events[0], Mark):
            await self._commit([self._foreign_write(events[0], events[1:], source)], source)
            return
        writes = self._own_writes(events, source)
        if writes:
            await self._commit(writes, source)

    async def statuses(self, changes: Sequence[StatusChange]) -> None:
        """Store states that presence derived itself (silence), or that a cut link implies."""
        if changes:
            write = Write(urgent=True, told={change.device for change in changes})
            write.steps += [self._status(change) for change in changes]
            await self._commit([write], self._node)

    async def apply(self, step: Step) -> Sequence[Event]:
        """Run one urgent step (an edit of the registry, a rule) and tell of what it made true."""
        return await self._commit([Write(steps=[step], urgent=True)], self._node)

    async def take_back(self, rows: Sequence[tuple[int, Reading]]) -> int:
        """Store readings that were set aside and fit by now, as late ones; return how many."""
        fitting = [(number, r) for number, r in rows if self._fit.takes(r)]
        if not fitting:
            return 0
        write = Write(urgent=False)
        for _, reading in fitting:
            batch = replace(ReadingBatch.of([reading]), historical=True)
            write.late += self._fit.cascaded(batch, self._node, self._now()).samples

        def forget(tx: Transaction) -> Sequence[Event]:
            aside.drop(tx, [number for number, _ in fitting])
            return ()

        write.steps.append(forget)
        await self._commit([write], self._node)
        return len(fitting)

    async def drain(self) -> None:
        """Return when everything handed to the commit has been told to the listeners."""
        if self._carrying:
            await asyncio.wait(self._carrying)

    def _own_writes(self, events: Sequence[Event], source: str) -> list[Write]:
        """Turn events into writes, in their order; a delivery stands or falls with its receipt."""
        urgent = not any(isinstance(event, ReadingBatch | Delivery) for event in events)
        writes: list[Write] = []
        for event in events:
            if isinstance(event, Delivery):
                writes.append(Write(receipt=event.receipt))
                self._take_readings(writes[-1], event.readings, source)
                continue
            if not writes or writes[-1].receipt is not None:
                writes.append(Write(urgent=urgent))
            if isinstance(event, ReadingBatch):
                self._take_readings(writes[-1], event, source)
            else:
                self._take_own(writes[-1], event, source)
        return writes

    def _take_readings(self, write: Write, batch: ReadingBatch, source: str) -> None:
        fitted = self._fit.own(batch, source, self._now())
        self._set_aside(write, fitted)
        if batch.historical:
            write.late += fitted.samples
            return
        write.samples += fitted.samples
        for status in self._conclusions.statuses(write, fitted.samples):
            write.steps.append(self._status(status))
        for move in self._rows.moves(fitted.samples, self._roster):
            write.steps.append(self._rows.guarded(self._rows.step(move), move.device, source))
        for alarm in self._conclusions.alarms(write, fitted.samples):
            write.steps.append(self._raise(alarm, source))

    def _take_own(self, write: Write, event: Event, source: str) -> None:
        match event:
            case StatusChange():
                for change in self._conclusions.told(write, event):
                    write.steps.append(self._status(change))
            case Alarm():
                for change in self._conclusions.heard(write, {event.device}):
                    write.steps.append(self._status(change))
                write.steps.append(self._raise(event, source))
            case _:
                self._take_common(write, event, via=None)

    def _take_common(self, write: Write, event: Event, via: str | None) -> None:
        """What is stored the same way wherever it comes from."""
        step = self._rows.step(event, via)
        source = via or self._node
        match event:
            case AlarmAcknowledged():
                write.steps.append(self._rows.acknowledged(self._book, event))
            case Discovered():
                write.steps.append(self._rows.guarded(step, event.device.id, source))
            case StatusChange() | Moved() | Command() | Outcome():
                write.steps.append(self._rows.guarded(step, event.device, source))
            case Misfit():
                self._misfits.inc(source=event.source[:80], reason=event.reason.value)
                write.steps.append(self._rows.guarded(step, event.device, source))
            case SessionStarted() | Detection():
                write.steps.append(step)
            case _:
                pass

    def _foreign_write(self, mark: Mark, events: Sequence[Event], source: str) -> Write:
        """A batch of another tier: stored as one with its mark, or known already."""
        write = Write(mark=mark, urgent=mark.lane is not Lane.TELEMETRY)
        for event in events:
            match event:
                case ReadingBatch():
                    fitted = self._fit.cascaded(event, source, self._now())
                    if event.historical:
                        write.late += fitted.samples
                    else:
                        write.samples += fitted.samples
                    self._set_aside(write, fitted)
                case Alarm():
                    write.steps.append(self._cascaded(event, source))
                case _:
                    self._take_common(write, event, via=mark.source)
        return write

    def _status(self, change: StatusChange) -> Step:
        """Store how an own device is when this is committed: lanes may overtake one another."""

        def write(tx: Transaction) -> Sequence[Event]:
            return twin.put_status(tx, [self._presence.current(change.device) or change])

        return self._rows.guarded(write, change.device, self._node)

    def _raise(self, alarm: Alarm, source: str) -> Step:
        return self._rows.guarded(lambda tx: self._book.own(tx, alarm), alarm.device, source)

    def _cascaded(self, alarm: Alarm, source: str) -> Step:
        """An alarm lies where its device lies, whatever the lower tier says."""
        known = self._roster.get(alarm.device)
        placed = replace(alarm, area=known.device.area) if known is not None else alarm
        return self._rows.guarded(lambda tx: self._book.cascaded(tx, placed), alarm.device, source)

    def _set_aside(self, write: Write, fitted: Fitted) -> None:
        if not fitted.aside:
            return
        for misfit in fitted.misfits:
            self._misfits.inc(source=misfit.source[:80], reason=misfit.reason.value)
        write.steps.append(self._rows.set_aside(fitted.aside, fitted.misfits))

    async def _commit(self, writes: Sequence[Write], source: str) -> list[Event]:
        """Store writes; what is stored is learned even if the caller is cancelled meanwhile."""
        task = asyncio.create_task(self._carry(writes, source))
        self._carrying.add(task)
        task.add_done_callback(self._carried)
        return await asyncio.shield(task)

    def _carried(self, task: "asyncio.Task[list[Event]]") -> None:
        self._carrying.discard(task)
        if not task.cancelled():
            task.exception()

    async def _carry(self, writes: Sequence[Write], source: str) -> list[Event]:
        became: list[Event] = []
        failed: StoreFailed | None = None
        outcomes = await self._committer.commit(writes)
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, StoreFailed):
                self._conclusions.void(write)
                failed = failed or outcome
            elif outcome.taken:
                self._learn(write, outcome, source)
                became += outcome.events
            else:
                self._conclusions.void(write)
                self._repeats.inc(source=source[:80])
        if failed is not None:
            raise failed
        return became

    def _learn(self, write: Write, committed: Committed, source: str) -> None:
        """A write is durable: tell the roster and whoever listens."""
        if write.samples or write.late:
            self._readings.inc(len(write.samples) + len(write.late), source=source[:80])
        via = write.mark.source if write.mark else None
        for event in committed.events:
            if isinstance(event, Discovered):
                self._roster.apply(event.device, via)
            elif isinstance(event, Moved):
                self._roster.moved(event.device, event.place)
        for listener in self._listeners:
            listener.committed(write.samples, committed.events)
