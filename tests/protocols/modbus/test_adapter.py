"""The adapter against pymodbus' own server in another process."""

import asyncio
import signal
from importlib.util import find_spec

import pytest

from protocols import modbus
from protocols.adapter import Context, LinkLost
from registry.model import (
    SECOND,
    Device,
    DeviceState,
    Faulty,
    Misfit,
    MisfitReason,
    OutcomeState,
    Quality,
    StatusChange,
    Value,
    ValueType,
)
from tests.contract.suite import Feed, House, Sink
from tests.protocols.modbus.peer import (
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


def latest(house: House, target: Device) -> dict[str, Value | None]:
    return {r.point: r.value for r in house.sink.readings(target.id)}


def states(house: House, target: Device) -> list[DeviceState]:
    return [s.state for s in house.sink.of(StatusChange) if s.device == target.id]


async def all_points(house: House, target: Device) -> dict[str, Value | None]:
    wanted = {p.name for p in target.points}
    await house.sink.until(lambda: latest(house, target).keys() >= wanted)
    return latest(house, target)


@pytest.mark.parametrize("rtu", [False, True], ids=["tcp", "rtu over tcp"])
async def test_all_kinds_of_values(rtu: bool) -> None:
    unit = {
        "holding": {"0": [0x42F6, 0xE979, 0xE979, 0x42F6, 0xFFFE, 0b1000, 0x4142, 0x4300]},
        "input": {"100": [0, 0, 0, 258]},
        "coil": {"3": [True, False]},
        "discrete": {"7": [False, True]},
    }
    async with serving({1: unit}, rtu=rtu) as peer:
        target = device(
            peer.endpoint,
            1,
            point("abcd", {"register": 0, "type": "float32"}),
            point("cdab", {"register": 2, "type": "float32", "order": "CDAB"}),
            point("scaled", {"register": 4, "type": "int16"}, scale=0.1, offset=1),
            point("bit3", {"register": 5, "bit": 3}, type=BOOL),
            point("bit4", {"register": 5, "bit": 4}, type=BOOL),
            point("text", {"register": 6, "type": "string", "length": 4}, type=STR),
            point("big", {"register": 100, "table": "input", "type": "uint64"}, type=INT),
            point("on", {"register": 3, "table": "coil"}, type=BOOL),
            point("off", {"register": 7, "table": "discrete"}, type=BOOL),
        )
        async with running(peer.endpoint, target) as house:
            values = await all_points(house, target)
    assert values["abcd"] == pytest.approx(123.456)
    assert values["cdab"] == pytest.approx(123.456)
    assert values["scaled"] == 0.8
    assert (values["bit3"], values["bit4"]) == (True, False)
    assert values["text"] == "ABC"
    assert values["big"] == 258
    assert (values["on"], values["off"]) == (True, False)
    assert states(house, target) == [DeviceState.ONLINE]
    assert all(r.source_time == NOW for r in house.sink.readings(target.id))
    assert not house.sink.of(Misfit)


async def test_a_bad_register_is_named_once_and_spares_its_neighbours() -> None:
    async with serving({1: {"holding": {"0": [1, 2, 3], "4": [5, 6]}}}) as peer:
        target = device(peer.endpoint, 1, *(point(f"r{n}", {"register": n}) for n in range(6)))
        async with running(peer.endpoint, target, retry_bad=0.1) as house:
            await house.sink.until(lambda: len(house.sink.values(target.id)) >= 30)
    bad = [r for r in house.sink.readings(target.id) if r.quality is Quality.BAD]
    assert {r.point for r in bad} == {"r3"}
    assert len(bad) == 1
    (misfit,) = house.sink.of(Misfit)
    assert misfit.reason is MisfitReason.BAD_ADDRESS
    assert (misfit.device, misfit.point) == (target.id, "r3")
    assert "holding 3" in misfit.detail
    assert "illegal data address" in misfit.detail
    assert states(house, target) == [DeviceState.ONLINE]
    assert not house.losses


async def test_a_device_that_refuses_everything_is_degraded() -> None:
    units = {1: {"holding": {"0": [1]}}, 2: {"holding": {"0": [1]}}}
    async with serving(units) as peer:
        wrong = device(peer.endpoint, 1, point("a", {"register": 50}))
        right = device(peer.endpoint, 2, point("a", {"register": 0}))
        async with running(peer.endpoint, wrong, right) as house:
            await house.sink.until(lambda: bool(states(house, wrong) and states(house, right)))
    assert states(house, wrong) == [DeviceState.DEGRADED]
    assert states(house, right) == [DeviceState.ONLINE]


async def test_a_busy_device_gives_bad_readings_with_the_reason() -> None:
    async with serving({1: {"holding": {"0": [1] * 10}, "busy": 5}}) as peer:
        target = device(
            peer.endpoint, 1, point("ok", {"register": 0}), point("busy", {"register": 9}), gap=0
        )
        async with running(peer.endpoint, target) as house:
            await house.sink.until(lambda: len(house.sink.values(target.id)) >= 5)
    bad = [r for r in house.sink.readings(target.id) if r.quality is Quality.BAD]
    assert [(r.point, r.value) for r in bad] == [("busy", None)]
    assert "device busy" in bad[0].reason
    assert not house.sink.of(Misfit)


async def test_a_device_that_takes_short_reads_only_is_read_so() -> None:
    async with serving({1: {"holding": {"0": list(range(60))}, "most": 16}}) as peer:
        target = device(peer.endpoint, 1, *(point(f"r{n}", {"register": n}) for n in range(60)))
        async with running(peer.endpoint, target) as house:
            values = await all_points(house, target)
    assert values == {f"r{n}": float(n) for n in range(60)}
    assert not house.sink.of(Misfit)


async def test_a_silent_unit_is_offline_and_starves_nobody() -> None:
    units = {n: {"holding": {"0": [n]}} for n in range(1, 50)}
    async with serving(units) as peer:
        good = [device(peer.endpoint, n, point("v", {"register": 0})) for n in units]
        dead = device(peer.endpoint, 99, point("v", {"register": 0}))
        async with running(peer.endpoint, dead, *good, timeout=0.1) as house:
            await until(
                lambda: (
                    DeviceState.OFFLINE in states(house, dead)
                    and all(len(house.sink.values(d.id)) >= 10 for d in good)
                )
            )
    assert not house.losses
    assert not house.sink.values(dead.id)
    (change,) = [s for s in house.sink.of(StatusChange) if s.device == dead.id]
    assert "unit 99 does not answer" in change.cause
    assert all(states(house, d) == [DeviceState.ONLINE] for d in good)


async def test_a_silent_unit_comes_back() -> None:
    """Two units behind one endpoint; a second server takes the port and knows both."""
    layout = {1: {"holding": {"0": [1]}}, 2: {"holding": {"0": [2]}}}
    async with serving({1: layout[1]}) as poor:
        first, second = (device(poor.endpoint, n, point("v", {"register": 0})) for n in layout)
        async with running(poor.endpoint, first, second) as house:
            await house.sink.until(lambda: DeviceState.OFFLINE in states(house, second))
            await poor.stop()
            rich = Peer(layout)
            rich.port = poor.port
            await rich.start()
            try:
                await house.sink.until(lambda: states(house, second)[-1] is DeviceState.ONLINE)
            finally:
                await rich.stop()
    assert house.sink.values(second.id)[-1] == 2.0


async def test_a_dead_line_is_noticed_though_it_stays_open() -> None:
    async with serving({1: {"holding": {"0": [1]}}}) as peer:
        target = device(peer.endpoint, 1, point("v", {"register": 0}))
        async with running(peer.endpoint, target) as house:
            await house.sink.until(lambda: bool(house.sink.values(target.id)))
            peer.signal(signal.SIGSTOP)
            await house.until_lost(5)
            peer.signal(signal.SIGCONT)
            await house.until_connected(2)
            await house.sink.until(lambda: states(house, target)[-1] is DeviceState.ONLINE)
    assert "no unit answers" in str(house.losses[0])
    assert DeviceState.OFFLINE in states(house, target)


async def test_a_killed_server_is_link_lost_and_comes_back() -> None:
    async with serving({1: {"holding": {"0": [1]}}}) as peer:
        target = device(peer.endpoint, 1, point("v", {"register": 0}))
        async with running(peer.endpoint, target) as house:
            await house.sink.until(lambda: bool(house.sink.values(target.id)))
            await peer.stop()
            await house.until_lost(5)
            assert "closed the connection" in str(house.losses[0])
            before = len(house.sink.values(target.id))
            await peer.start()
            await house.sink.until(lambda: len(house.sink.values(target.id)) > before)
    assert house.connections == 2


async def test_nobody_there_is_link_lost_at_once() -> None:
    async with serving({}) as peer:
        await peer.stop()
        with pytest.raises(LinkLost, match=f"no connection to 127.0.0.1:{peer.port}"):
            await make(peer.endpoint).run(Feed(), Sink().emit)


async def test_devices_change_while_it_runs() -> None:
    async with serving({n: {"holding": {"0": [n, n * 10]}} for n in (1, 2)}) as peer:
        first = device(peer.endpoint, 1, point("v", {"register": 0}))
        second = device(peer.endpoint, 2, point("v", {"register": 0}))
        moved = device(peer.endpoint, 1, point("v", {"register": 1}))
        async with running(peer.endpoint) as house:
            await house.until_connected()
            house.feed.set([first])
            await house.sink.until(lambda: house.sink.values(first.id)[-1:] == [1.0])
            house.feed.set([moved, second])
            await house.sink.until(lambda: house.sink.values(second.id)[-1:] == [2.0])
            await house.sink.until(lambda: house.sink.values(first.id)[-1:] == [10.0])
            house.feed.set([second])
            await house.sink.until(lambda: bool(house.sink.values(second.id)))
            count = len(house.sink.values(second.id))
            await house.sink.until(lambda: len(house.sink.values(second.id)) > count + 1)
            gone = len(house.sink.values(first.id))
            await house.sink.until(lambda: len(house.sink.values(second.id)) > count + 6)
            assert len(house.sink.values(first.id)) == gone
    assert (house.connections, house.losses) == (1, [])


async def test_writes_are_read_back() -> None:
    unit = {"holding": {"0": [0, 0, 0b0101, 0, 0]}, "coil": {"0": [False]}, "input": {"0": [1]}}
    async with serving({1: unit}) as peer:
        target = device(
            peer.endpoint,
            1,
            point("set", {"register": 0, "type": "float32", "order": "CDAB"}, writable=True),
            point("flag", {"register": 2, "bit": 1}, type=BOOL, writable=True),
            point("rest", {"register": 2}, type=INT),
            point("small", {"register": 3}, writable=True, scale=0.1),
            point("coil", {"register": 0, "table": "coil"}, type=BOOL, writable=True),
            point("label", {"register": 4, "type": "string", "length": 2}, type=STR, writable=True),
            point("fixed", {"register": 0, "table": "input"}),
            point("lost", {"register": 500}, writable=True),
        )
        async with running(peer.endpoint, target, gap=0) as house:
            adapter = house.adapter
            await all_points(house, target)

            async def write(
                name: str, value: Value, **more: object
            ) -> tuple[OutcomeState, object, str]:
                outcome = await adapter.command(order(target, name, value, **more))  # type: ignore[attr-defined]
                assert outcome.command == "01HZ"
                return outcome.state, outcome.value, outcome.detail

            assert (await write("set", 2.5))[:2] == (OutcomeState.DONE, 2.5)
            assert (await write("flag", True))[:2] == (OutcomeState.DONE, True)
            assert (await write("small", 12.34))[:2] == (OutcomeState.DONE, 12.3)
            assert (await write("coil", True))[:2] == (OutcomeState.DONE, True)
            assert (await write("label", "OK"))[:2] == (OutcomeState.DONE, "OK")
            await house.sink.until(
                lambda: (
                    {"set": 2.5, "rest": 0b0111, "coil": True}.items()
                    <= latest(house, target).items()
                )
            )
            state, _, detail = await write("lost", 1.0)
            assert state is OutcomeState.FAILED
            assert "exception 2, illegal data address" in detail
            refused: list[tuple[str, Value, str]] = [
                ("fixed", 1.0, "not marked writable"),
                ("nothing", 1.0, "no point 'nothing'"),
                ("small", 1e9, "does not fit uint16, which takes 0 to 6553.5"),
                ("small", "high", "no number"),
                ("coil", 3.0, "no bit"),
            ]
            for name, value, words in refused:
                state, _, detail = await write(name, value)
                assert state is OutcomeState.REFUSED
                assert words in detail
            assert (await write("set", 1.0, action="call"))[0] is OutcomeState.REFUSED
            assert (await write("set", 1.0, deadline=NOW - SECOND))[0] is OutcomeState.EXPIRED
            done = await write("set", 3.5, params={"verify": False})
            assert done[0] is OutcomeState.DONE
            assert "not read back" in done[2]


async def test_writing_to_a_silent_unit_says_that_no_answer_came() -> None:
    async with serving({1: {"holding": {"0": [1]}}}) as peer:
        alive = device(peer.endpoint, 1, point("v", {"register": 0}))
        dead = device(peer.endpoint, 2, point("v", {"register": 0}, writable=True))
        async with running(peer.endpoint, alive, dead) as house:
            await house.sink.until(lambda: bool(house.sink.values(alive.id)))
            outcome = await house.adapter.command(order(dead, "v", 1.0))  # type: ignore[attr-defined]
    assert outcome.state is OutcomeState.SENT_NO_ANSWER


async def test_too_many_commands_are_refused_and_none_waits_past_its_deadline() -> None:
    async with serving({1: {"holding": {"0": [1]}}}) as peer:
        target = device(peer.endpoint, 1, point("v", {"register": 0}, writable=True))
        async with running(peer.endpoint, target, timeout=5) as house:
            await house.sink.until(lambda: bool(house.sink.values(target.id)))
            peer.signal(signal.SIGSTOP)
            orders = [order(target, "v", 1.0, deadline=NOW + SECOND // 2) for _ in range(20)]
            async with asyncio.timeout(5):
                outcomes = await asyncio.gather(
                    *(house.adapter.command(o) for o in orders)  # type: ignore[attr-defined]
                )
            peer.signal(signal.SIGCONT)
    found = [outcome.state for outcome in outcomes]
    assert found.count(OutcomeState.REFUSED) == 4
    assert set(found) <= {
        OutcomeState.REFUSED,
        OutcomeState.EXPIRED,
        OutcomeState.SENT_NO_ANSWER,
    }


def test_a_serial_line_needs_pyserial() -> None:
    context = Context(
        node="edge",
        endpoint="modbus+serial:///dev/ttyS0",
        credential=None,
        now=lambda: NOW,
    )
    if find_spec("serial") is None:
        with pytest.raises(Faulty, match="pyserial"):
            modbus.open(context)
    else:
        modbus.open(context)
