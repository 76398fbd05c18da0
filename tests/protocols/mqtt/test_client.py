"""The MQTT client against a real broker."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from protocols.adapter import Credential, LinkLost, Refused
from protocols.mqtt.client import Message, MqttClient, SubscriptionRefused, Will
from tests.contract.cancelling import cancel_everywhere
from tests.protocols.mqtt.mosquitto import Mosquitto, free_port


def make(broker: Mosquitto, client_id: str = "reader", **more: Any) -> MqttClient:
    settings: dict[str, Any] = {"credential": None, "clean_session": True, "keepalive": 2.0}
    settings.update(more)
    return MqttClient(url=broker.url, client_id=client_id, **settings)


@asynccontextmanager
async def linked(
    broker: Mosquitto, client_id: str = "reader", **more: Any
) -> AsyncIterator[MqttClient]:
    client = make(broker, client_id, **more)
    await client.connect()
    try:
        yield client
    finally:
        await client.close()


async def collect(client: MqttClient, count: int, *, ack: bool = True) -> list[Message]:
    got: list[Message] = []
    async with asyncio.timeout(10):
        while len(got) < count:
            batch = await client.messages()
            if ack:
                client.ack(batch)
            got += batch
    return got


async def test_round_trip_of_both_qualities_of_service(broker: Mosquitto) -> None:
    async with linked(broker) as reader, linked(broker, "writer") as writer:
        await reader.subscribe([("a/+", 1)])
        await writer.publish("a/1", b"one", qos=1)
        await writer.publish("a/2", b"two", qos=0)
        first, second = await collect(reader, 2)
    assert first[:3] == ("a/1", b"one", 1)
    assert first.mid > 0
    assert second == ("a/2", b"two", 0, 0, False, False, 0)


async def test_many_messages_come_in_order_and_in_batches(broker: Mosquitto) -> None:
    async with linked(broker) as reader, linked(broker, "writer") as writer:
        await reader.subscribe([("a", 1)])
        sending = [asyncio.ensure_future(writer.publish("a", b"%d" % i)) for i in range(2000)]
        got = await collect(reader, 2000)
        await asyncio.gather(*sending)
    assert [int(m.payload) for m in got] == list(range(2000))


async def test_unacknowledged_messages_come_again_marked_dup(broker: Mosquitto) -> None:
    async with linked(broker, clean_session=False) as reader:
        await reader.subscribe([("a", 1)])
        async with linked(broker, "writer") as writer:
            await writer.publish("a", b"1")
            await writer.publish("a", b"2")
        before = await collect(reader, 2, ack=False)
        reader.ack(before[:1])
    again = make(broker, clean_session=False)
    assert await again.connect() is True
    (repeat,) = await collect(again, 1)
    assert repeat.payload == b"2"
    assert repeat.dup
    assert repeat.mid == before[1].mid
    await again.close()


async def test_session_present_is_false_for_a_new_client(broker: Mosquitto) -> None:
    client = make(broker, clean_session=False)
    assert await client.connect() is False
    await client.close()


async def test_nobody_listens() -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    client = MqttClient(url=url, client_id="x", credential=None, clean_session=True)
    with pytest.raises(LinkLost, match=r"no broker can be reached at 127\.0\.0\.1"):
        await client.connect()


async def test_a_peer_that_never_answers_is_given_up(broker: Mosquitto) -> None:
    broker.freeze()
    client = make(broker)
    with pytest.raises(LinkLost, match="did not answer within"):
        await client.connect(timeout=0.2)
    broker.thaw()


async def test_a_peer_that_speaks_something_else_is_named() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x00 400 Bad Request\r\n\r\n")
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = MqttClient(
        url=f"mqtt://127.0.0.1:{port}", client_id="x", credential=None, clean_session=True
    )
    with pytest.raises(LinkLost, match="is no broker"):
        await client.connect(timeout=5)
    server.close()


async def test_a_killed_broker_is_noticed(broker: Mosquitto) -> None:
    async with linked(broker) as client:
        broker.kill()
        with pytest.raises(LinkLost):
            await client.messages()
        with pytest.raises(LinkLost):
            await client.publish("a", b"x")
        assert not client.connected


async def test_a_frozen_broker_is_noticed_by_its_silence(broker: Mosquitto) -> None:
    async with linked(broker, keepalive=0.4) as client:
        broker.freeze()
        async with asyncio.timeout(5):
            with pytest.raises(LinkLost, match="silent"):
                await client.messages()
        broker.thaw()


async def test_an_idle_link_is_kept_alive(broker: Mosquitto) -> None:
    async with linked(broker, keepalive=0.2) as client:
        waiting = asyncio.ensure_future(client.messages())
        done, _ = await asyncio.wait([waiting], timeout=1.0)
        assert not done
        waiting.cancel()


async def test_another_client_with_our_id_is_named(broker: Mosquitto) -> None:
    async with linked(broker, "same") as first, linked(broker, "same"):
        with pytest.raises(LinkLost, match="another client uses the client id same"):
            await first.messages()


async def test_publications_under_way_fail_with_the_link(broker: Mosquitto) -> None:
    async with linked(broker) as client:
        broker.freeze()
        under_way = asyncio.ensure_future(client.publish("a", b"x"))
        await asyncio.sleep(0)
        broker.kill()
        with pytest.raises(LinkLost):
            await under_way


async def test_will_is_published_only_without_leave(broker: Mosquitto) -> None:
    async with linked(broker) as reader:
        await reader.subscribe([("gone/+", 1)])
        async with linked(broker, "polite", will=Will("gone/polite", b"x")):
            pass
        async with linked(broker, "rude", will=Will("gone/rude", b"x")), linked(broker, "rude"):
            assert (await collect(reader, 1))[0].topic == "gone/rude"


async def test_reading_stops_while_the_consumer_is_behind(broker: Mosquitto) -> None:
    """Bulk arrives and one reader does not take it: it holds little, and gets all later."""
    limit, count = 64 * 1024, 400
    async with (
        linked(broker, receive_limit=limit) as reader,
        linked(broker, "witness") as witness,
        linked(broker, "writer") as writer,
    ):
        await reader.subscribe([("a", 0)])
        await witness.subscribe([("a", 0)])
        for i in range(count):
            writer.publish_nowait("a", i.to_bytes(4, "big") + bytes(10_000))
        await collect(witness, count)
        batches: list[list[Message]] = []
        async with asyncio.timeout(10):
            while sum(map(len, batches)) < count:
                batches.append(await reader.messages())
    numbers = [int.from_bytes(m.payload[:4], "big") for batch in batches for m in batch]
    assert numbers == list(range(count))
    assert sum(len(m.payload) for m in batches[0]) <= limit + 2 * 256 * 1024


async def test_a_payload_over_the_limit_is_cut_and_its_neighbours_are_whole(
    broker: Mosquitto,
) -> None:
    async with (
        linked(broker, payload_limit=1000) as reader,
        linked(broker, "writer") as writer,
    ):
        await reader.subscribe([("a", 1)])
        for payload in (b"before", bytes(1001), bytes(300_000), bytes(1000)):
            await writer.publish("a", payload)
        got = await collect(reader, 4)
    assert [(len(m.payload), m.cut) for m in got] == [
        (6, 0),
        (512, 1001),
        (512, 300_000),
        (1000, 0),
    ]


async def test_a_payload_of_megabytes_arrives_whole(broker: Mosquitto) -> None:
    async with linked(broker) as reader, linked(broker, "writer") as writer:
        await reader.subscribe([("a", 1)])
        await writer.publish("a", bytes(range(256)) * 4096)
        (got,) = await collect(reader, 1)
    assert got.payload == bytes(range(256)) * 4096


def password_file(folder: Path, user: str, password: str) -> Path:
    """Write a Mosquitto password file with one login."""
    path = folder / "passwords"
    command = ["mosquitto_passwd", "-c", "-b", str(path), user, password]
    subprocess.run(command, check=True, capture_output=True)
    return path


async def test_a_wrong_password_is_refused(tmp_path: Path) -> None:
    passwords = password_file(tmp_path, "node", "right")
    broker = Mosquitto(tmp_path, extra=f"password_file {passwords}\n", anonymous=False)
    await broker.start()
    try:
        wrong = make(broker, credential=Credential(username="node", password="wrong"))
        with pytest.raises(Refused, match="refuses the login") as caught:
            await wrong.connect()
        assert "wrong" not in str(caught.value)
        right = make(broker, credential=Credential(username="node", password="right"))
        assert await right.connect() is False
        await right.close()
    finally:
        broker.kill()


async def test_a_credential_is_sent_to_its_hosts_only(broker: Mosquitto) -> None:
    client = make(broker, credential=Credential(username="u", hosts=("broker.example",)))
    with pytest.raises(Refused, match="may not be sent to"):
        await client.connect()


async def test_unsubscribe(broker: Mosquitto) -> None:
    async with linked(broker) as client:
        await client.subscribe([("a", 1), ("b", 1)])
        await client.unsubscribe(["a"])
        await client.publish("a", b"no")
        await client.publish("b", b"yes")
        (got,) = await collect(client, 1)
    assert got.topic == "b"


async def test_cancelled_anywhere_it_leaves_no_socket(broker: Mosquitto) -> None:
    async def life() -> None:
        async with linked(broker) as client:
            await client.subscribe([("a", 1)])
            await client.publish("a", b"x")
            client.ack(await client.messages())

    assert await cancel_everywhere(life) > 5


def test_urls_are_judged() -> None:
    for url in ("http://h", "mqtt://", "mqtt://u:p@h", "mqtt://h/path"):
        with pytest.raises(ValueError, match=r".+"):
            MqttClient(url=url, client_id="x", credential=None, clean_session=True)


def test_a_refused_subscription_names_its_filters() -> None:
    error = SubscriptionRefused(["a/#"])
    assert error.filters == ("a/#",)
    assert "a/#" in str(error)
