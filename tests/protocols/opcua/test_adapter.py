"""The adapter against asyncua's own server in another process."""

import asyncio
import signal
from typing import Any

import pytest

from protocols.adapter import LinkLost, Refused
from registry.model import (
    SECOND,
    Command,
    Device,
    DeviceState,
    Misfit,
    MisfitReason,
    Outcome,
    OutcomeState,
    Quality,
    StatusChange,
    Value,
    ValueType,
)
from tests.contract.suite import Feed, House, Sink
from tests.protocols.opcua.peer import (
    NOW,
    Peer,
    device,
    make,
    order,
    point,
    running,
    serving,
    until,
)

BOOL, INT, STR = ValueType.BOOL, ValueType.INT, ValueType.STR
BAD_NO_COMMUNICATION = 0x8031_0000
UNCERTAIN_LAST_USABLE = 0x4090_0000


def latest(house: House, target: Device) -> dict[str, Value | None]:
    return {r.point: r.value for r in house.sink.readings(target.id)}


def states(house: House, target: Device) -> list[DeviceState]:
    return [s.state for s in house.sink.of(StatusChange) if s.device == target.id]


async def seen(house: House, target: Device, **values: Value) -> None:
    await house.sink.until(lambda: values.items() <= latest(house, target).items())


async def send(house: House, command: Command) -> Outcome:
    outcome: Outcome = await house.adapter.command(command)  # type: ignore[attr-defined]
    assert outcome.command == command.id
    return outcome


@pytest.mark.parametrize("mode", ["subscribe", "poll"])
async def test_all_kinds_of_values(mode: str) -> None:
    nodes: dict[str, tuple[str, Any]] = {
        "Double": ("Double", 1.5),
        "Float": ("Float", 0.25),
        "Int16": ("Int16", -3),
        "UInt64": ("UInt64", 2**62),
        "Byte": ("Byte", 200),
        "Bool": ("Boolean", True),
        "Text": ("String", "abc"),
        "Local": ("LocalizedText", "水位"),
        "Date": ("DateTime", "2026-03-18T06:26:05+00:00"),
    }
    async with serving(nodes, shift=3) as peer:
        target = device(
            peer.endpoint,
            "d",
            point("Double", scale=2, offset=1),
            point("Float"),
            point("Int16", scale=0.1),
            point("UInt64", type=INT),
            point("Byte", type=INT),
            point("Bool", type=BOOL),
            point("Text", type=STR),
            point("Local", type=STR),
            point("Date", type=STR),
            mode=mode,
        )
        async with running(peer.endpoint, target) as house:
            await seen(house, target, Double=4.0, Float=0.25, Int16=-0.3, UInt64=2**62, Byte=200)
            await seen(house, target, Bool=True, Text="abc", Local="水位")
            await seen(house, target, Date="2026-03-18T06:26:05.000Z")
            await peer.tell(set={"Double": 2.0, "Bool": False})
            await seen(house, target, Double=5.0, Bool=False)
    assert states(house, target) == [DeviceState.ONLINE]
    assert all(r.source_time > NOW for r in house.sink.readings(target.id))
    assert not house.sink.of(Misfit)
    assert (house.connections, house.losses) == (1, [])


@pytest.mark.parametrize("mode", ["subscribe", "poll"])
async def test_a_node_that_does_not_exist_is_named_and_spares_its_neighbours(mode: str) -> None:
    async with serving({"Level": ("Double", 1.0)}) as peer:
        target = device(
            peer.endpoint,
            "d",
            point("Level"),
            point("Ghost"),
            point("Alien", address={"node": "nsu=urn:nowhere;s=x"}),
            mode=mode,
        )
        async with running(peer.endpoint, target, retry_bad=0.2) as house:
            await house.sink.until(lambda: len(house.sink.of(Misfit)) == 2)
            await seen(house, target, Level=1.0)
            await peer.tell(add={"Ghost": ["Double", 9.0]}, set={"Level": 2.0})
            await seen(house, target, Level=2.0, Ghost=9.0)
    misfits = {m.point: m for m in house.sink.of(Misfit)}
    assert len(house.sink.of(Misfit)) == 2
    assert all(m.reason is MisfitReason.BAD_ADDRESS for m in misfits.values())
    assert "nsu=urn:demo;s=Ghost: BadNodeIdUnknown" in misfits["Ghost"].detail
    assert "no namespace urn:nowhere; it has" in misfits["Alien"].detail
    assert states(house, target) == [DeviceState.ONLINE]
    assert not house.losses


async def test_forty_nine_devices_beside_one_whose_nodes_are_gone() -> None:
    nodes: dict[str, tuple[str, Any]] = {f"V{n}": ("Double", float(n)) for n in range(49)}
    async with serving(nodes) as peer:
        good = [device(peer.endpoint, f"good{n}", point(f"V{n}")) for n in range(49)]
        dead = device(peer.endpoint, "dead", point("Ghost"), point("Other"))
        async with running(peer.endpoint, dead, *good) as house:
            await until(lambda: all(house.sink.values(d.id) for d in good))
            await until(lambda: bool(states(house, dead)))
    assert states(house, dead) == [DeviceState.OFFLINE]
    (change,) = [s for s in house.sink.of(StatusChange) if s.device == dead.id]
    assert "BadNodeIdUnknown" in change.cause
    assert all(states(house, d) == [DeviceState.ONLINE] for d in good)


async def test_qualities_and_a_controller_that_the_server_has_lost() -> None:
    nodes: dict[str, tuple[str, Any]] = {"A": ("Double", 1.0), "B": ("Double", 2.0)}
    async with serving(nodes) as peer:
        target = device(peer.endpoint, "d", point("A"), point("B"))
        async with running(peer.endpoint, target) as house:
            await seen(house, target, A=1.0, B=2.0)
            await peer.tell(status={"A": [UNCERTAIN_LAST_USABLE, 1.5]})
            await seen(house, target, A=1.5)
            await peer.tell(status={"A": [BAD_NO_COMMUNICATION, 0], "B": [BAD_NO_COMMUNICATION, 0]})
            await house.sink.until(lambda: states(house, target)[-1] is DeviceState.OFFLINE)
            await peer.tell(set={"A": 3.0})
            await house.sink.until(lambda: states(house, target)[-1] is DeviceState.ONLINE)
    graded = {(r.value, r.quality, r.reason) for r in house.sink.readings(target.id)}
    assert (1.5, Quality.UNCERTAIN, "UncertainLastUsableValue") in graded
    assert (None, Quality.BAD, "BadNoCommunication") in graded
    assert (3.0, Quality.GOOD, "") in graded
    assert not house.sink.of(Misfit)


async def test_a_value_of_another_type_is_set_aside_once() -> None:
    async with serving({"Level": ("Double", 1.0), "Name": ("String", "x")}) as peer:
        target = device(peer.endpoint, "d", point("Level"), point("Name"))
        async with running(peer.endpoint, target) as house:
            await house.sink.until(lambda: bool(house.sink.of(Misfit)))
            await seen(house, target, Level=1.0)
            await peer.tell(set={"Name": "y", "Level": 2.0})
            await seen(house, target, Level=2.0)
    (misfit,) = house.sink.of(Misfit)
    assert (misfit.reason, misfit.point) == (MisfitReason.WRONG_TYPE, "Name")
    assert "a str, the point is float" in misfit.detail
    assert misfit.sample == "'x'"
    assert latest(house, target)["Name"] is None


async def test_the_server_applies_the_deadband() -> None:
    async with serving({"Level": ("Double", 10.0), "Mark": ("Double", 0.0)}) as peer:
        target = device(peer.endpoint, "d", point("Level", deadband=1.0), point("Mark"))
        async with running(peer.endpoint, target) as house:
            await seen(house, target, Level=10.0)
            await peer.tell(set={"Level": 10.5})
            await peer.tell(set={"Mark": 1.0})
            await seen(house, target, Mark=1.0)
            assert 10.5 not in house.sink.values(target.id)
            await peer.tell(set={"Level": 12.0})
            await seen(house, target, Level=12.0)


async def test_where_subscriptions_are_refused_nodes_are_polled() -> None:
    async with serving({"Level": ("Double", 1.0)}, subscriptions=0) as peer:
        target = device(peer.endpoint, "d", point("Level"))
        async with running(peer.endpoint, target) as house:
            await seen(house, target, Level=1.0)
            await peer.tell(set={"Level": 2.0})
            await seen(house, target, Level=2.0)
    assert not house.losses


async def test_a_queue_that_overflows_keeps_the_newest_and_is_told() -> None:
    async with serving({"Level": ("Double", 0.0)}) as peer:
        target = device(peer.endpoint, "d", point("Level", address={"queue": 3}))
        async with running(peer.endpoint, target) as house:
            await seen(house, target, Level=0.0)
            house.sink.hold()
            for n in range(1, 60):
                await peer.tell(set={"Level": float(n)})
            house.sink.release()
            await seen(house, target, Level=59.0)
    assert len(house.sink.values(target.id)) < 60
    assert not house.losses


async def test_a_killed_server_is_link_lost_and_everything_is_rebuilt() -> None:
    async with serving({"Level": ("Double", 1.0)}) as peer:
        target = device(peer.endpoint, "d", point("Level"))
        async with running(peer.endpoint, target) as house:
            await seen(house, target, Level=1.0)
            await peer.stop()
            await house.until_lost(5)
            assert house.losses[0].args[0].startswith(peer.endpoint)
            peer.layout["shift"] = 4
            await peer.start()
            await house.until_connected(2)
            await peer.tell(set={"Level": 2.0})
            await seen(house, target, Level=2.0)
    assert states(house, target) == [DeviceState.ONLINE, DeviceState.ONLINE]


async def test_a_frozen_server_is_noticed() -> None:
    async with serving({"Level": ("Double", 1.0)}) as peer:
        target = device(peer.endpoint, "d", point("Level"))
        async with running(peer.endpoint, target) as house:
            await seen(house, target, Level=1.0)
            peer.signal(signal.SIGSTOP)
            await house.until_lost(5)
            peer.signal(signal.SIGCONT)
            await house.until_connected(2)


async def test_nobody_there_is_link_lost_at_once() -> None:
    peer = Peer({})
    target = device(peer.endpoint, "d", point("Level"))
    with pytest.raises(LinkLost, match="no connection to opc"):
        await make(peer.endpoint).run(Feed([target]), Sink().emit)


async def test_devices_change_while_it_runs() -> None:
    nodes: dict[str, tuple[str, Any]] = dict.fromkeys("ABC", ("Double", 1.0))
    async with serving(nodes) as peer:
        first = device(peer.endpoint, "first", point("x", "A"))
        second = device(peer.endpoint, "second", point("x", "B", {"period": 0.1}))
        moved = device(peer.endpoint, "first", point("x", "C"))
        async with running(peer.endpoint) as house:
            house.feed.set([first])
            await seen(house, first, x=1.0)
            house.feed.set([moved, second])
            await seen(house, second, x=1.0)
            await peer.tell(set={"C": 5.0})
            await seen(house, first, x=5.0)
            await peer.tell(set={"A": 6.0})
            house.feed.set([second])
            await peer.tell(set={"B": 7.0})
            await seen(house, second, x=7.0)
            await peer.tell(set={"C": 8.0})
            await peer.tell(set={"B": 9.0})
            await seen(house, second, x=9.0)
    assert 6.0 not in house.sink.values(first.id)
    assert 8.0 not in house.sink.values(first.id)
    assert (house.connections, house.losses) == (1, [])


async def test_writes_are_read_back() -> None:
    nodes: dict[str, tuple[str, Any]] = {
        "Level": ("Double", 0.0),
        "Raw": ("UInt16", 0),
        "On": ("Boolean", False),
        "Name": ("String", ""),
        "Local": ("LocalizedText", "a"),
        "Fixed": ("Double", 1.0),
    }
    async with serving(nodes) as peer:
        target = device(
            peer.endpoint,
            "d",
            point("Level", writable=True),
            point("Raw", scale=0.1, writable=True),
            point("On", type=BOOL, writable=True),
            point("Name", type=STR, writable=True),
            point("Local", type=STR, writable=True),
            point("Fixed", writable=True),
            point("Ghost", writable=True),
            point("look", "Level"),
        )
        async with running(peer.endpoint, target) as house:
            await seen(house, target, Level=0.0)
            done: list[tuple[str, Value, Value]] = [
                ("Level", 2.5, 2.5),
                ("Raw", 12.34, 12.3),
                ("On", True, True),
                ("Name", "pump", "pump"),
                ("Local", "泵", "泵"),
            ]
            for name, value, back in done:
                outcome = await send(house, order(target, name, value))
                assert (outcome.state, outcome.value) == (OutcomeState.DONE, back), outcome.detail
            await seen(house, target, Level=2.5, Raw=12.3, On=True, Name="pump", look=2.5)
            wrong: list[tuple[str, Value, OutcomeState, str]] = [
                ("Level", "high", OutcomeState.REFUSED, "no number; the node is Double"),
                ("Raw", 1e6, OutcomeState.REFUSED, "does not fit UInt16"),
                ("On", 3, OutcomeState.REFUSED, "neither true nor false"),
                ("Name", 3, OutcomeState.REFUSED, "no text"),
                ("look", 1.0, OutcomeState.REFUSED, "not marked writable"),
                ("nothing", 1.0, OutcomeState.REFUSED, "no point 'nothing'"),
                ("Ghost", 1.0, OutcomeState.FAILED, "BadNodeIdUnknown"),
                ("Fixed", 2.0, OutcomeState.REFUSED, "Bad"),
            ]
            for name, value, state, words in wrong:
                outcome = await send(house, order(target, name, value))
                assert outcome.state is state, outcome.detail
                assert words in outcome.detail
            late = await send(house, order(target, "Level", 1.0, deadline=NOW - SECOND))
            assert late.state is OutcomeState.EXPIRED
            blind = await send(house, order(target, "Level", 1.0, params={"verify": False}))
            assert (blind.state, blind.value) == (OutcomeState.DONE, None)


async def test_methods_are_called() -> None:
    async with serving({"Level": ("Double", 0.0)}) as peer:
        add = point("sum", "Add", {"object": "ns=0;i=85"}, writable=True)
        target = device(peer.endpoint, "d", point("Level"), add)
        async with running(peer.endpoint, target) as house:
            await seen(house, target, Level=0.0)
            call = {"action": "call"}
            done = await send(house, order(target, "sum", params={"a": 1, "b": 2.5}, **call))
            assert (done.state, done.value) == (OutcomeState.DONE, 3.5)
            few = await send(house, order(target, "sum", params={"a": 1}, **call))
            assert few.state is OutcomeState.REFUSED
            assert "takes these arguments: a, b" in few.detail
            odd = await send(house, order(target, "sum", params={"a": "x", "b": 1}, **call))
            assert odd.state is OutcomeState.REFUSED
            assert "argument a" in odd.detail
            wrong = await send(house, order(target, "sum", 1.0))
            assert "takes the action call" in wrong.detail
    assert states(house, target) == [DeviceState.ONLINE]
    assert not house.sink.of(Misfit)


async def test_an_order_to_a_frozen_server_is_answered_by_its_deadline() -> None:
    async with serving({"Level": ("Double", 0.0)}) as peer:
        target = device(peer.endpoint, "d", point("Level", writable=True))
        async with running(peer.endpoint, target, timeout=5, watchdog=5) as house:
            await seen(house, target, Level=0.0)
            peer.signal(signal.SIGSTOP)
            async with asyncio.timeout(3):
                outcome = await send(house, order(target, "Level", 1.0, deadline=NOW + SECOND // 4))
            peer.signal(signal.SIGCONT)
    assert outcome.state in (OutcomeState.EXPIRED, OutcomeState.SENT_NO_ANSWER)


async def test_devices_that_disagree_about_security_are_refused() -> None:
    peer = Peer({})
    devices = [
        device(peer.endpoint, "a"),
        device(peer.endpoint, "b", security="Basic256Sha256_Sign", credential="x"),
    ]
    with pytest.raises(Refused, match="edge~a None, edge~b Basic256Sha256_Sign"):
        await make(peer.endpoint).run(Feed(devices), Sink().emit)
