"""What the commit writes besides the steps: marks, receipts, the twin, the outbox, totals."""

from collections.abc import Callable, Sequence
from typing import Final

from cascade import inbox, outbox
from cascade.faults import OutboxFull
from cascade.parcel import pack
from gateway.commit import StoreFailed
from gateway.history import Sample
from gateway.metrics import Metrics
from registry.model import (
    Alarm,
    Detection,
    Discovered,
    Event,
    Mark,
    Moved,
    Outcome,
    ReadingBatch,
    Receipt,
    StatusChange,
    Time,
)
from registry.store import counters, receipts, twin
from registry.store.transaction import Transaction

READINGS_STORED: Final = "readings_stored"
READINGS_SUPERSEDED: Final = "readings_superseded"
READINGS_UNSENT: Final = "readings_dropped_unsent"

_UPWARD: Final = (Alarm, Detection, Discovered, Moved, Outcome, StatusChange)


def as_batch(samples: Sequence[Sample], *, historical: bool = False) -> ReadingBatch:
    """Return samples as one batch of columns."""
    device, point, value, quality, reason, source_time, _ = zip(*samples, strict=True)
    graded = any(quality)
    return ReadingBatch(
        device=list(device),
        point=list(point),
        value=list(value),
        source_time=list(source_time),
        quality=list(quality) if graded else None,
        reason=list(reason) if graded else None,
        historical=historical,
    )


class NodeSinks:
    """The sinks of one node; `quota` is None on a node without an upper tier."""

    def __init__(self, quota: outbox.Quota | None, now: Callable[[], Time]) -> None:
        self._quota = quota
        self._now = now

    def advance(self, tx: Transaction, mark: Mark) -> bool:
        return inbox.advance(tx, mark, self._now())

    def receive(self, tx: Transaction, receipt: Receipt) -> bool:
        return receipts.take(tx, receipt)

    def latest(self, tx: Transaction, samples: Sequence[Sample]) -> None:
        """Write the newest of each series; of equal times the later one."""
        newest: dict[tuple[str, str], Sample] = {}
        for sample in samples:
            key = (sample[0], sample[1])
            known = newest.get(key)
            if known is None or sample[5] >= known[5]:
                newest[key] = sample
        twin.put_latest(tx, newest.values())

    def forward(
        self,
        tx: Transaction,
        live: Sequence[Sample],
        late: Sequence[Sample],
        events: Sequence[Event],
    ) -> None:
        """Append what the upper tier is to know to the outbox.

        Raises:
            StoreFailed: the outbox is full of what may not be dropped.
        """
        if self._quota is None:
            return
        upward: list[Event] = [event for event in events if isinstance(event, _UPWARD)]
        if live:
            upward.append(as_batch(live))
        if late:
            upward.append(as_batch(late, historical=True))
        if not upward:
            return
        try:
            appended = outbox.append(tx, pack(upward), now=self._now(), quota=self._quota)
        except OutboxFull as error:
            raise StoreFailed(str(error)) from error
        counters.add(tx, READINGS_UNSENT, appended.dropped.readings)

    def count(self, tx: Transaction, new: int, superseded: int) -> None:
        counters.add(tx, READINGS_STORED, new)
        counters.add(tx, READINGS_SUPERSEDED, superseded)


class Meter:
    """What the commit did, as metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._groups = metrics.counter("commits_total", "Group commits made durable.")
        self._writes = metrics.counter("commit_writes_total", "Writes committed in groups.")
        self._superseded = metrics.counter(
            "readings_superseded_total", "Readings that replaced another value of the same time."
        )
        self._seconds = metrics.counter("commit_seconds_total", "Time spent in commits.")
        self._failed = metrics.counter("commit_failures_total", "Writes that were refused.")

    def group(self, writes: int, samples: int, superseded: int, seconds: float) -> None:
        self._groups.inc()
        self._writes.inc(writes)
        self._superseded.inc(superseded)
        self._seconds.inc(seconds)

    def failed(self) -> None:
        self._failed.inc()
