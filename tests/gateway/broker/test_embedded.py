"""The embedded broker with real clients: logins, access, sessions, wills, limits."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from gateway.broker.access import table
from gateway.broker.codec import packet
from gateway.broker.embedded import EmbeddedBroker
from gateway.broker.settings import BrokerSettings
from gateway.metrics import Metrics
from registry.model import Faulty
from tests.gateway.broker.conftest import RIGHTS, USERS, Client, Connect


async def test_nobody_is_anonymous(client: Connect, metrics: Metrics) -> None:
    for options in ({"user": None}, {"password": "wrong"}, {"user": "nobody", "password": ""}):
        _, code = await client(**options).connect()
        assert code in (134, 4), options
    assert metrics.value("broker_refused_total", reason="login") == 3
    assert await client().connect() == (False, 0)


async def test_messages_flow_in_order(client: Connect) -> None:
    city, device = client("city"), client()
    await city.connect()
    await device.connect()
    assert await city.subscribe("plant/+/telemetry") == 1
    for number in range(200):
        device.paho.publish("plant/a/telemetry", str(number), 1)
    got = [int((await city.message()).payload) for _ in range(200)]
    assert got == list(range(200))


async def test_the_access_list_holds(client: Connect) -> None:
    city, edge, other = client("city"), client("edge-1"), client("edge-2")
    for one in (city, edge, other):
        await one.connect()
    assert await edge.subscribe("#") == 128
    assert await edge.subscribe("ganzhi/1/city/edge-2/down") == 128
    assert await edge.subscribe("ganzhi/1/city/edge-1/down") == 1
    assert await other.subscribe("ganzhi/1/city/edge-2/down") == 1
    assert await city.subscribe("ganzhi/1/city/+/up/#") == 1
    await edge.publish("ganzhi/1/city/edge-2/up/alarm", b"forged")
    await edge.publish("ganzhi/1/city/edge-1/up/alarm", b"own")
    message = await city.message()
    assert (message.topic, message.payload) == ("ganzhi/1/city/edge-1/up/alarm", b"own")
    await city.publish("ganzhi/1/city/edge-2/down", b"for two")
    assert (await other.message()).payload == b"for two"
    assert edge.nothing()


async def test_a_kept_session_gets_what_it_missed(client: Connect, metrics: Metrics) -> None:
    city, reader = client("city"), client("devices", "reader", clean=False)
    await city.connect()
    assert await reader.connect() == (False, 0)
    await reader.subscribe("a/b")
    await reader.close()
    await eventually(lambda: metrics.value("broker_clients") == 1)
    await city.publish("a/b", b"1")
    await city.publish("a/b", b"2")
    back = client("devices", "reader", clean=False)
    assert await back.connect() == (True, 0)
    got = [await back.message(), await back.message()]
    assert [m.payload for m in got] == [b"1", b"2"]
    assert not any(m.retain for m in got)
    await city.publish("a/b", b"3")
    assert (await back.message()).payload == b"3"


async def test_what_was_not_acknowledged_comes_again(client: Connect) -> None:
    city, reader = client("city"), client("devices", "reader", clean=False, acks=False)
    await city.connect()
    await reader.connect()
    await reader.subscribe("a/b")
    await city.publish("a/b", b"precious")
    assert (await reader.message()).payload == b"precious"
    await reader.vanish()
    back = client("devices", "reader", clean=False)
    assert await back.connect() == (True, 0)
    assert (await back.message()).payload == b"precious"


async def test_retained_messages_reach_those_who_subscribe_and_nobody_else(
    client: Connect,
) -> None:
    city, first = client("city"), client()
    await city.connect()
    await first.connect()
    await city.publish("state/a", b"on", retain=True)
    await city.publish("ganzhi/1/city/edge-1/down", b"secret", retain=True)
    await first.subscribe("state/#")
    message = await first.message()
    assert (message.payload, message.retain) == (b"on", True)
    bystander = client()
    await bystander.connect()
    await bystander.subscribe("elsewhere")
    await city.publish("elsewhere", b"mark")
    assert (await bystander.message()).payload == b"mark"
    await city.publish("state/a", b"", retain=True)
    late = client()
    await late.connect()
    await late.subscribe("state/#")
    await city.publish("state/b", b"mark")
    assert (await late.message()).payload == b"mark"


async def test_a_will_is_published_when_a_client_vanishes(client: Connect) -> None:
    city = client("city")
    await city.connect()
    await city.subscribe("status/#")
    device = client(name="dev", will=("status/dev", "offline", 1, True))
    await device.connect()
    await device.vanish()
    assert (await city.message()).payload == b"offline"
    late = client("city")
    await late.connect()
    await late.subscribe("status/#")
    assert (await late.message()).retain


async def test_a_silent_client_is_given_up_and_its_will_published(
    client: Connect, broker_port: int
) -> None:
    city = client("city")
    await city.connect()
    await city.subscribe("status/#")
    _, writer = await asyncio.open_connection("127.0.0.1", broker_port)
    body = (
        b"\x00\x04MQTT\x04\xc6\x00\x01\x00\x01m\x00\x08status/m\x00\x04gone"
        b"\x00\x07devices\x00\x03d3v"
    )
    writer.write(packet(1, body))
    assert (await city.message()).payload == b"gone"
    writer.close()


async def test_a_will_needs_the_right_to_publish(client: Connect, metrics: Metrics) -> None:
    forger = client(will=("ganzhi/1/city/edge-1/up/alarm", "forged", 1, False))
    _, code = await forger.connect()
    assert code != 0
    assert metrics.value("broker_refused_total", reason="will") == 1


async def test_nobody_takes_the_session_of_another_user(client: Connect) -> None:
    edge = client("edge-1", "edge-1", clean=False)
    await edge.connect()
    await edge.subscribe("ganzhi/1/city/edge-1/down")
    for options in ({"user": "edge-2"}, {"user": "edge-1", "password": "wrong"}):
        for clean in (True, False):
            _, code = await client(name="edge-1", clean=clean, **options).connect()
            assert code != 0
    city = client("city")
    await city.connect()
    await city.publish("ganzhi/1/city/edge-1/down", b"still here")
    assert (await edge.message()).payload == b"still here"


async def test_the_newer_connection_of_a_client_wins(client: Connect) -> None:
    for clean in (False, True):
        name = f"twin-{clean}"
        old, new, city = client(name=name, clean=clean), client(name=name, clean=clean), client()
        await old.connect()
        old.paho._reconnect_on_failure = False
        await old.subscribe("a/b")
        assert await new.connect() == (not clean, 0)
        assert await old.gone() != 0
        await new.subscribe("a/b")
        await city.connect()
        await city.publish("a/b", b"x")
        assert (await new.message()).payload == b"x"


async def test_a_session_that_is_not_kept_leaves_nothing(client: Connect) -> None:
    first = client(name="once")
    await first.connect()
    await first.subscribe("a/b")
    await first.close()
    assert await client(name="once", clean=False).connect() == (False, 0)


async def test_too_large_a_packet_ends_the_connection(client: Connect) -> None:
    device = client()
    await device.connect()
    device.paho._reconnect_on_failure = False
    device.paho.publish("a/b", bytes(70_000), 1)
    assert await device.gone() != 0


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\xff\xff", b""])
async def test_what_is_no_client_is_cut_off(broker_port: int, noise: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", broker_port)
    writer.write(noise)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_other_versions_are_told(broker_port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", broker_port)
    writer.write(packet(1, b"\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a"))
    assert await reader.readexactly(4) == b"\x20\x02\x00\x01"
    writer.close()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is watched announces nothing
            await asyncio.sleep(0.01)


async def test_the_queue_of_an_absent_client_is_bounded(client: Connect, metrics: Metrics) -> None:
    city, reader = client("city"), client("devices", "reader", clean=False)
    await city.connect()
    await reader.connect()
    await reader.subscribe("a/b")
    await reader.close()
    await eventually(lambda: metrics.value("broker_clients") == 1)
    for number in range(310):
        city.paho.publish("a/b", str(number), 1)
    await city.publish("a/b", b"310")
    await eventually(lambda: metrics.value("broker_dropped_total", reason="queue_full") == 11)
    back = client("devices", "reader", clean=False)
    await back.connect()
    assert [int((await back.message()).payload) for _ in range(300)] == list(range(11, 311))


async def test_a_slow_client_gets_everything_once_it_answers() -> None:
    settings = BrokerSettings(port=0, max_queued=20)
    broker = EmbeddedBroker(settings, USERS, table(RIGHTS), Metrics())
    port = await broker.start()
    city, reader = Client(port, "city"), Client(port, name="reader", clean=False, acks=False)
    await city.connect()
    await reader.connect()
    await reader.subscribe("a/b")
    for number in range(39):
        city.paho.publish("a/b", str(number), 1)
    await city.publish("a/b", b"39")
    got = []
    for _ in range(40):
        message = await reader.message()
        got.append(int(message.payload))
        reader.acknowledge(message)
    assert got == list(range(40))
    await reader.close()
    await city.close()
    await broker.stop()


async def test_mosquitto_speaks_with_it(client: Connect, broker_port: int) -> None:
    city = client("city")
    await city.connect()
    await city.subscribe("plant/#")
    process = await asyncio.create_subprocess_exec(
        *("mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker_port), "-V", "mqttv311"),
        *("-u", "devices", "-P", "d3v", "-t", "plant/x", "-m", "21.5", "-q", "2"),
    )
    assert await process.wait() == 0
    assert (await city.message()).payload == b"21.5"


async def test_a_taken_port_names_the_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = BrokerSettings(port=taken.getsockname()[1])
        broker = EmbeddedBroker(settings, {}, table({}), Metrics())
        with pytest.raises(Faulty) as caught:
            await broker.start()
    assert caught.value.faults[0].where == "broker.port"


async def test_stopping_with_clients_frees_the_port() -> None:
    metrics = Metrics()
    broker = EmbeddedBroker(BrokerSettings(port=0), {}, table({}), metrics)
    port = await broker.start()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await broker.stop()
    writer.close()
    again = EmbeddedBroker(BrokerSettings(port=port), {}, table({}), metrics)
    assert await again.start() == port
    await again.stop()
