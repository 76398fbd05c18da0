"""The supervisor: one bulkhead for each endpoint."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from gateway.commit import StoreFailed
from gateway.metrics import Metrics
from gateway.supervisor import EndpointState, Supervisor
from protocols.adapter import Adapter, DeviceFeed, Emit, LinkLost, Refused
from registry.model import (
    Command,
    Device,
    DeviceState,
    Event,
    Link,
    Outcome,
    OutcomeState,
    StatusChange,
)
from tests.gateway.support import NOW, device


class Script:
    """An adapter that does what its test says."""

    def __init__(self, act: Callable[["Script", DeviceFeed], object]) -> None:
        self.act = act
        self.runs = 0
        self.seen: list[set[str]] = []
        self.connected: Callable[[], None] = lambda: None

    async def run(self, devices: DeviceFeed, emit: Emit) -> None:
        self.runs += 1
        self.connected()
        self.act(self, devices)
        while True:
            self.seen.append(set(devices.take()))
            await devices.changed()

    async def command(self, order: Command) -> Outcome:
        return Outcome(command=order.id, device=order.device, state=OutcomeState.DONE, time=NOW)


def lose(script: Script, _: DeviceFeed) -> None:
    raise LinkLost("no route")


def refuse(script: Script, _: DeviceFeed) -> None:
    raise Refused("wrong password")


def break_down(script: Script, _: DeviceFeed) -> None:
    raise ZeroDivisionError("a defect")


def not_stored(script: Script, _: DeviceFeed) -> None:
    raise StoreFailed("disk full")


def stay(script: Script, _: DeviceFeed) -> None:
    return None


def linked(local: str, endpoint: str) -> Device:
    return device(local, link=Link(protocol="mqtt", endpoint=endpoint))


class House:
    """A supervisor over scripts by endpoint."""

    def __init__(self, scripts: dict[str, Script]) -> None:
        self.scripts = scripts
        self.events: list[Event] = []
        self.metrics = Metrics()
        self.supervisor = Supervisor(
            open_adapter=self.open,
            emit=self.emit,
            now=lambda: NOW,
            metrics=self.metrics,
            first_pause=0.01,
        )

    def open(self, device: Device, connected: Callable[[], None]) -> Adapter:
        assert device.link is not None
        script = self.scripts[device.link.endpoint]
        script.connected = connected
        return script

    async def emit(self, events: Sequence[Event], source: str) -> None:
        self.events.extend(events)

    def state(self, endpoint: str) -> EndpointState:
        return next(h.state for h in self.supervisor.health() if h.endpoint == endpoint)


@asynccontextmanager
async def running(house: House) -> AsyncIterator[None]:
    task = asyncio.create_task(house.supervisor.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the condition is the test's own
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("trouble", [lose, refuse, break_down])
async def test_trouble_of_one_endpoint_stays_there(
    trouble: Callable[[Script, DeviceFeed], object],
) -> None:
    house = House({"mqtt://bad": Script(trouble), "mqtt://good": Script(stay)})
    async with running(house):
        house.supervisor.changed(None, linked("a", "mqtt://bad"))
        house.supervisor.changed(None, linked("b", "mqtt://good"))
        await until(lambda: bool(house.events))
        await until(lambda: house.state("mqtt://good") is EndpointState.CONNECTED)
    assert {(e.device, e.state) for e in house.events if isinstance(e, StatusChange)} == {
        ("edge-1~a", DeviceState.OFFLINE)
    }
    assert house.scripts["mqtt://good"].runs == 1


async def test_a_lost_link_is_retried_and_told_once() -> None:
    house = House({"mqtt://bad": Script(lose)})
    async with running(house):
        house.supervisor.changed(None, linked("a", "mqtt://bad"))
        await until(lambda: house.scripts["mqtt://bad"].runs >= 2)
    assert house.metrics.value("endpoint_failures_total", endpoint="mqtt://bad", kind="lost") >= 1


async def test_a_refused_endpoint_is_parked_until_a_device_changes() -> None:
    house = House({"mqtt://bad": Script(refuse)})
    async with running(house):
        house.supervisor.changed(None, linked("a", "mqtt://bad"))
        await until(lambda: house.state("mqtt://bad") is EndpointState.PARKED)
        assert house.scripts["mqtt://bad"].runs == 1
        house.supervisor.changed(None, linked("b", "mqtt://bad"))
        await until(lambda: house.scripts["mqtt://bad"].runs == 2)


async def test_devices_come_move_and_go_without_a_restart() -> None:
    one, two = Script(stay), Script(stay)
    house = House({"mqtt://one": one, "mqtt://two": two})
    async with running(house):
        a, b = linked("a", "mqtt://one"), linked("b", "mqtt://one")
        house.supervisor.changed(None, a)
        await until(lambda: one.seen[-1:] == [{a.id}])
        house.supervisor.changed(None, b)
        await until(lambda: one.seen[-1] == {a.id, b.id})
        house.supervisor.changed(a, linked("a", "mqtt://two"))
        await until(lambda: one.seen[-1] == {b.id} and two.seen[-1:] == [{a.id}])
        house.supervisor.changed(b, None)
        await until(lambda: [h.endpoint for h in house.supervisor.health()] == ["mqtt://two"])
    assert one.runs == 1


async def test_a_command_needs_a_live_link() -> None:
    house = House({"mqtt://good": Script(stay), "mqtt://bad": Script(lose)})
    good, bad = linked("a", "mqtt://good"), linked("b", "mqtt://bad")
    order = Command(
        id="C", device=good.id, action="write", deadline=NOW, asked_by="t", asked_time=NOW
    )
    async with running(house):
        house.supervisor.changed(None, good)
        house.supervisor.changed(None, bad)
        await until(lambda: house.state("mqtt://good") is EndpointState.CONNECTED)
        await until(lambda: bool(house.events))
        done = await house.supervisor.command(good, order)
        lost = await house.supervisor.command(bad, order)
    assert (done.state, lost.state) == (OutcomeState.DONE, OutcomeState.NOT_CONNECTED)
    assert "no route" in lost.detail


async def test_a_defect_in_a_command_is_a_failed_order() -> None:
    script = Script(stay)

    async def broken(order: Command) -> Outcome:
        raise ZeroDivisionError("a defect")

    script.command = broken  # type: ignore[method-assign]
    house = House({"mqtt://good": script})
    good = linked("a", "mqtt://good")
    order = Command(
        id="C", device=good.id, action="write", deadline=NOW, asked_by="t", asked_time=NOW
    )
    async with running(house):
        house.supervisor.changed(None, good)
        await until(lambda: house.state("mqtt://good") is EndpointState.CONNECTED)
        outcome = await house.supervisor.command(good, order)
    assert (outcome.command, outcome.state) == ("C", OutcomeState.FAILED)
    assert "a defect" in outcome.detail


async def test_a_store_that_refuses_makes_no_device_offline() -> None:
    script = Script(not_stored)
    house = House({"mqtt://a": script})
    async with running(house):
        house.supervisor.changed(None, linked("a", "mqtt://a"))
        await until(lambda: script.runs >= 2)
        assert house.events == []
        script.act = lose
        await until(lambda: bool(house.events))


async def test_a_device_that_comes_while_the_others_are_told_offline_is_tried_at_once() -> None:
    script = Script(refuse)
    house = House({"mqtt://bad": script})
    telling, go_on = asyncio.Event(), asyncio.Event()

    async def slow(events: Sequence[Event], source: str) -> None:
        telling.set()
        await go_on.wait()

    house.supervisor._emit = slow
    async with running(house):
        house.supervisor.changed(None, linked("a", "mqtt://bad"))
        await asyncio.wait_for(telling.wait(), 10)
        house.supervisor.changed(None, linked("b", "mqtt://bad"))
        go_on.set()
        await until(lambda: script.runs == 2)
