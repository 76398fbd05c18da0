"""A node small enough for tests: a real database file, a committer, an uplink, a downlink."""

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from cascade import inbox, outbox
from cascade.downlink import Downlink
from cascade.outbox import Quota
from cascade.parcel import pack
from cascade.store import SqlStore
from cascade.timing import Timing
from cascade.uplink import Node, Uplink
from protocols.adapter import LinkLost
from registry.model import (
    Alarm,
    Command,
    DeviceState,
    Discovered,
    Event,
    Lane,
    Mark,
    Misfit,
    ReadingBatch,
    StatusChange,
)
from registry.store.transaction import Transaction
from tests.cascade.broker import Broker, Client

T = TypeVar("T")

QUICK = Timing(
    window=8,
    flights=4,
    resend=0.12,
    birth=0.1,
    heartbeat=0.15,
    silence=0.6,
    complaint=0.03,
    retry=0.05,
    tick=0.02,
)

SCHEMA = """
CREATE TABLE outbox(lane TEXT, sequence INTEGER, payload BLOB, bytes INTEGER, readings INTEGER,
    created INTEGER, PRIMARY KEY(lane, sequence));
CREATE TABLE outbox_stream(lane TEXT PRIMARY KEY, next_sequence INTEGER, acknowledged INTEGER,
    bytes INTEGER);
CREATE TABLE node_identity(name TEXT, epoch TEXT, created INTEGER);
CREATE TABLE inbox_mark(source TEXT, epoch TEXT, lane TEXT, sequence INTEGER, updated INTEGER,
    PRIMARY KEY(source, epoch, lane));
CREATE TABLE down_queue(child TEXT, sequence INTEGER, payload BLOB, created INTEGER,
    PRIMARY KEY(child, sequence));
CREATE TABLE down_stream(child TEXT PRIMARY KEY, next_sequence INTEGER, acknowledged INTEGER);
CREATE TABLE got(what TEXT, device TEXT, key TEXT);
CREATE INDEX got_by_key ON got(key, device, what);
CREATE INDEX got_by_device ON got(device, what);
CREATE TABLE violation(what TEXT);
"""


def database(path: Path | str, name: str = "edge", epoch: str = "e1") -> sqlite3.Connection:
    """Open a database file, with the tables if it is new."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")
    if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        connection.executescript(SCHEMA)
        connection.execute("INSERT INTO node_identity VALUES (?, ?, 0)", (name, epoch))
    return connection


class Crash(Exception):
    """The process died here."""


class NotStored(Exception):
    """The disk refused a batch."""


class Plan(Struct):
    """How a node misbehaves: chance to die at each named point; negative controls."""

    die: float = 0.0
    answer_before_commit: bool = False
    marks_in_memory: bool = False


class House:
    """One running life of a node. A crash is `kill`; the file stays, a new House goes on."""

    def __init__(
        self,
        path: Path,
        name: str,
        *,
        below: Broker | None = None,
        above: Broker | None = None,
        upper: str = "",
        seed: int = 0,
        plan: Plan | None = None,
        permits: Callable[[str, object], bool] = lambda source, device: True,
        expected: Sequence[str] = (),
        timing: Timing = QUICK,
    ) -> None:
        self.name = name
        self.random = random.Random(seed)
        self.plan = plan or Plan()
        self.connection = database(path, name, f"{name}-epoch")
        self.alive = True
        self.may_commit = asyncio.Event()
        self.may_commit.set()
        self.links: list[tuple[str, DeviceState, str]] = []
        self.figures: dict[str, object] = {}
        self.uppers: list[DeviceState] = []
        self.came_down: list[Event] = []
        self.republished = 0
        self.refuse = 0
        self.fails: Callable[[Sequence[Event]], bool] = lambda events: False
        self.failed = 0
        self.known: list[Discovered] = []
        self.clients: list[Client] = []
        self._queue: asyncio.Queue[tuple[Sequence[Event], asyncio.Future[None]]] = asyncio.Queue()
        self._claimed: dict[tuple[str, str], dict[Lane, int]] = {}
        self._wake = asyncio.Event()
        store = _Store(self)
        self.store = store
        self.uplink: Uplink | None = None
        self.downlink: Downlink | None = None
        if above is not None:
            self.uplink = Uplink(
                Node(name=name, upper=upper, role="edge", version="1"),
                open_bus=self._opener(above, lambda: self.uplink.will() if self.uplink else None),
                store=store,
                deliver=self._deliver,
                republish=self._republish,
                wake=self._wake,
                now=lambda: 1,
                on_upper=lambda _, state, cause: self.uppers.append(state),
                timing=timing,
            )
        if below is not None:
            self.downlink = Downlink(
                node=name,
                open_bus=self._opener(below, lambda: None),
                store=store,
                permits=permits,
                on_link=self._on_link,
                now=lambda: 1,
                expected=lambda: expected,
                timing=timing,
            )
        self._tasks = [asyncio.create_task(self._commit_all())]
        if self.uplink is not None:
            self._tasks.append(asyncio.create_task(self._keep(self.uplink.run)))
        if self.downlink is not None:
            downlink = self.downlink
            self._tasks.append(asyncio.create_task(self._keep(lambda: downlink.run(self.emit))))

    def point(self) -> None:
        """Die here, perhaps."""
        if not self.alive or self.random.random() < self.plan.die:
            self.kill()
            raise Crash

    def kill(self) -> None:
        """Die: nothing more leaves this process, nothing more is written."""
        if not self.alive:
            return
        self.alive = False
        for client in self.clients:
            client.cut()
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self.connection.close()
        for task in self._tasks:
            task.cancel()

    async def gone(self) -> None:
        """Kill and wait until all tasks have ended."""
        self.kill()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def emit(self, events: Sequence[Event]) -> None:
        """The pipeline's door: returns once committed (unless the plan says otherwise)."""
        self.point()
        if self.fails(events):
            self.failed += 1
            raise NotStored
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((events, done))
        if self.plan.answer_before_commit:
            for event in events:
                if isinstance(event, Mark):
                    lanes = self._claimed.setdefault((event.source, event.epoch), {})
                    lanes[event.lane] = event.sequence
        else:
            await done

    def write(self, work: Callable[[Transaction], T]) -> T:
        """One transaction, in which the process may die."""
        self.point()
        self.connection.execute("BEGIN IMMEDIATE")
        result = work(self.connection)
        self.point()
        self.connection.execute("COMMIT")
        return result

    def own(self, events: Sequence[Event]) -> None:
        """Store what happened at this node itself, and wake the uplink."""
        parcels = pack(events)
        self.known += [e for e in events if isinstance(e, Discovered)]

        def work(tx: Transaction) -> None:
            self._keep_rows(tx, events)
            outbox.append(tx, parcels, now=1, quota=Quota())

        self.write(work)
        self._wake.set()
        self.point()

    def got(self) -> list[tuple[str, str, str]]:
        return self.connection.execute("SELECT what, device, key FROM got").fetchall()

    def has(self, row: tuple[str, str, str]) -> bool:
        sql = "SELECT 1 FROM got WHERE key=? AND device=? AND what=?"
        return self.connection.execute(sql, row[::-1]).fetchone() is not None

    def waiting(self) -> int:
        count: int = self.connection.execute("SELECT COUNT(*) FROM outbox").fetchone()[0]
        return count

    async def _commit_all(self) -> None:
        while True:
            jobs = [await self._queue.get()]
            await asyncio.sleep(self.random.random() * 0.004)
            await self.may_commit.wait()
            while not self._queue.empty() and len(jobs) < 6:
                jobs.append(self._queue.get_nowait())
            try:
                self.write(partial(self._commit, batches=[events for events, _ in jobs]))
                self._wake.set()
                self.point()
            except Crash:
                return
            for _, done in jobs:
                if not done.done():
                    done.set_result(None)

    def _commit(self, tx: Transaction, batches: Sequence[Sequence[Event]]) -> None:
        for events in batches:
            marks = [e for e in events if isinstance(e, Mark)]
            if marks and self.refuse:
                self.refuse -= 1
                continue
            if not all(self._advance(tx, mark) for mark in marks):
                continue
            rest = [e for e in events if not isinstance(e, Mark)]
            self._keep_rows(tx, rest)
            if self.uplink is not None and marks:
                outbox.append(tx, pack(rest), now=1, quota=Quota())

    def _advance(self, tx: Transaction, mark: Mark) -> bool:
        if not self.plan.marks_in_memory:
            return inbox.advance(tx, mark)
        lanes = self._claimed.setdefault((mark.source, mark.epoch), {})
        if lanes.get(mark.lane, 0) >= mark.sequence:
            return False
        lanes[mark.lane] = mark.sequence
        return True

    def _keep_rows(self, tx: Transaction, events: Sequence[Event]) -> None:
        for what, device, key in (row for event in events for row in rows_of(event)):
            if (
                what != "device"
                and not tx.execute(
                    "SELECT 1 FROM got WHERE what='device' AND device=?", (device,)
                ).fetchone()
            ):
                tx.execute("INSERT INTO violation VALUES (?)", (f"{what} {key} before {device}",))
            tx.execute("INSERT INTO got VALUES (?, ?, ?)", (what, device, key))

    async def _deliver(self, events: Sequence[Event], mark: Mark) -> None:
        await asyncio.sleep(self.random.random() * 0.002)
        if self.write(lambda tx: inbox.advance(tx, mark)):
            self.came_down += events

    async def _republish(self) -> None:
        self.republished += 1
        if self.known:
            parcels = pack(self.known)
            self.write(lambda tx: outbox.append(tx, parcels, now=1, quota=Quota()))

    def _on_link(self, node: str, state: DeviceState, cause: str, figures: object) -> None:
        self.figures[node] = figures
        self.links.append((node, state, cause))

    def _opener(
        self, broker: Broker, will: Callable[[], object]
    ) -> Callable[[], Awaitable[Client]]:
        async def open_bus() -> Client:
            client = await broker.open(will())  # type: ignore[arg-type]
            self.clients.append(client)
            return client

        return open_bus

    async def _keep(self, run: Callable[[], Awaitable[None]]) -> None:
        while self.alive:
            try:
                await run()
            except LinkLost:
                await asyncio.sleep(0.01)
            except Crash:
                return


class _Store(SqlStore):
    """The database, without threads: every call yields once, and the process may die in it."""

    def __init__(self, house: House) -> None:
        self._house = house
        super().__init__(write=self._run_write, read=self._run_read, now=lambda: 1)

    async def positions(self, source: str, epoch: str) -> dict[Lane, int]:
        stored = dict(await super().positions(source, epoch))
        return stored | self._house._claimed.get((source, epoch), {})

    async def _run_write(self, work: Callable[[Transaction], T], /) -> T:
        await asyncio.sleep(0)
        result = self._house.write(work)
        self._house.point()
        return result

    async def _run_read(self, work: Callable[[Transaction], T], /) -> T:
        await asyncio.sleep(0)
        self._house.point()
        return work(self._house.connection)


def rows_of(event: Event) -> list[tuple[str, str, str]]:
    """Return (what, device, unique key) for everything an event holds that must arrive once."""
    match event:
        case ReadingBatch():
            return [
                ("reading", d, f"{p}={v!r}@{t}")
                for d, p, v, t in zip(
                    event.device, event.point, event.value, event.source_time, strict=True
                )
            ]
        case Alarm():
            return [("alarm", event.device, event.id)]
        case StatusChange():
            return [("status", event.device, str(event.since))]
        case Discovered():
            return [("device", event.device.id, event.device.name)]
        case Misfit():
            return [("misfit", event.device, event.detail)]
        case Command():
            return [("command", event.device, event.id)]
    return []


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition; TimeoutError if it does not come."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - a condition of a whole system has no event
            await asyncio.sleep(0.005)
