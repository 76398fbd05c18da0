"""The OPC UA devices, played by another process, browsed, watched, written and called."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from tests.simulators.conftest import begin, end, free_ports, listening, small, until, wait_for

DIES = "[{at: 1, every: 3, duration: 1.5, device: ua-03-02, effect: dies}]"


class Watcher:
    """Status and value of every change of one node."""

    def __init__(self) -> None:
        self.seen: list[tuple[bool, object]] = []

    def datachange_notification(self, node: object, value: object, data: object) -> None:
        status = data.monitored_item.Value.StatusCode  # type: ignore[attr-defined]
        self.seen.append((status.is_good(), value))


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    ports = free_ports()
    text = small(ports, DIES).replace('areas: ["990300"]', 'areas: ["990300"], count: 2')
    process = begin(tmp_path_factory.mktemp("opcua"), text, "--only", "opcua")
    wait_for(lambda: listening(ports.opcua))
    yield ports.opcua
    assert end(process) == 0


@pytest.fixture
async def client(port: int) -> AsyncIterator[Client]:
    async with Client(f"opc.tcp://127.0.0.1:{port}/ganzhi", timeout=5) as peer:
        yield peer


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
    with pytest.raises(UaStatusCodeError):
        await speed.write_value(ua.Variant(300, ua.VariantType.Int64))
    assert await speed.read_value() == 30
    with pytest.raises(UaStatusCodeError):
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
            except UaStatusCodeError as error:
                refusals.append(error.code)
    assert refusals == [StatusCodes.BadNoCommunication]
    await until(lambda: (False, None) in watcher.seen and watcher.seen[-1] == (True, 480.0))
    await subscription.delete()
