"""A broker on a free port, and clients that speak to it from threads and processes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from queue import Empty, SimpleQueue
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.broker.access import DEVICES, EVERYTHING, lower_node, table
from gateway.broker.embedded import EmbeddedBroker
from gateway.broker.settings import BrokerSettings
from gateway.metrics import Metrics

USERS = {"city": "c1ty", "edge-1": "edge-secret", "edge-2": "other-secret", "devices": "d3v"}
RIGHTS = {
    "city": EVERYTHING,
    "edge-1": lower_node("city", "edge-1"),
    "edge-2": lower_node("city", "edge-2"),
    "devices": DEVICES,
}


class Client:
    """A paho client on its own thread; calls block and are made in a thread of the test."""

    def __init__(self, port: int, user: str | None = "devices", name: str = "", **options: Any):
        self.messages: SimpleQueue[mqtt.MQTTMessage] = SimpleQueue()
        self._events: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._port = port
        self._acks = options.pop("acks", True)
        self.paho = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=name,
            clean_session=options.pop("clean", True),
            manual_ack=not self._acks,
        )
        if user is not None:
            self.paho.username_pw_set(user, options.pop("password", USERS.get(user)))
        if "will" in options:
            self.paho.will_set(*options.pop("will"))
        self.keepalive = options.pop("keepalive", 60)
        self.paho.on_message = lambda client, data, message: self.messages.put(message)
        self.paho.on_connect = lambda c, d, flags, code, p: self._events.put(
            ("connect", (flags.session_present, code.value))
        )
        self.paho.on_subscribe = lambda c, d, mid, codes, p: self._events.put(
            ("subscribe", [code.value for code in codes])
        )
        self.paho.on_disconnect = lambda c, d, f, code, p: self._events.put(("gone", code.value))

    async def _event(self, name: str) -> Any:
        while True:
            found, value = await asyncio.to_thread(self._events.get, True, 10)
            if found == name:
                return value

    async def connect(self) -> tuple[bool, int]:
        """Return session present and the return code (0: accepted)."""
        await asyncio.to_thread(self.paho.connect, "127.0.0.1", self._port, self.keepalive)
        self.paho.loop_start()
        session, code = await self._event("connect")
        return session, code

    async def subscribe(self, topic: str, qos: int = 1) -> int:
        """Return what the broker granted: a QoS, or 128 for no."""
        self.paho.subscribe(topic, qos)
        return int((await self._event("subscribe"))[0])

    async def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> None:
        info = self.paho.publish(topic, payload, qos, retain)
        await asyncio.to_thread(info.wait_for_publish, 10)

    async def message(self) -> mqtt.MQTTMessage:
        return await asyncio.to_thread(self.messages.get, True, 10)

    def nothing(self) -> bool:
        """Tell whether no message waits; ask after something that came later has arrived."""
        try:
            self.messages.get_nowait()
        except Empty:
            return True
        return False

    def acknowledge(self, message: mqtt.MQTTMessage) -> None:
        self.paho.ack(message.mid, message.qos)

    async def gone(self) -> int:
        return int(await self._event("gone"))

    async def close(self) -> None:
        await asyncio.to_thread(self.paho.disconnect)
        await asyncio.to_thread(self.paho.loop_stop)

    async def vanish(self) -> None:
        """End without DISCONNECT, as a crash does."""
        sock = self.paho.socket()
        self.paho._reconnect_on_failure = False
        if sock is not None:
            sock.close()
        await asyncio.to_thread(self.paho.loop_stop)


Connect = Callable[..., Client]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def broker_port(metrics: Metrics) -> AsyncIterator[int]:
    """A running broker."""
    settings = BrokerSettings(port=0, max_packet=65_536, connect_timeout=1, max_queued=300)
    broker = EmbeddedBroker(settings, USERS, table(RIGHTS), metrics)
    port = await broker.start()
    yield port
    await broker.stop()


@pytest.fixture
async def client(broker_port: int) -> AsyncIterator[Connect]:
    """Return a maker of clients; all are closed in the end."""
    made: list[Client] = []

    def make(user: str | None = "devices", name: str = "", **options: Any) -> Client:
        made.append(Client(broker_port, user, name, **options))
        return made[-1]

    yield make
    for one in made:
        await one.close()
