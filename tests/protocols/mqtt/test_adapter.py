"""The adapter against a real broker: what is acknowledged, what comes again, what is asked for."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from protocols.adapter import Adapter, Context
from protocols.mqtt import open as open_adapter
from protocols.mqtt.client import MqttClient
from registry.model import (
    Delivery,
    Device,
    DeviceState,
    Event,
    Faulty,
    Misfit,
    MisfitReason,
    Receipt,
    SessionStarted,
    StatusChange,
)
from tests.contract.suite import Feed, House, housed
from tests.protocols.mqtt.devices import sensor
from tests.protocols.mqtt.mosquitto import Mosquitto

TOPIC = "city/d0/telemetry"


def make(url: str, connected: Callable[[], None] = lambda: None, **settings: Any) -> Adapter:
    return open_adapter(
        Context(
            node="city",
            endpoint=url,
            credential=None,
            now=time.time_ns,
            settings={"keepalive": 2.0, **settings},
            connected=connected,
        )
    )


def run(
    broker: Mosquitto, devices: Sequence[Device], **settings: Any
) -> AbstractAsyncContextManager[House]:
    return housed(lambda connected: make(broker.url, connected, **settings), devices)


@asynccontextmanager
async def client(broker: Mosquitto, name: str = "device") -> AsyncIterator[MqttClient]:
    made = MqttClient(url=broker.url, client_id=name, credential=None, clean_session=True)
    await made.connect()
    try:
        yield made
    finally:
        await made.close()


def receipts(house: House) -> list[Receipt]:
    return [d.receipt for d in house.sink.of(Delivery)]


async def test_a_new_session_is_announced_first_and_a_kept_one_is_not(broker: Mosquitto) -> None:
    async with run(broker, [sensor(0)]) as house:
        await house.until_connected()
        (started,) = house.sink.events
        assert isinstance(started, SessionStarted)
        assert started.source.startswith("ganzhi-city-")
    async with run(broker, [sensor(0)]) as house:
        await house.until_connected()
        assert not house.sink.events


async def test_what_is_not_committed_comes_again_with_the_same_receipt(broker: Mosquitto) -> None:
    """The node dies between commit and acknowledgement: the receipt tells the repeat."""
    started = asyncio.Event()
    taken: list[Event] = []

    async def dies(events: Sequence[Event]) -> None:
        taken.extend(events)
        if any(isinstance(e, Delivery) for e in events):
            started.set()
            await asyncio.Event().wait()

    up = asyncio.Event()
    adapter = make(broker.url, up.set)
    task = asyncio.create_task(adapter.run(Feed([sensor(0)]), dies))
    await up.wait()
    async with client(broker) as device:
        await device.publish(TOPIC, b'{"value": 1}')
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (first,) = [e.receipt for e in taken if isinstance(e, Delivery)]
    async with run(broker, [sensor(0)]) as house:
        await house.sink.until(lambda: bool(receipts(house)))
        (again,) = receipts(house)
    assert not first.dup
    assert again.dup
    assert (again.source, again.mid, again.digest) == (first.source, first.mid, first.digest)


async def test_what_is_committed_does_not_come_again(broker: Mosquitto) -> None:
    async with run(broker, [sensor(0)]) as house, client(broker) as device:
        await house.until_connected()
        await device.publish(TOPIC, b'{"value": 1}')
        await house.sink.until(lambda: house.sink.values("city~d0") == [1.0])
        await device.publish(TOPIC, b'{"value": 2}')
        await house.sink.until(lambda: house.sink.values("city~d0") == [1.0, 2.0])
    async with run(broker, [sensor(0)]) as house, client(broker) as device:
        await house.until_connected()
        await device.publish(TOPIC, b'{"value": 3}')
        await house.sink.until(lambda: 3.0 in house.sink.values("city~d0"))
        assert [r.dup for r in receipts(house)] == [False]


async def test_what_is_sent_while_the_node_is_away_waits(broker: Mosquitto) -> None:
    async with run(broker, [sensor(0)]) as house:
        await house.until_connected()
    async with client(broker) as device:
        for n in range(50):
            await device.publish(TOPIC, b'{"value": %d}' % n)
    async with run(broker, [sensor(0)]) as house:
        await house.sink.until(lambda: len(house.sink.values("city~d0")) == 50)
        assert house.sink.values("city~d0") == list(range(50))


async def test_a_failed_commit_ends_the_run_and_nothing_is_acknowledged(broker: Mosquitto) -> None:
    class DiskFullError(Exception):
        pass

    async def fails(events: Sequence[Event]) -> None:
        if any(isinstance(e, Delivery) for e in events):
            raise DiskFullError

    up = asyncio.Event()
    task = asyncio.create_task(make(broker.url, up.set).run(Feed([sensor(0)]), fails))
    await up.wait()
    async with client(broker) as device:
        await device.publish(TOPIC, b'{"value": 1}')
    with pytest.raises(DiskFullError):
        await task
    async with run(broker, [sensor(0)]) as house:
        await house.sink.until(lambda: house.sink.values("city~d0") == [1.0])


async def test_a_held_house_lets_the_broker_keep_the_rest(broker: Mosquitto) -> None:
    """The broker's own window (20) bounds what is out; nothing is acknowledged meanwhile."""
    async with run(broker, [sensor(0)]) as house, client(broker) as device:
        await house.until_connected()
        house.sink.hold()
        async with asyncio.TaskGroup() as group:
            for n in range(300):
                group.create_task(device.publish(TOPIC, b'{"value": %d}' % n))
        assert house.sink.most_in_flight <= 4
        assert not house.sink.values("city~d0")
        house.sink.release()
        await house.sink.until(lambda: len(house.sink.values("city~d0")) == 300)
        assert house.sink.values("city~d0") == list(range(300))
    assert not house.losses


async def test_only_the_difference_is_subscribed(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, list[Any]]] = []
    subscribe, unsubscribe = MqttClient.subscribe, MqttClient.unsubscribe

    async def spy(self: MqttClient, filters: Sequence[tuple[str, int]]) -> None:
        asked.append(("+", list(filters)))
        await subscribe(self, filters)

    async def spy_un(self: MqttClient, filters: Sequence[str]) -> None:
        asked.append(("-", list(filters)))
        await unsubscribe(self, filters)

    monkeypatch.setattr(MqttClient, "subscribe", spy)
    monkeypatch.setattr(MqttClient, "unsubscribe", spy_un)
    town = sensor(1, topic="town/{local}")
    async with run(broker, [sensor(0)]) as house, client(broker) as device:
        await house.until_connected()
        house.feed.set([sensor(0), sensor(2), town])
        await _publish_until_taken(device, house, "town/d1", town.id)
        house.feed.set([town])
        house.feed.set([town, sensor(3, topic="mark/{local}")])
        await _publish_until_taken(device, house, "mark/d3", "city~d3")
    assert asked == [
        ("+", [("city/+/telemetry", 1)]),
        ("+", [("town/+", 1)]),
        ("-", ["city/+/telemetry"]),
        ("+", [("mark/+", 1)]),
    ]


async def _publish_until_taken(device: MqttClient, house: House, topic: str, name: str) -> None:
    """Publish until a subscription that is just being made has caught it."""
    while not house.sink.values(name):
        await device.publish(topic, b'{"value": 1}')
        await asyncio.sleep(0.01)


async def test_status_topics_and_last_wills(broker: Mosquitto) -> None:
    device = sensor(0, status_topic="city/{local}/status")
    async with run(broker, [device]) as house, client(broker) as peer:
        await house.until_connected()
        await peer.publish("city/d0/status", b"online")
        await peer.publish("city/d0/status", b"offline")
        await house.sink.until(lambda: len(house.sink.of(StatusChange)) == 2)
    states = [s.state for s in house.sink.of(StatusChange)]
    assert states == [DeviceState.ONLINE, DeviceState.OFFLINE]


async def test_a_payload_over_the_limit_is_shown_and_acknowledged(broker: Mosquitto) -> None:
    async with run(broker, [sensor(0)], payload_limit=2000) as house, client(broker) as device:
        await house.until_connected()
        await device.publish(TOPIC, b'{"value": "' + bytes(500_000) + b'"}')
        await device.publish(TOPIC, b'{"value": 2}')
        await house.sink.until(lambda: house.sink.values("city~d0") == [2.0])
        (misfit,) = house.sink.of(Misfit)
        assert misfit.reason is MisfitReason.TOO_LARGE
    async with run(broker, [sensor(0)]) as house, client(broker) as device:
        await house.until_connected()
        await device.publish(TOPIC, b'{"value": 3}')
        await house.sink.until(lambda: house.sink.values("city~d0") == [3.0])
        assert not house.sink.of(Misfit)


async def test_a_device_with_a_wrong_address_is_shown(broker: Mosquitto) -> None:
    async with run(broker, [sensor(0, topic="city/#"), sensor(1)]) as house:
        await house.until_connected()
        (misfit,) = house.sink.of(Misfit)
    assert misfit.device == "city~d0"
    assert misfit.reason is MisfitReason.BAD_ADDRESS


async def test_a_refused_subscription_puts_its_devices_offline_only() -> None:
    """A broker that lets us have one filter and not the other."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.read(1):
                body = await reader.readexactly((await reader.readexactly(1))[0])
                if head[0] >> 4 == 1:
                    writer.write(b"\x20\x02\x00\x00")
                elif head[0] >> 4 == 8:
                    codes = bytes([1, 0x80])  # city/+/telemetry, secret/+
                    writer.write(b"\x90\x04" + body[:2] + codes)
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    devices = [sensor(0), sensor(1, topic="secret/{local}")]
    async with housed(lambda connected: make(url, connected), devices) as house:
        await house.until_connected()
        (change,) = house.sink.of(StatusChange)
    server.close()
    assert change.device == "city~d1"
    assert change.state is DeviceState.OFFLINE
    assert "secret/+" in change.cause


@pytest.mark.parametrize(
    ("endpoint", "settings"),
    [
        ("http://h", {}),
        ("mqtt://u:secret@h", {}),
        ("mqtt://h", {"keepalive": -1}),
        ("mqtt://h", {"x": 1}),
    ],
)
def test_wrong_settings_are_refused(endpoint: str, settings: dict[str, Any]) -> None:
    with pytest.raises(Faulty) as caught:
        make(endpoint, **settings)
    assert caught.value.faults
    assert "secret" not in str(caught.value)
