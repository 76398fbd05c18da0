"""The OPC UA devices, played by another process, browsed, watched, written and called."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Callable

import pytest
from asyncua import Client, ua

from tests.simulators.conftest import Ports, listening, small, until

Play = Callable[..., "subprocess.Popen[bytes]"]
DIES = "[{at: 1, every: 3, duration: 1.5, device: ua-03-02, effect: dies}]"


class Watcher:
    """Status and value of every change of one node."""

    def __init__(self) -> None:
        self.seen: list[tuple[bool, object]] = []

    def datachange_notification(self, node: object, value: object, data: object) -> None:
        status = data.monitored_item.Value.StatusCode  # type: ignore[attr-defined]
        self.seen.append((status.is_good(), value))


@pytest.fixture
async def client(play: Play, ports: Ports) -> AsyncIterator[Client]:
    text = small(ports, DIES).replace('areas: ["990300"]', 'areas: ["990300"], count: 2')
    process = play(text, "--only", "opcua")
    await until(lambda: listening(ports.opcua))
    peer = Client(f"opc.tcp://127.0.0.1:{ports.opcua}/ganzhi", timeout=5)
    async with peer:
        yield peer
    process.send_signal(signal.SIGINT)
    await until(lambda: process.poll() is not None)
    assert process.returncode == 0


async def test_browse_write_call_die_and_return(client: Client) -> None:
    index = await client.get_namespace_index("urn:ganzhi:simulators")
    thing = client.get_node(f"ns={index};s=ua-03-01")
    names = {(await child.read_browse_name()).Name for child in await thing.get_children()}
    assert names == {"flow", "energy", "speed", "manual", "running", "Reset"}

    flow = client.get_node(f"ns={index};s=ua-03-01.flow")
    speed = client.get_node(f"ns={index};s=ua-03-01.speed")
    watcher = Watcher()
    subscription = await client.create_subscription(50, watcher)
    await subscription.subscribe_data_change(flow)

    await speed.write_value(ua.Variant(30, ua.VariantType.Int64))
    assert await speed.read_value() == 30
    await until(lambda: (True, 240.0) in watcher.seen)
    with pytest.raises(ua.UaStatusCodeError):
        await speed.write_value(ua.Variant(300, ua.VariantType.Int64))
    assert await speed.read_value() == 30
    with pytest.raises(ua.UaStatusCodeError):
        await flow.write_value(1.0)

    assert await thing.call_method(f"{index}:Reset") is True
    assert await speed.read_value() == 60

    await subscription.delete()


async def test_dies_and_returns(client: Client) -> None:
    index = await client.get_namespace_index("urn:ganzhi:simulators")
    watcher = Watcher()
    subscription = await client.create_subscription(50, watcher)
    await subscription.subscribe_data_change(client.get_node(f"ns={index};s=ua-03-02.flow"))
    speed = client.get_node(f"ns={index};s=ua-03-02.speed")
    refusals: list[int] = []
    async with asyncio.timeout(15):
        while not refusals:
            try:
                await speed.write_value(ua.Variant(60, ua.VariantType.Int64))
            except ua.UaStatusCodeError as error:
                refusals.append(error.code)
    assert refusals == [ua.StatusCodes.BadNoCommunication]
    await until(lambda: (False, None) in watcher.seen and watcher.seen[-1] == (True, 480.0))
    await subscription.delete()
