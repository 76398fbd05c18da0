"""The event loop's side of one MQTT connection: reads, writes, watches, and ends it once.

paho-mqtt keeps the dialogue (login, subscriptions, our own publications). Received PUBLISH
packets do not pass through it: they are cut from the stream many at a time.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from protocols.adapter import Credential, LinkLost, Refused
from protocols.mqtt.address import Endpoint
from protocols.mqtt.codec_packet import PINGREQ, MalformedStream, Message, PacketSplitter
from protocols.mqtt.transport import Wire, open_wire

_MESSAGE_COST: Final = 256
_READS_IN_A_ROW: Final = 8
_SHORT_LIFE: Final = 5.0
_LOGIN_REASONS: Final = (134, 135)
_UNAVAILABLE: Final = 136


class Will(NamedTuple):
    """What the broker publishes for us when we vanish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


class Login(NamedTuple):
    """How to present ourselves to a broker, and the limits to keep."""

    endpoint: Endpoint
    client_id: str
    credential: Credential | None
    clean_session: bool
    will: Will | None
    keepalive: float
    window: int
    receive_limit: int
    payload_limit: int


class Dialogue(paho.Client):
    """paho over a socket that is already connected."""

    def __init__(self, wire: Wire, login: Login) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=login.client_id,
            clean_session=login.clean_session,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self._wire = wire
        if login.credential and login.credential.username:
            self.username_pw_set(login.credential.username, login.credential.password or None)
        if login.will:
            self.will_set(*login.will)
        self.max_inflight_messages_set(login.window)
        keepalive = max(1, round(login.keepalive))
        self.connect_async(login.endpoint.host, login.endpoint.port, keepalive=keepalive)

    def _create_socket(self) -> Wire:
        return self._wire


class Connection:
    """One connection, from the TCP handshake to its end, which comes once and for one reason."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._loop = asyncio.get_running_loop()
        self._splitter = PacketSplitter(login.payload_limit)
        self._received = 0
        self._paused = False
        self._wire: Wire | None = None
        self._dialogue: Dialogue | None = None
        self._connack: asyncio.Future[bool] = self._loop.create_future()
        self._arrival: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._answers: dict[int, asyncio.Future[Sequence[ReasonCode]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._writing = self._write_due = False
        self._last_received = self._last_sent = self._connected_at = 0.0
        self._failure: LinkLost | Refused | None = None
        self.up = False

    async def open(self) -> bool:
        """Connect and log in; return whether the broker kept a session.

        Raises:
            LinkLost: the broker cannot be reached.
            Refused: it, or our trust in it, refuses.
        """
        login = self._login
        self._wire = wire = await open_wire(login.endpoint, login.credential)
        self._dialogue = dialogue = Dialogue(wire, login)
        dialogue.on_connect = self._on_connect
        dialogue.on_publish = self._on_publish
        dialogue.on_subscribe = self._on_answer
        dialogue.on_unsubscribe = self._on_answer
        dialogue.on_socket_register_write = self._on_write_wanted
        self._last_received = self._last_sent = self._loop.time()
        self._loop.add_reader(wire.fileno(), self._read)
        dialogue.reconnect()
        return await self._connack

    def dialogue(self) -> Dialogue:
        """Return paho's client while the link is up.

        Raises:
            LinkLost: the link is down; or Refused, if that was the end of it.
        """
        if self.up and self._dialogue is not None:
            return self._dialogue
        if self._failure is None:
            raise LinkLost("the link is not open")
        raise type(self._failure)(*self._failure.args)

    @property
    def waiting(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._wire.waiting if self._wire and self.up else 0

    def send(self, packets: bytes) -> None:
        """Send whole packets that need no dialogue; without a link do nothing."""
        if self._wire and self.up and packets:
            self._wire.send(packets)
            self._want_write()

    # --- waiting

    async def arrived(self) -> None:
        """Return once `take` has something, or the link is lost."""
        if self._splitter.messages or not self.up:
            return
        self._arrival = self._loop.create_future()
        try:
            await self._arrival
        finally:
            self._arrival = None

    def take(self) -> list[Message]:
        """Return all messages that have arrived, and read on if that had been stopped."""
        batch = self._splitter.messages
        self._splitter.messages = []
        self._received = 0
        if self._paused and self._wire and self.up:
            self._paused = False
            self._last_received = self._loop.time()
            self._loop.add_reader(self._wire.fileno(), self._read)
            self._loop.call_soon(self._read)
        return batch

    async def answer(self, mid: int, timeout: float | None) -> Sequence[ReasonCode]:
        """Wait for the broker's answer to our packet `mid`.

        Raises:
            LinkLost: the link went down, or no answer came within `timeout` seconds.
        """
        answer: asyncio.Future[Sequence[ReasonCode]] = self._loop.create_future()
        self._answers[mid] = answer
        try:
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError as error:
            raise LinkLost(
                f"{self._login.endpoint} did not answer within {timeout or 0:g} s"
            ) from error
        finally:
            self._answers.pop(mid, None)

    async def drained(self) -> None:
        """Return once the kernel has taken everything, or the link is lost."""
        self.write()
        while self.waiting:
            if self._drained is None:
                self._drained = self._loop.create_future()
            await asyncio.shield(self._drained)

    # --- paho's callbacks

    def _on_connect(
        self, _c: object, _u: object, flags: paho.ConnectFlags, reason: ReasonCode, _p: object
    ) -> None:
        endpoint = self._login.endpoint
        if not reason.is_failure:
            self.up = True
            self._connected_at = self._loop.time()
            self._timer = self._loop.call_later(self._login.keepalive / 8, self._watch)
            if not self._connack.done():
                self._connack.set_result(flags.session_present)
        elif reason.value in _LOGIN_REASONS:
            self.end(
                Refused(
                    f"{endpoint} refuses the login ({reason}): check username and password "
                    "of the credential, and the broker's access list"
                )
            )
        elif reason.value == _UNAVAILABLE:
            self.end(LinkLost(f"{endpoint} says that it is unavailable"))
        else:
            self.end(Refused(f"{endpoint} refuses client id {self._login.client_id}: {reason}"))

    def _on_publish(self, _c: object, _u: object, mid: int, _r: object, _p: object) -> None:
        if not self._writing:  # else paho reports a QoS 0 message as written
            self._on_answer(None, None, mid, (), None)

    def _on_answer(
        self, _c: object, _u: object, mid: int, codes: Sequence[ReasonCode], _p: object
    ) -> None:
        answer = self._answers.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(codes)

    def _on_write_wanted(self, _c: object, _u: object, _s: object) -> None:
        self._want_write()

    # --- the socket

    def _read(self) -> None:
        wire = self._wire
        if wire is None or not self._reading():
            return
        try:
            for _ in range(_READS_IN_A_ROW):
                data = wire.read()
                if data is None:
                    return
                if not data:
                    self.end(LinkLost(self._why_closed()))
                    return
                self._last_received = self._loop.time()
                self._splitter.feed(data)
                self._take_in(wire, len(data))
                if not self._reading() or not wire.pending():
                    return
            self._loop.call_soon(self._read)
        except MalformedStream as error:
            self.end(LinkLost(f"what answers at {self._login.endpoint} is no broker: {error}"))
        except OSError as error:
            self.end(LinkLost(f"the connection to {self._login.endpoint} broke: {error}"))

    def _reading(self) -> bool:
        return self._failure is None and not self._paused

    def _take_in(self, wire: Wire, size: int) -> None:
        """Pass control packets to paho, wake the consumer, stop reading when it is behind."""
        if self._splitter.control:
            wire.control += self._splitter.control
            self._splitter.control.clear()
            self._converse(wire)
        inbox = self._splitter.messages
        if not inbox or not self.up:
            return
        self._received += size
        if self._received + len(inbox) * _MESSAGE_COST > self._login.receive_limit:
            self._paused = True
            self._loop.remove_reader(wire.fileno())
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def _converse(self, wire: Wire) -> None:
        while wire.control and self._dialogue and not self._failure:
            result = self._dialogue.loop_read()
            if result != MQTTErrorCode.MQTT_ERR_SUCCESS and not self._failure:
                why = f"{self._login.endpoint} broke the MQTT 3.1.1 protocol"
                self.end(LinkLost(f"{why}: {paho.error_string(result)}"))

    def _want_write(self) -> None:
        if not self._write_due:
            self._write_due = True
            self._loop.call_soon(self.write)

    def write(self) -> None:
        """Move paho's packets to the wire and the wire's bytes to the kernel."""
        self._write_due = False
        wire = self._wire
        if wire is None or self._dialogue is None or self._failure:
            return
        self._writing = True
        try:
            self._dialogue.loop_write()
            empty = wire.flush()
        except OSError as error:
            self.end(LinkLost(f"the connection to {self._login.endpoint} broke: {error}"))
            return
        finally:
            self._writing = False
        self._last_sent = self._loop.time()
        if not empty:
            self._loop.add_writer(wire.fileno(), self.write)
            return
        self._loop.remove_writer(wire.fileno())
        self._wake_drained()

    def _wake_drained(self) -> None:
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None

    def _watch(self) -> None:
        """Ping a quiet broker, and give it up when it stays silent for the keepalive time."""
        now, keepalive = self._loop.time(), self._login.keepalive
        silence = now - self._last_received
        if silence >= keepalive and not self._paused:
            self.end(LinkLost(f"{self._login.endpoint} has been silent for {silence:.1f} s"))
            return
        if max(silence, now - self._last_sent) >= keepalive / 2:
            self.send(PINGREQ)
        self._timer = self._loop.call_later(keepalive / 8, self._watch)

    def _why_closed(self) -> str:
        endpoint, client_id = self._login.endpoint, self._login.client_id
        if not self.up:
            return f"{endpoint} closed the connection before it answered the login"
        lived = self._loop.time() - self._connected_at
        if lived < _SHORT_LIFE:
            return (
                f"{endpoint} closed the connection {lived:.1f} s after the login; if this "
                f"repeats, another client uses the client id {client_id}: give each its own"
            )
        return (
            f"{endpoint} closed the connection: it was stopped, "
            f"or another client took over the client id {client_id}"
        )

    def end(self, why: LinkLost | Refused) -> None:
        """Close the socket and tell everyone who waits; the first reason stands."""
        if self._failure is not None:
            return
        self._failure = why
        self.up = False
        if self._timer is not None:
            self._timer.cancel()
        if self._wire is not None:
            self._loop.remove_reader(self._wire.fileno())
            self._loop.remove_writer(self._wire.fileno())
            self._wire.shut()
        for waiter in self._answers.values():
            if not waiter.done():
                waiter.set_exception(type(why)(*why.args))
        if not self._connack.done():
            self._connack.set_exception(why)
            self._connack.exception()
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
        self._wake_drained()
