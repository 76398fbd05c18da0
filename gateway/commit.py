"""The commit: one joined writer thread that alone opens the write transaction.

Everybody who wants something stored hands over a `Write` and awaits `commit`, which returns
once the data is durable. What waits is committed together: history first, then ONE transaction
of the main database. Urgent writes (alarms, status, commands) go first.
"""

import asyncio
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, Protocol

from edge_ai.threshold import Crossing
from gateway.history import History, Sample
from registry.model import Event, Mark, Receipt
from registry.store.transaction import Transaction

log = logging.getLogger(__name__)

_GROUP_SAMPLES: Final = 5_000
_GROUP_WRITES: Final = 2_000
_GATHER: Final = 0.02
"""Seconds between two groups of telemetry: fewer, larger transactions wear a disk less."""

Step = Callable[[Transaction], Sequence[Event]]
"""Writes something inside the transaction; returns the events that became true by it."""


class StoreFailed(Exception):
    """The disk or the database refused: nothing of this write is stored, nothing may be acked."""


REFUSALS: Final = (
    sqlite3.Error,
    OSError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    StoreFailed,
)
"""What a store or a step may raise: the write at fault is refused, the others go on."""


@dataclass(slots=True)
class Write:
    """What is to be stored as one: all of it, or (a mark or receipt already taken) none."""

    samples: list[Sample] = field(default_factory=list)
    late: list[Sample] = field(default_factory=list)
    """Replayed samples: they go to the history and never overwrite a live value."""
    steps: list[Step] = field(default_factory=list)
    events: Sequence[Event] = ()
    """Events that travel on unchanged once the write is committed, besides the steps' results."""
    mark: Mark | None = None
    receipt: Receipt | None = None
    urgent: bool = False
    crossings: list[Crossing] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    """What rules and presence concluded from this write: void if it is not stored."""


@dataclass(slots=True)
class Committed:
    """What a write did."""

    taken: bool
    events: list[Event] = field(default_factory=list)


class Sinks(Protocol):
    """What the commit writes to besides the steps; called on the writer thread only."""

    def advance(self, tx: Transaction, mark: Mark) -> bool: ...

    def receive(self, tx: Transaction, receipt: Receipt) -> bool: ...

    def latest(self, tx: Transaction, samples: Sequence[Sample]) -> None: ...

    def forward(
        self,
        tx: Transaction,
        live: Sequence[Sample],
        late: Sequence[Sample],
        events: Sequence[Event],
    ) -> None:
        """Append to the outbox (a node without an upper tier has none)."""
        ...

    def count(self, tx: Transaction, new: int, superseded: int) -> None: ...


class Observer(Protocol):
    """Told on the writer thread what a group did, for metrics."""

    def group(self, writes: int, samples: int, superseded: int, seconds: float) -> None: ...

    def failed(self) -> None: ...


@dataclass(slots=True)
class _Job:
    write: Write
    future: asyncio.Future[Committed | StoreFailed]
    outcome: Committed | None = None


class Committer:
    """Owns the writer connection and its thread; `start` and `close` are called by the node."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        history: History,
        sinks: Sinks,
        observer: Observer,
        *,
        max_waiting: int = 20_000,
    ) -> None:
        self._connection = connection
        self._history = history
        self._sinks = sinks
        self._observer = observer
        self._max_waiting = max_waiting
        self._urgent: deque[_Job] = deque()
        self._normal: deque[_Job] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._last_group = 0.0
        self._room: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[None] | None = None
        self._in_hand: list[_Job] = []
        self._thread = threading.Thread(target=self._work, name="commit", daemon=False)

    def start(self) -> None:
        """Start the writer thread; call inside the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._room = asyncio.Event()
        self._room.set()
        self._thread.start()

    async def close(self) -> None:
        """Commit what waits, then join the thread and close the stores."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)
        self._history.close()
        self._connection.close()

    async def commit(self, writes: Sequence[Write]) -> list[Committed | StoreFailed]:
        """Store several writes, each for itself but in this order.

        Returns when each is durable or refused: a StoreFailed says that this one is not stored
        and that its source must not be told that it was.
        """
        loop = asyncio.get_running_loop()
        urgent = all(write.urgent for write in writes)
        while self._room is not None and not self._room.is_set() and not urgent:
            await self._room.wait()
        jobs = [_Job(write, loop.create_future()) for write in writes]
        with self._wake:
            if self._closing:
                return [StoreFailed("the node is stopping") for _ in writes]
            for job in jobs:
                (self._urgent if job.write.urgent else self._normal).append(job)
            if len(self._normal) >= self._max_waiting and self._room is not None:
                self._room.clear()
            self._wake.notify()
        return [await job.future for job in jobs]

    async def watch(self) -> None:
        """Return never, but raise when the commit thread ends by a defect.

        Raises:
            StoreFailed: nothing can be stored any more; the node has to be started again.
        """
        if self._ended is not None:
            await asyncio.shield(self._ended)

    def _work(self) -> None:
        try:
            self._serve()
        finally:
            self._fail_waiting()

    def _fail_waiting(self) -> None:
        """The thread ends, by order or by a defect: nobody waits for it for ever."""
        with self._wake:
            ordered, self._closing = self._closing, True
            waiting = [*self._in_hand, *self._urgent, *self._normal]
            self._urgent.clear()
            self._normal.clear()
        error = StoreFailed("the commit thread has ended")
        self._resolve(waiting, error)
        if not ordered and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell_ended, error)

    def _tell_ended(self, error: StoreFailed) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(error)

    def _serve(self) -> None:
        while (group := self._next_group()) is not None:
            self._in_hand = group
            started = perf_counter()
            try:
                _, superseded = self._store(group)
            except REFUSALS as error:
                self._rollback()
                self._one_by_one(group, error)
            else:
                samples = sum(len(job.write.samples) for job in group)
                self._observer.group(len(group), samples, superseded, perf_counter() - started)
                self._resolve(group, None)
            self._in_hand = []

    def _next_group(self) -> list[_Job] | None:
        with self._wake:
            while not self._urgent and not self._normal:
                if self._closing:
                    return None
                self._wake.wait()
            self._linger()
            group: list[_Job] = []
            samples = 0
            queue = self._urgent or self._normal
            while queue and len(group) < _GROUP_WRITES and samples < _GROUP_SAMPLES:
                job = queue.popleft()
                samples += len(job.write.samples) + len(job.write.late)
                group.append(job)
            return group

    def _linger(self) -> None:
        """Let telemetry gather between two groups; what is urgent never waits."""
        while not self._urgent and not self._closing:
            rest = self._last_group + _GATHER - perf_counter()
            if rest <= 0 or len(self._normal) >= _GROUP_WRITES:
                break
            self._wake.wait(rest)
        self._last_group = perf_counter()

    def _store(self, group: Sequence[_Job]) -> tuple[int, int]:
        """Store a group: history, then the main database; the order makes a crash harmless."""
        tx = self._connection
        tx.execute("BEGIN IMMEDIATE")
        taken = [job for job in group if self._take(tx, job)]
        live = [s for job in taken for s in job.write.samples]
        late = [s for job in taken for s in job.write.late]
        stored = self._history.write([*live, *late] if late else live)
        events: list[Event] = []
        for job in taken:
            outcome = job.outcome = Committed(True)
            outcome.events.extend(job.write.events)
            for step in job.write.steps:
                outcome.events.extend(step(tx))
            events.extend(outcome.events)
        if live:
            self._sinks.latest(tx, live)
        if live or late or events:
            self._sinks.forward(tx, live, late, events)
        if stored.new or stored.superseded:
            self._sinks.count(tx, stored.new, stored.superseded)
        tx.execute("COMMIT")
        return stored.new, stored.superseded

    def _take(self, tx: Transaction, job: _Job) -> bool:
        job.outcome = Committed(False)
        mark, receipt = job.write.mark, job.write.receipt
        if mark is not None and not self._sinks.advance(tx, mark):
            return False
        return receipt is None or self._sinks.receive(tx, receipt)

    def _rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _one_by_one(self, group: Sequence[_Job], error: BaseException) -> None:
        """A group failed: find the write that is at fault, so that the others are stored."""
        if len(group) == 1:
            self._observer.failed()
            log.error("commit failed: %s", error)
            self._resolve(group, StoreFailed(f"not stored: {error}"))
            return
        for job in group:
            try:
                self._store([job])
            except REFUSALS as single:
                self._rollback()
                self._observer.failed()
                log.error("commit failed: %s", single)
                self._resolve([job], StoreFailed(f"not stored: {single}"))
            else:
                self._resolve([job], None)

    def _resolve(self, group: Sequence[_Job], error: StoreFailed | None) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._finish, group, error)

    def _finish(self, group: Sequence[_Job], error: StoreFailed | None) -> None:
        for job in group:
            if job.future.done():
                continue
            if error is not None:
                job.future.set_result(error)
            elif job.outcome is not None:
                job.future.set_result(job.outcome)
        if self._room is not None and len(self._normal) < self._max_waiting // 2:
            self._room.set()
