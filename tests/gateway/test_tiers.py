"""The tiers next door: what a cut link implies, and what the upper tier is told anew."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cascade import outbox
from cascade.envelope import open_stowed
from cascade.parcel import open_body
from cascade.upstairs import Counters, Figures
from gateway.commit import Step, StoreFailed
from gateway.core import Core
from gateway.tiers import Tiers
from protocols.adapter import Emit, LinkLost
from registry.model import (
    Device,
    DeviceKind,
    DeviceState,
    Discovered,
    Event,
    Lane,
    Mark,
    Misfit,
    MisfitReason,
    StatusChange,
)
from registry.store import twin
from tests.gateway.support import NOW, Clock, core

CITY = b"""
node: {name: city, role: city}
upper: {name: province, url: "mqtt://127.0.0.1:1", credential: up}
lower: {url: "mqtt://127.0.0.1:1", nodes: [{name: edge-1, nodes: [box]}, {name: edge-2}]}
credentials: {up: {username: city}}
"""
FIGURES = Figures(counters=Counters())


class House:
    """A city above two edges that speak when the test says so."""

    def __init__(self, opened: Core, clock: Clock) -> None:
        self.core = opened
        self.clock = clock
        self.tiers = Tiers(opened.settings, opened, "secret")
        self._sequence = 0

    def link(self, child: str, state: DeviceState) -> None:
        self.clock.now += 1
        self.tiers._on_lower(child, state, "a cause", FIGURES)

    async def bring(self, child: str, *events: Event) -> None:
        self._sequence += 1
        mark = Mark(source=child, epoch="e", lane=Lane.STATUS, sequence=self._sequence)
        await self.tiers._take([mark, *events])

    async def state(self, device: str) -> tuple[DeviceState, str]:
        row = await self.core.stores.readers.read(lambda c: twin.state(c, device))
        assert row is not None
        return row.state, row.source

    async def becomes(self, device: str, state: DeviceState, source: str) -> None:
        async with asyncio.timeout(10):
            while await self.state(device) != (state, source):  # noqa: ASYNC110 - a database
                await asyncio.sleep(0.005)


def sensor(home: str) -> Device:
    return Device(id=f"{home}~a", home=home, name="a", kind=DeviceKind.SENSOR)


def word(device: Device, state: DeviceState, source: str, since: int = NOW) -> StatusChange:
    return StatusChange(device=device.id, state=state, since=since, cause="said", source=source)


@asynccontextmanager
async def city(folder: Path) -> AsyncIterator[House]:
    clock = Clock()
    async with core(folder, clock, CITY) as opened:
        house = House(opened, clock)
        task = asyncio.create_task(house.tiers.run())
        try:
            yield house
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_restored_link_gives_back_only_what_this_node_took(tmp_path: Path) -> None:
    async with city(tmp_path) as house:
        near, far = sensor("edge-1"), sensor("box")
        await house.bring("edge-1", Discovered(device=near), Discovered(device=far))
        await house.bring("edge-1", word(near, DeviceState.ONLINE, "edge-1"))
        await house.bring("edge-1", word(far, DeviceState.ONLINE, "box", NOW - 2))
        # The edge's own link to the box is cut, which is not ours to undo.
        await house.bring("edge-1", word(far, DeviceState.UNKNOWN, "cut:edge-1", NOW - 1))
        house.link("edge-1", DeviceState.ONLINE)
        await house.becomes(far.id, DeviceState.UNKNOWN, "cut:edge-1")
        house.link("edge-1", DeviceState.OFFLINE)
        await house.becomes(near.id, DeviceState.UNKNOWN, "cut:city")
        house.link("edge-1", DeviceState.ONLINE)
        await house.becomes(near.id, DeviceState.ONLINE, "edge-1")
        assert (await house.state(far.id))[0] is DeviceState.UNKNOWN


async def test_news_of_a_link_wait_for_a_store_that_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with city(tmp_path) as house:
        near = sensor("edge-1")
        await house.bring("edge-1", Discovered(device=near))
        await house.bring("edge-1", word(near, DeviceState.ONLINE, "edge-1"))
        refused = asyncio.Event()

        async def refuse(changes: Sequence[StatusChange]) -> None:
            monkeypatch.undo()
            refused.set()
            raise StoreFailed("disk full")

        monkeypatch.setattr(house.core.pipeline, "statuses", refuse)
        house.link("edge-1", DeviceState.OFFLINE)
        await asyncio.wait_for(refused.wait(), 10)
        await house.becomes(near.id, DeviceState.UNKNOWN, "cut:city")


async def test_a_backlog_that_cannot_be_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    right = outbox.backlog

    def sometimes(connection: sqlite3.Connection) -> dict[Lane, outbox.Backlog]:
        calls.append(1)
        if len(calls) == 1:
            raise sqlite3.OperationalError("disk I/O error")
        return right(connection)

    monkeypatch.setattr(outbox, "backlog", sometimes)
    async with city(tmp_path) as house:
        async with asyncio.timeout(10):
            while not house.tiers._backlog:  # noqa: ASYNC110 - set by a timer
                await asyncio.sleep(0.005)


async def test_a_lost_broker_makes_every_lower_node_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with city(tmp_path) as house:
        near = sensor("edge-1")
        await house.bring("edge-1", Discovered(device=near))
        await house.bring("edge-1", word(near, DeviceState.ONLINE, "edge-1"))
        house.link("edge-1", DeviceState.ONLINE)

        async def lose(emit: Emit) -> None:
            raise LinkLost("connection reset")

        monkeypatch.setattr(house.tiers._downlink, "run", lose)
        with pytest.raises(LinkLost):
            await house.tiers._run_downlink(lambda: None)
        states = {view.node: view.state for view in house.tiers.views()}
        assert (states["edge-1"], states["edge-2"]) == ("offline", "offline")
        await house.becomes(near.id, DeviceState.UNKNOWN, "cut:city")


async def test_what_is_told_anew_is_read_where_it_is_numbered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A status committed while the re-telling begins must not get a lower number than it."""
    async with city(tmp_path) as house:
        near = sensor("edge-1")
        await house.bring("edge-1", Discovered(device=near))
        await house.bring("edge-1", word(near, DeviceState.ONLINE, "edge-1"))
        apply = house.core.pipeline.apply

        async def late(step: Step) -> Sequence[Event]:
            monkeypatch.undo()
            await house.bring("edge-1", word(near, DeviceState.OFFLINE, "edge-1", NOW + 5))
            return await apply(step)

        monkeypatch.setattr(house.core.pipeline, "apply", late)
        await house.tiers._republish()
        assert await told_last(house, near.id) is DeviceState.OFFLINE


async def told_last(house: House, device: str) -> DeviceState:
    """Return the state of a device in the envelope with the highest number."""
    rows = await house.core.stores.readers.read(lambda c: outbox.read(c, Lane.STATUS, 0, 1000))
    states = [
        event.state
        for row in rows
        for event in open_body(open_stowed(row.payload).body).events
        if isinstance(event, StatusChange) and event.device == device
    ]
    return states[-1]


async def test_what_could_not_be_read_from_above_is_kept(tmp_path: Path) -> None:
    async with city(tmp_path) as house:
        misfit = Misfit(source="province", reason=MisfitReason.UNREADABLE, detail="x", time=NOW)
        mark = Mark(source="province", epoch="e", lane=Lane.STATUS, sequence=1)
        await house.tiers._deliver([misfit], mark)
        kept = await house.core.stores.readers.read(
            lambda c: c.execute("SELECT count(*) FROM misfit").fetchone()
        )
    assert kept == (1,)


async def test_a_renewed_epoch_is_the_one_that_is_shown(tmp_path: Path) -> None:
    async with city(tmp_path) as house:
        before = house.core.stores.epoch
        uplink = house.tiers._uplink
        assert uplink is not None
        await uplink._store.renew_epoch()
        stored = await house.core.stores.readers.read(outbox.identity)
    assert house.core.stores.epoch == stored.epoch != before
