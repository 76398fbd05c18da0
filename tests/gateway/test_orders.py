"""Orders: bounded, fair, and settled even when the store refuses for a while."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.commit import StoreFailed
from gateway.orders import GRACE, IN_ALL, PER_DEVICE, PER_ENDPOINT, Orders, unfinished
from gateway.roster import Roster
from registry.model import SECOND, Command, Device, Event, Link, Outcome, OutcomeState
from registry.store import commands
from tests.gateway.support import NOW, Clock, core, device


def order(number: int, local: str = "a", deadline: int = NOW + 600 * SECOND) -> Command:
    return Command(
        id=f"C{number:05}",
        device=f"edge-1~{local}",
        action="write",
        deadline=deadline,
        asked_by="t",
        asked_time=NOW,
    )


class House:
    """Orders over devices of which some never answer."""

    def __init__(self, devices: Sequence[Device], dead: set[str]) -> None:
        self.dead = {f"edge-1~{local}" for local in dead}
        self.clock = Clock()
        self.begun: list[str] = []
        self.under_way = 0
        self.outcomes: list[Outcome] = []
        self.refuses = 0
        roster = Roster("edge-1")
        roster.load([(device, None) for device in devices])
        self.orders = Orders(
            node="edge-1", now=self.clock, roster=roster, execute=self.execute, emit=self.emit
        )

    async def execute(self, device: Device, order: Command) -> Outcome:
        self.begun.append(order.id)
        if device.id in self.dead:
            self.under_way += 1
            await asyncio.Event().wait()
        return Outcome(command=order.id, device=device.id, state=OutcomeState.DONE, time=NOW)

    async def emit(self, events: Sequence[Event], source: str) -> None:
        if self.refuses:
            self.refuses -= 1
            raise StoreFailed("disk full")
        self.outcomes += [e for e in events if isinstance(e, Outcome)]
        self.orders.committed((), events)

    def state(self, command: str) -> OutcomeState | None:
        states = [o.state for o in self.outcomes if o.command == command]
        return states[-1] if states else None


@asynccontextmanager
async def running(house: House) -> AsyncIterator[None]:
    task = asyncio.create_task(house.orders.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the condition is the test's own
            await asyncio.sleep(0.005)


def at(local: str, endpoint: str = "mqtt://one") -> Device:
    return device(local, link=Link(protocol="mqtt", endpoint=endpoint))


async def test_a_dead_device_holds_up_neither_its_link_nor_the_node() -> None:
    house = House([at("dead"), at("a"), at("b", "mqtt://two")], {"dead"})
    async with running(house):
        house.orders.committed((), [order(n, "dead") for n in range(500)])
        await until(lambda: house.under_way >= PER_DEVICE)
        house.orders.committed((), [order(501, "a"), order(502, "b")])
        await until(lambda: house.state("C00501") is house.state("C00502") is OutcomeState.DONE)
        assert house.under_way == PER_DEVICE
        dead = [begun for begun in house.begun if begun < "C00500"]
        assert dead == [f"C{n:05}" for n in range(PER_DEVICE)]


async def test_orders_under_way_are_bounded_by_link_and_in_all() -> None:
    links = IN_ALL // PER_ENDPOINT + 2
    names = [(f"d{i}-{j}", f"mqtt://{i}") for i in range(links) for j in range(PER_ENDPOINT)]
    house = House([at(*name) for name in names], {local for local, _ in names})
    async with running(house):
        for n in range(PER_ENDPOINT * 2):
            house.orders.committed((), [order(n, f"d0-{n % PER_ENDPOINT}")])
        await until(lambda: house.under_way >= PER_ENDPOINT)
        for n, (local, _) in enumerate(names[PER_ENDPOINT:], 1000):
            house.orders.committed((), [order(n, local)])
        await until(lambda: house.under_way >= IN_ALL)
        assert house.under_way == IN_ALL
        assert len([o for o in house.begun if o < "C01000"]) == PER_ENDPOINT
        tasks = [t for t in asyncio.all_tasks() if "_work" in repr(t.get_coro())]
        assert len(tasks) == IN_ALL


async def test_room_that_is_made_goes_to_who_waits() -> None:
    house = House([at("a")], set())
    async with running(house):
        house.orders.committed((), [order(n) for n in range(100)])
        await until(lambda: house.state("C00099") is OutcomeState.DONE)
    assert house.begun == [f"C{n:05}" for n in range(100)]


async def test_an_overdue_order_is_settled_once_the_store_takes_it() -> None:
    house = House([at("a")], set())
    house.orders.resume([(order(1, deadline=NOW), OutcomeState.SENT)])
    house.clock.now += GRACE + 1
    house.refuses = 1
    async with running(house):
        await until(lambda: house.state("C00001") is OutcomeState.SENT_NO_ANSWER)
    assert house.refuses == 0


async def test_all_unfinished_orders_are_taken_up_again(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        await opened.write(lambda tx: [commands.put(tx, order(n)) for n in range(501)])
        found = await opened.stores.readers.read(_unfinished)
    assert len(found) == 501


def _unfinished(connection: sqlite3.Connection) -> list[tuple[Command, OutcomeState]]:
    return unfinished(connection)
