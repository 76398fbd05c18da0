"""One MQTT connection of simulated sensors, on paho-mqtt: its thread is joined at the end."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from simulators.login import Login
from simulators.scenario import MqttPlan

log = logging.getLogger(__name__)

_BACKLOG = 1000
_KEEPALIVE = 20


class Line:
    """A connection that paho keeps trying to hold; readings wait in a bounded queue meanwhile.

    `received` and `connected` are called in the event loop.
    """

    def __init__(
        self,
        plan: MqttPlan,
        client_id: str,
        *,
        will_topic: str | None,
        login: Callable[[], Login | None],
        connected: Callable[["Line"], None],
        received: Callable[["Line", str, bytes], None],
    ) -> None:
        self._plan = plan
        self._name = client_id
        self._login = login
        self._connected = connected
        self._received = received
        self._loop = asyncio.get_running_loop()
        self._grumbled = ""
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        self._client.max_queued_messages_set(_BACKLOG)
        self._client.reconnect_delay_set(1, 5)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        if will_topic is not None:
            self._client.will_set(will_topic, "offline", qos=1, retain=True)

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._sign_in()
        self._client.connect_async(self._plan.host, self._plan.port, keepalive=_KEEPALIVE)
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand over a message at QoS 1; the newest is dropped when the queue is full."""
        self._client.publish(topic, payload, qos=1, retain=retain)

    def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe at QoS 1; lasts as long as this connection does."""
        if filters:
            self._client.subscribe([(item, 1) for item in filters])

    def is_connected(self) -> bool:
        """Tell whether the broker has accepted the connection."""
        return bool(self._client.is_connected())

    async def hang_up(self) -> None:
        """Take leave in order: the broker keeps the will to itself."""
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def break_off(self) -> None:
        """Vanish as a device without power does: the broker publishes the will."""
        await asyncio.to_thread(self._client.loop_stop)
        held = self._client.socket()
        if isinstance(held, socket.socket):
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
            held.close()

    def _sign_in(self) -> None:
        login = self._login()
        if login is not None:
            self._client.username_pw_set(login.username, login.password)

    def _on_connect(
        self,
        client: paho.Client,
        userdata: object,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            # The node may have made a new password since: read it for the next attempt.
            self._sign_in()
            self._grumble(f"the broker refuses {self._name}: {reason}")
            return
        self._grumbled = ""
        self._later(self._connected, self)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: object,
        flags: paho.DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._grumble(f"{self._name} lost the broker: {reason}")

    def _on_message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        self._later(self._received, self, message.topic, message.payload)

    def _later(self, call: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to tell
            self._loop.call_soon_threadsafe(call, *args)

    def _grumble(self, text: str) -> None:
        if text != self._grumbled:
            self._grumbled = text
            log.warning("%s (%s:%s)", text, self._plan.host, self._plan.port)
