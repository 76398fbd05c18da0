"""What goes wrong with one lower node stays with that node."""

import asyncio
from collections.abc import Sequence

import pytest
from msgspec import structs

from cascade import intake, topics
from cascade.bus import BusMessage
from cascade.downlink import Downlink
from registry.model import Device, DeviceKind, DeviceState, Discovered, Event, Mark, Misfit
from tests.cascade.house import QUICK, House, until
from tests.cascade.pair import Pair, live_through, same

ON = DeviceState.ONLINE


def of_edge1(events: Sequence[Event]) -> bool:
    return isinstance(events[0], Mark) and events[0].source == "edge1"


def neighbour(pair: Pair) -> House:
    house = House(pair.folder / "edge2.db", "edge2", above=pair.bus, upper="city")
    pair.houses.append(house)
    return house


def device(home: str) -> Discovered:
    return Discovered(device=Device(id=f"{home}~x", home=home, name="x", kind=DeviceKind.SENSOR))


async def test_a_batch_that_cannot_be_stored_stops_no_other_node(pair: Pair) -> None:
    city, edge, other = pair.city(), pair.edge(), neighbour(pair)
    city.fails = of_edge1
    live_through(edge, 0, 5)
    await until(lambda: city.failed > 2)
    other.own([device("edge2")])
    await until(lambda: city.has(("device", "edge2~x", "x")))
    city.fails = lambda events: False
    other_rows = set(other.got())
    await until(lambda: set(edge.got()) | other_rows == set(city.got()))
    assert len(city.got()) == len(set(city.got()))
    assert len(city.clients) == 1


async def test_a_batch_that_cannot_be_stored_is_not_tried_again_at_once(pair: Pair) -> None:
    city = pair.city(timing=structs.replace(QUICK, retry=3600.0))
    city.fails = of_edge1
    edge = pair.edge()
    edge.own([device("edge1")])
    await until(lambda: pair.sent("up/registry") > 5)
    assert city.failed == 1


async def test_a_failing_lane_leaves_room_for_the_others(pair: Pair) -> None:
    city, edge = pair.city(), pair.edge()
    live_through(edge, 0, 1)
    await until(same(city, edge))
    city.fails = lambda events: of_edge1(events) and events[0].lane == "telemetry"  # type: ignore[union-attr]
    live_through(edge, 1, 14)
    alarms = {row for row in edge.got() if row[0] == "alarm"}
    assert alarms
    await until(lambda: alarms <= set(city.got()))
    await until(lambda: city.failed > 2)
    city.fails = lambda events: False
    await until(same(city, edge))


async def test_a_misfit_that_cannot_be_stored_ends_nothing(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    city, edge = pair.city(), pair.edge()
    city.fails = lambda events: isinstance(events[0], Misfit)
    await until(lambda: edge.uppers == [ON])
    pair.bus.route(BusMessage(topics.up("city", "edge1", "alarm"), b"\xc1"))
    await until(lambda: city.failed == 1)
    live_through(edge, 0, 5)
    await until(same(city, edge))
    assert len(city.clients) == 1
    assert "could not be stored" in caplog.text


async def test_commits_under_way_end_with_the_connection(pair: Pair) -> None:
    edge, house = pair.edge(), House(pair.folder / "city.db", "city")
    pair.houses.append(house)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def emit(events: Sequence[Event]) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    downlink = Downlink(
        node="city",
        open_bus=pair.bus.open,
        store=house.store,
        permits=lambda source, device: True,
        on_link=lambda *_: None,
        now=lambda: 1,
        timing=QUICK,
    )
    task = asyncio.create_task(downlink.run(emit))
    edge.own([device("edge1")])
    await begun.wait()
    next(c for c in pair.bus.clients if topics.from_below("city") in c.filters).cut()
    await asyncio.wait([task])
    assert ended.is_set()
    assert task.exception() is not None


async def test_a_full_inbox_is_counted_and_loses_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "_QUEUE", 1)
    city, edge = pair.city(), pair.edge()
    await until(lambda: edge.uppers == [ON])
    live_through(edge, 0, 40)
    assert city.downlink is not None
    downlink = city.downlink
    await until(lambda: downlink.counters["edge1"].overflowed > 0)
    await until(same(city, edge))
    assert len(city.got()) == len(set(city.got()))
