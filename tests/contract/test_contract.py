"""One contract for all adapters: what a supervisor may rely on, whatever the protocol."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from protocols.adapter import Commandable, LinkLost
from registry.model import OutcomeState
from tests.contract.cancelling import cancel_everywhere
from tests.contract.suite import Feed, Harness, Sink, running

pytestmark = pytest.mark.timeout(40)
KINDS = sorted(p.stem.removesuffix("_harness") for p in Path(__file__).parent.glob("*_harness.py"))


@pytest_asyncio.fixture(params=KINDS)
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    """The peer of one protocol, started."""
    module = importlib.import_module(f"tests.contract.{request.param}_harness")
    made: Harness = module.make(tmp_path)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


async def test_values_arrive(harness: Harness) -> None:
    async with running(harness, [0, 1]) as house:
        await house.until_connected()
        await harness.produce(0, 1.5)
        await harness.produce(1, 2.5)
        await house.sink.until(
            lambda: (
                1.5 in house.sink.values(harness.device(0).id)
                and 2.5 in house.sink.values(harness.device(1).id)
            )
        )
    assert not house.losses


async def test_a_peer_that_is_dead_at_the_start_is_link_lost(harness: Harness) -> None:
    harness.kill()
    adapter = harness.adapter(lambda: pytest.fail("there is no link"))
    with pytest.raises(LinkLost) as caught:
        async with asyncio.timeout(harness.grace):
            await adapter.run(Feed([harness.device(0)]), Sink().emit)
    assert str(caught.value), "an operator must be told"


async def test_a_peer_that_dies_is_noticed_and_works_again_after(harness: Harness) -> None:
    async with running(harness, [0]) as house:
        await house.until_connected()
        harness.kill()
        await house.until_lost(harness.grace)
        before = house.connections
        await harness.restart()
        await house.until_connected(before + 1)
        await harness.produce(0, 7.25)
        await house.sink.until(lambda: 7.25 in house.sink.values(harness.device(0).id))


async def test_a_peer_that_falls_silent_is_noticed_and_works_again_after(harness: Harness) -> None:
    device = harness.device(0).id
    async with running(harness, [0]) as house:
        await house.until_connected()
        await harness.produce(0, 1.0)
        await house.sink.until(lambda: 1.0 in house.sink.values(device))
        harness.freeze()
        async with asyncio.timeout(harness.grace):
            while not (house.losses or house.sink.offline(device)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        harness.thaw()
        await house.until_connected(len(house.losses) + 1)
        await harness.produce(0, 2.0)
        await house.sink.until(lambda: 2.0 in house.sink.values(device))


async def test_a_slow_house_bounds_the_adapter_and_loses_nothing(harness: Harness) -> None:
    device = harness.device(0).id
    async with running(harness, [0]) as house:
        await house.until_connected()
        await harness.produce(0, 1.0)
        await house.sink.until(lambda: 1.0 in house.sink.values(device))
        house.sink.hold()
        produced = [100.0 + n for n in range(60)]
        for value in produced:
            await harness.produce(0, value)
        house.sink.release()
        await house.sink.until(lambda: produced[-1] in house.sink.values(device))
        values = house.sink.values(device)
    assert house.sink.most_in_flight <= 16
    assert not house.losses
    if harness.every_value:
        assert [v for v in values if v in produced] == produced


async def test_garbage_is_shown_and_hurts_no_neighbour(harness: Harness) -> None:
    bad, good = harness.device(0).id, harness.device(1).id
    async with running(harness, [0, 1]) as house:
        await house.until_connected()
        await harness.produce(0, 1.0)
        await harness.produce(1, 1.0)
        await house.sink.until(
            lambda: bool(house.sink.values(bad)) and bool(house.sink.values(good))
        )
        await harness.garbage(0)
        await house.sink.until(lambda: house.sink.complained(bad))
        await harness.produce(1, 5.5)
        await house.sink.until(lambda: 5.5 in house.sink.values(good))
    assert not house.losses
    assert not house.sink.complained(good)


async def test_devices_come_and_go_without_a_new_connection(harness: Harness) -> None:
    first, second = harness.device(0), harness.device(1)
    async with running(harness, [0]) as house:
        await house.until_connected()
        await harness.produce(0, 1.0)
        await house.sink.until(lambda: 1.0 in house.sink.values(first.id))
        house.feed.set([first, second])
        await harness.produce(1, 2.0)
        value = 2.0
        while value not in house.sink.values(second.id):  # an event source may not listen yet
            value += 1.0
            await harness.produce(1, value)
            await asyncio.sleep(0.02)
        house.feed.set([second])
        await harness.produce(1, 90.0)
        await house.sink.until(lambda: 90.0 in house.sink.values(second.id))
        taken = len(house.sink.values(first.id))
        await harness.produce(0, 91.0)
        await harness.produce(1, 92.0)
        await house.sink.until(lambda: 92.0 in house.sink.values(second.id))
        gone = house.sink.values(first.id)[taken:]
    assert 91.0 not in gone
    assert house.connections == 1
    assert not house.losses


async def test_a_command_without_a_link_is_answered_at_once(harness: Harness) -> None:
    adapter = harness.adapter(lambda: None)
    if not isinstance(adapter, Commandable):
        pytest.skip("takes no commands")
    order = harness.order(0)
    async with asyncio.timeout(1):
        outcome = await adapter.command(order)
    assert outcome.state is OutcomeState.NOT_CONNECTED
    assert outcome.command == order.id
    assert outcome.detail, "an operator must be told"


async def test_forty_nine_deliver_beside_a_dead_one(harness: Harness) -> None:
    numbers = range(49)
    ids = [harness.device(n).id for n in numbers]
    async with running(harness, []) as house:
        house.feed.set([harness.dead_device(), *(harness.device(n) for n in numbers)])
        await house.until_connected()
        for round_ in (1.0, 2.0):
            value = round_
            while any(value not in house.sink.values(i) for i in ids):
                for number in numbers:
                    await harness.produce(number, value)
                await asyncio.sleep(0.1)
    assert not house.losses


async def test_cancelled_at_any_moment_it_leaves_nothing(harness: Harness) -> None:
    sinks: list[Sink] = []

    async def life() -> None:
        sink = Sink()
        sinks.append(sink)
        adapter = harness.adapter(lambda: None)
        await asyncio.gather(
            adapter.run(Feed([harness.device(0)]), sink.emit), harness.produce(0, 3.0)
        )

    rounds = await cancel_everywhere(
        life, done=lambda: bool(sinks[-1].values(harness.device(0).id))
    )
    assert rounds > 3


async def test_cancelled_while_the_house_is_stuck_it_leaves_nothing(harness: Harness) -> None:
    device = harness.device(0)
    async with running(harness, [0]) as house:
        await house.until_connected()
        await harness.produce(0, 1.0)
        await house.sink.until(lambda: 1.0 in house.sink.values(device.id))
    await harness.produce(0, 2.0)
    sinks: list[Sink] = []

    async def life() -> None:
        sink = Sink()
        sink.hold()
        sinks.append(sink)
        await harness.adapter(lambda: None).run(Feed([device]), sink.emit)

    await cancel_everywhere(life, done=lambda: sinks[-1].in_flight > 0)
    assert all(sink.in_flight == 0 for sink in sinks)
