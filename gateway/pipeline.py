"""The one path: stamp, fit to the registry, rules, commit; then tell whoever listens.

`emit` returns once everything handed to it is durable. Alarms, status and commands have a lane
of their own in the commit and never wait behind telemetry.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from edge_ai.threshold import Crossing, Thresholds, Verdict, alarm_key
from gateway.alarm_book import AlarmBook
from gateway.commit import Committed, Committer, Step, StoreFailed, Write
from gateway.fit import Fit, Fitted
from gateway.history import Sample
from gateway.metrics import Metrics
from gateway.presence import Presence
from gateway.roster import Roster
from gateway.rows import Rows
from registry.model import (
    Alarm,
    AlarmAcknowledged,
    AlarmState,
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
    Quality,
    ReadingBatch,
    SessionStarted,
    StatusChange,
    ulid,
)


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
        self._thresholds = thresholds
        self._presence = presence
        self._book = book
        self._rows = rows
        self._committer = committer
        self._listeners: list[Listener] = []
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
            StoreFailed: nothing of it is stored.
        """
        if events and isinstance(events[0], Mark):
            await self._emit_marked(events[0], events[1:], source)
            return
        writes = self._own_writes(events, source)
        if writes:
            await self._commit(writes, source)

    def _own_writes(self, events: Sequence[Event], source: str) -> list[Write]:
        """Merge what may be stored as one; a delivery stands or falls with its receipt."""
        writes: list[Write] = []
        bulk = Write(urgent=not any(isinstance(e, ReadingBatch | Delivery) for e in events))
        for event in events:
            if isinstance(event, Delivery):
                write = Write(receipt=event.receipt)
                self._take_readings(write, event.readings, source)
                writes.append(write)
            elif isinstance(event, ReadingBatch):
                if event.historical:
                    write = Write(historical=True)
                    self._take_readings(write, event, source)
                    writes.append(write)
                else:
                    self._take_readings(bulk, event, source)
            else:
                self._take_own(bulk, event)
        if bulk.samples or bulk.steps or bulk.events:
            writes.insert(0, bulk)
        return writes

    def _take_readings(self, write: Write, batch: ReadingBatch, source: str) -> None:
        now = self._now()
        fitted = self._fit.own(batch, source, now)
        write.samples += fitted.samples
        self._set_aside(write, fitted)
        moved, alarms, statuses = self._consequences(fitted.samples, now, write.historical)
        for status in statuses:
            write.steps.append(self._rows.step(status))
        for move in moved:
            write.steps.append(self._rows.guarded(self._rows.step(move), move.device, source))
        for alarm in alarms:
            write.steps.append(self._raise(alarm, source))

    def _consequences(
        self, samples: Sequence[Sample], now: int, historical: bool
    ) -> tuple[list[Moved], list[Alarm], list[StatusChange]]:
        if historical or not samples:
            return [], [], []
        statuses = self._presence.observed({s.device for s in samples}, now, time.monotonic_ns())
        watched = self._thresholds.watched
        alarms = [
            self._alarm(crossing, now)
            for s in samples
            if s.quality < Quality.BAD and (s[0], s[1]) in watched
            for crossing in self._thresholds.judge(s.device, s.point, s.value, s.source_time)
        ]
        return list(self._rows.moves(samples, self._roster)), alarms, statuses

    def _alarm(self, crossing: Crossing, now: int) -> Alarm:
        rule = crossing.rule
        known = self._roster.get(crossing.device)
        point = known.device.point(crossing.point) if known else None
        unit = f" {point.unit}" if point and point.unit else ""
        title = rule.title or (point.title if point and point.title else crossing.point)
        cleared = crossing.verdict is Verdict.CLEAR
        return Alarm(
            id=ulid(now),
            key=alarm_key(rule, crossing.device),
            device=crossing.device,
            type="threshold",
            severity=rule.severity,
            state=AlarmState.CLEARED if cleared else AlarmState.RAISED,
            message=f"{title} {crossing.value:.6g}{unit}",
            raised_time=crossing.time,
            updated_time=crossing.time,
            cleared_time=crossing.time if cleared else 0,
            point=crossing.point,
            value=crossing.value,
            limit=rule.limit,
            rule=rule.id,
            source=self._node,
            area=known.device.area if known else None,
            place=known.device.place if known else None,
        )

    def _take_own(self, write: Write, event: Event) -> None:
        match event:
            case StatusChange():
                for change in self._presence.told(event, self._now(), time.monotonic_ns()):
                    write.steps.append(self._rows.step(change))
            case Alarm():
                heard = self._presence.observed([event.device], self._now(), time.monotonic_ns())
                write.steps += [self._rows.step(change) for change in heard]
                write.steps.append(self._raise(event, self._node))
            case _:
                self._take_common(write, event, via=None)

    def _raise(self, alarm: Alarm, source: str) -> Step:
        return self._rows.guarded(lambda tx: self._book.own(tx, alarm), alarm.device, source)

    def _take_common(self, write: Write, event: Event, via: str | None) -> None:
        """What is stored the same way wherever it comes from."""
        match event:
            case AlarmAcknowledged():
                write.steps.append(self._rows.acknowledged(self._book, event))
            case Discovered():
                step = self._rows.step(event, via)
                source = via or self._node
                write.steps.append(self._rows.guarded(step, event.device.id, source))
            case StatusChange() | Moved() | Command() | Outcome():
                step = self._rows.step(event, via)
                write.steps.append(self._rows.guarded(step, event.device, via or self._node))
            case Misfit():
                self._misfits.inc(source=_short(event.source), reason=event.reason.value)
                write.steps.append(self._rows.step(event))
            case SessionStarted() | Detection():
                write.steps.append(self._rows.step(event))
            case _:
                pass

    async def _emit_marked(self, mark: Mark, events: Sequence[Event], source: str) -> None:
        """A batch of another tier: stored as one with its mark, or known already."""
        write = Write(mark=mark, urgent=mark.lane is not Lane.TELEMETRY)
        for event in events:
            match event:
                case ReadingBatch():
                    fitted = self._fit.cascaded(event, source, self._now())
                    write.samples += fitted.samples
                    write.historical = write.historical or event.historical
                    self._set_aside(write, fitted)
                case Alarm():
                    write.steps.append(self._cascaded(event, source))
                case _:
                    self._take_common(write, event, via=mark.source)
        await self._commit([write], source)

    def _cascaded(self, alarm: Alarm, source: str) -> Step:
        return self._rows.guarded(lambda tx: self._book.cascaded(tx, alarm), alarm.device, source)

    def _set_aside(self, write: Write, fitted: Fitted) -> None:
        if not fitted.aside:
            return
        for misfit in fitted.misfits:
            self._misfits.inc(source=_short(misfit.source), reason=misfit.reason.value)
        write.steps.append(self._rows.set_aside(fitted.aside, fitted.misfits))

    async def _commit(self, writes: Sequence[Write], source: str) -> list[Event]:
        try:
            outcomes = await self._committer.commit_all(writes)
        except StoreFailed:
            for write in writes:
                self._unlearn(write)
            raise
        became: list[Event] = []
        for write, committed in zip(writes, outcomes, strict=True):
            if committed.taken:
                self._learn(write, committed, source)
                became += committed.events
            else:
                self._repeats.inc(source=_short(source))
        return became

    def _learn(self, write: Write, committed: Committed, source: str) -> None:
        """A write is durable: tell the roster and whoever listens."""
        if write.samples:
            self._readings.inc(len(write.samples), source=_short(source))
        via = write.mark.source if write.mark else None
        for event in committed.events:
            if isinstance(event, Discovered):
                self._roster.apply(event.device, via)
        for listener in self._listeners:
            listener.committed(() if write.historical else write.samples, committed.events)

    def _unlearn(self, write: Write) -> None:
        """What rules and presence concluded from readings that are not stored is void."""
        devices = {s.device for s in write.samples}
        self._presence.unsure(devices)
        for sample in write.samples:
            for rule in self._thresholds.limits(sample.device, sample.point):
                self._thresholds.active(alarm_key(rule, sample.device), is_active=False)

    async def statuses(self, changes: Sequence[StatusChange]) -> None:
        """Store states that presence derived itself (silence), or that a cut link implies."""
        if changes:
            steps = [self._rows.step(change) for change in changes]
            await self._commit([Write(steps=steps, urgent=True)], self._node)

    async def apply(self, step: Step) -> Sequence[Event]:
        """Run one urgent step (an edit of the registry, a rule) and tell of what it made true."""
        return await self._commit([Write(steps=[step], urgent=True)], self._node)


def _short(source: str) -> str:
    """A metric label: the source without anything that might be secret or endless."""
    return source.rpartition("@")[2][:80]
