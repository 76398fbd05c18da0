"""Edge -> city -> province with everything going wrong: nothing lost, doubled or invented."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec import Struct

from registry.model import (
    Alarm,
    AlarmState,
    Device,
    DeviceKind,
    DeviceState,
    Discovered,
    Event,
    ReadingBatch,
    Severity,
    StatusChange,
)
from tests.cascade.broker import Broker, Faults
from tests.cascade.house import Crash, House, Plan, rows_of, until

FAULTS = Faults(loss=0.05, double=0.05, delay=0.01, cut=0.004)


class Balance(Struct, frozen=True):
    """Lost, doubled and invented rows; readings that came before their device; rows in the wrong
    order within a device."""

    lost: int
    doubled: int
    invented: int
    too_early: int
    disordered: int


def happenings(edge: str, n: int) -> list[Event]:
    """Return what happens at an edge in its commit `n`: unique rows, new devices now and then."""
    device = f"{edge}~d{n // 15}"
    events: list[Event] = []
    if n % 15 == 0:
        found = Device(id=device, home=edge, name=f"{device} made", kind=DeviceKind.SENSOR)
        events.append(Discovered(device=found))
    events.append(
        ReadingBatch(
            device=[device] * 7,
            point=["a", "b"] * 3 + ["c"],
            value=[n * 10 + i + 0.5 for i in range(7)],
            source_time=[1_000_000 * n + 1 + i for i in range(7)],
        )
    )
    if n % 5 == 2:
        events.append(StatusChange(device=device, state=DeviceState.ONLINE, since=n))
    if n % 7 == 3:
        events.append(
            Alarm(
                id=f"{edge}-alarm-{n:05}",
                key=f"k{n}",
                device=device,
                type="threshold",
                severity=Severity.MAJOR,
                state=AlarmState.RAISED,
                message="high",
                raised_time=n,
                updated_time=n,
            )
        )
    return events


class World:
    """Two edges, a city, a province on two brokers; each node is reborn from its file."""

    def __init__(self, folder: Path, seed: int, plans: dict[str, Plan], faults: Faults) -> None:
        self.random = random.Random(seed)
        self.plans = plans
        self.city_bus = Broker(seed + 1, faults)
        self.province_bus = Broker(seed + 2, faults)
        self.folder = folder
        self.accepted: list[tuple[str, str, str]] = []
        self.deaths: Counter[str] = Counter()
        self.houses: dict[str, House] = {}
        for name in ("province", "city", "edge1", "edge2"):
            self.begin(name)

    def begin(self, name: str) -> None:
        seed = self.random.randrange(2**31)
        path = self.folder / f"{name}.db"
        plan = self.plans.get(name, Plan())
        if name == "province":
            house = House(path, name, below=self.province_bus, seed=seed, plan=plan)
        elif name == "city":
            house = House(
                path,
                name,
                below=self.city_bus,
                above=self.province_bus,
                upper="province",
                seed=seed,
                plan=plan,
            )
        else:
            house = House(path, name, above=self.city_bus, upper="city", seed=seed, plan=plan)
        self.houses[name] = house

    async def tend(self) -> None:
        """Let the dead rise again."""
        for name, house in list(self.houses.items()):
            if not house.alive:
                self.deaths[name] += 1
                await house.gone()
                self.begin(name)

    async def work(self, commits: int) -> None:
        """Let things happen at the edges; what an edge has committed counts as accepted."""
        for n in range(commits):
            for edge in ("edge1", "edge2"):
                events = happenings(edge, n)
                rows = [row for event in events for row in rows_of(event)]
                await self.tend()
                while not self.houses[edge].has(rows[0]):  # it may have died after its commit
                    with suppress(Crash):
                        self.houses[edge].own(events)
                    await self.tend()
                self.accepted += rows
            await asyncio.sleep(0.002 if n % 4 else 0.006)
            if n % 20 == 19:  # whoever has not died by itself dies by our hand
                self.houses[sorted(self.plans)[n // 20 % len(self.plans)]].kill()
            await self.tend()

    def happen(self, edge: str, commits: int) -> None:
        """Let things happen at one edge, without any fault."""
        for n in range(commits):
            events = happenings(edge, n)
            self.houses[edge].own(events)
            self.accepted += [row for event in events for row in rows_of(event)]

    async def calm(self) -> None:
        """No more faults: wait until nothing waits anywhere."""
        for house in self.houses.values():
            house.plan = Plan()
        self.plans = {}
        self.city_bus.heal()
        self.province_bus.heal()
        await self.tend()

        def empty() -> bool:
            return all(h.alive and not h.waiting() for h in self.houses.values())

        async with asyncio.timeout(20):
            while not empty():
                await self.tend()
                await asyncio.sleep(0.02)

    async def end(self) -> None:
        for house in self.houses.values():
            await house.gone()

    def balance(self, name: str) -> Balance:
        house = self.houses[name]
        got = [row for row in house.got() if row[0] != "misfit"]
        accepted, arrived = Counter(self.accepted), Counter(got)
        early = house.connection.execute("SELECT COUNT(*) FROM violation").fetchone()[0]
        last: dict[tuple[str, str], int] = {}
        disordered = 0
        for what, device, key in got:
            moment = int(key.rpartition("@")[2]) if what == "reading" else 0
            disordered += moment < last.get((what, device), 0)
            last[what, device] = moment
        return Balance(
            lost=sum((accepted - arrived).values()),
            doubled=sum(count - 1 for count in arrived.values()),
            invented=sum(count for row, count in arrived.items() if row not in accepted),
            too_early=early,
            disordered=disordered,
        )


NOTHING_WRONG = Balance(0, 0, 0, 0, 0)


async def live(
    folder: Path, seed: int, plans: dict[str, Plan], faults: Faults, commits: int
) -> World:
    world = World(folder, seed, plans, faults)
    await world.work(commits)
    await world.calm()
    return world


@pytest.mark.parametrize("seed", [11, 12, 13])
async def test_nothing_is_lost_doubled_or_invented(tmp_path: Path, seed: int) -> None:
    print(f"seed {seed}")
    dying = {name: Plan(die=0.005) for name in ("edge1", "edge2", "city", "province")}
    world = await live(tmp_path, seed, dying, FAULTS, commits=90)
    try:
        print(f"deaths {dict(world.deaths)}, messages {len(world.city_bus.log)}")
        assert set(world.deaths) == set(dying)
        assert world.balance("city") == NOTHING_WRONG
        assert world.balance("province") == NOTHING_WRONG
    finally:
        await world.end()


@pytest.mark.parametrize("honest", [True, False])
async def test_the_checker_sees_an_acknowledgement_before_the_commit(
    tmp_path: Path, honest: bool
) -> None:
    """Negative control: a city that says "committed" too early loses when it dies."""
    world = World(tmp_path, 21, {"city": Plan(answer_before_commit=not honest)}, Faults())
    try:
        city, edge = world.houses["city"], world.houses["edge1"]
        city.may_commit.clear()
        world.happen("edge1", 10)
        await until(lambda: len(world.city_bus.log) > 20)
        if not honest:
            await until(lambda: not edge.waiting())
        assert city.got() == []
        city.kill()
        await world.calm()
        assert (world.balance("province").lost == 0) is honest
    finally:
        await world.end()


@pytest.mark.parametrize("honest", [True, False])
async def test_the_checker_sees_a_forgotten_mark(tmp_path: Path, honest: bool) -> None:
    """Negative control: a city whose marks are not in the transaction of its rows stores twice
    what it had not acknowledged when it died."""
    world = World(tmp_path, 22, {"city": Plan(marks_in_memory=not honest)}, Faults())
    try:
        city, edge = world.houses["city"], world.houses["edge1"]
        world.city_bus.drop = lambda message: message.topic.endswith("/ack/telemetry")
        world.happen("edge1", 10)
        await until(lambda: len([row for row in city.got() if row[0] == "reading"]) >= 50)
        city.kill()
        world.city_bus.drop = lambda message: False
        await world.calm()
        assert not edge.waiting()
        assert (world.balance("city").doubled == 0) is honest
    finally:
        await world.end()


async def test_what_waits_is_sent_when_the_upper_tier_comes_back(tmp_path: Path) -> None:
    world = World(tmp_path, 31, {}, Faults())
    try:
        await world.houses["city"].gone()
        edge = world.houses["edge1"]
        world.happen("edge1", 40)
        assert edge.waiting() > 40
        world.begin("city")
        await until(lambda: edge.waiting() == 0)
        assert len(world.houses["city"].got()) == len(edge.got())
    finally:
        await world.end()
