"""A thin asyncio MQTT 3.1.1 client with manual acknowledgement and messages in batches."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

from protocols.adapter import Credential, LinkLost, Refused
from protocols.mqtt.address import parse_endpoint
from protocols.mqtt.codec_packet import Message, pubacks
from protocols.mqtt.connection import Connection, Login, Will

__all__ = ["Message", "MqttClient", "SubscriptionRefused", "Will"]

_SEND_LIMIT: Final = 4 * 1024 * 1024
_FILTERS_PER_PACKET: Final = 100
_ANSWER_TIMEOUT: Final = 20.0
_CLOSE_TIMEOUT: Final = 2.0


class SubscriptionRefused(Refused):
    """The broker does not let us subscribe to `filters`; all others of the call are in force."""

    def __init__(self, filters: Sequence[str]) -> None:
        super().__init__(
            f"the broker refuses the subscription to {', '.join(filters)}: "
            "allow it in the broker's access list"
        )
        self.filters = tuple(filters)


class MqttClient:
    """One connection to one broker; make a new object to connect again.

    The broker is watched: without a byte from it for `keepalive` seconds the link is lost. The
    socket is no longer read while more than `receive_limit` bytes wait to be taken by `messages`.
    At most `window` publications of QoS 1 are under way at once. Payloads beyond `payload_limit`
    bytes are cut (see `Message.cut`). One task at a time may wait in `messages`.
    """

    def __init__(
        self,
        *,
        url: str,
        client_id: str,
        credential: Credential | None,
        clean_session: bool,
        will: Will | None = None,
        receive_limit: int = 2 * 1024 * 1024,
        payload_limit: int = 1024 * 1024,
        keepalive: float = 30.0,
        window: int = 50,
    ) -> None:
        """Prepare; nothing is sent yet. `url` is `mqtt://host[:port]` or `mqtts://host[:port]`.

        Raises:
            ValueError: the URL or the client id cannot be used.
        """
        if not client_id:
            raise ValueError("the client id is empty")
        self._login = Login(
            endpoint=parse_endpoint(url),
            client_id=client_id,
            credential=credential,
            clean_session=clean_session,
            will=will,
            keepalive=keepalive,
            window=window,
            receive_limit=receive_limit,
            payload_limit=payload_limit,
        )
        self._window = asyncio.Semaphore(window)
        self._link: Connection | None = None

    @property
    def client_id(self) -> str:
        return self._login.client_id

    @property
    def connected(self) -> bool:
        return self._link is not None and self._link.up

    async def connect(self, timeout: float = 10) -> bool:
        """Connect and log in; return whether the broker kept a session for our client id.

        Raises:
            LinkLost: the broker cannot be reached or does not answer within `timeout` seconds.
            Refused: it does not accept the login or the client id, or is not to be trusted.
        """
        if self._link is not None:
            raise RuntimeError("an MqttClient connects once")
        self._link = link = Connection(self._login)
        done = False
        try:
            async with asyncio.timeout(timeout):
                session_present = await link.open()
            done = True
            return session_present
        except TimeoutError as error:
            raise LinkLost(f"{self._login.endpoint} did not answer within {timeout:g} s") from error
        finally:
            if not done:
                link.end(LinkLost("the link is closed"))

    async def subscribe(self, filters: Sequence[tuple[str, int]]) -> None:
        """Subscribe to (filter, QoS 0 or 1) pairs.

        Raises:
            SubscriptionRefused: the broker does not allow some of them.
            LinkLost: the link is gone.
            ValueError: a filter or its QoS cannot be used.
        """
        if any(qos not in (0, 1) for _, qos in filters):
            raise ValueError("only QoS 0 and 1 can be subscribed to")
        refused: list[str] = []
        for start in range(0, len(filters), _FILTERS_PER_PACKET):
            part = list(filters[start : start + _FILTERS_PER_PACKET])
            link = self._open_link()
            _, mid = link.dialogue().subscribe(part)
            codes = await link.answer(mid or 0, _ANSWER_TIMEOUT)
            refused += [f for (f, _), code in zip(part, codes, strict=False) if code.is_failure]
        if refused:
            raise SubscriptionRefused(refused)

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        """Give subscriptions back.

        Raises:
            LinkLost: the link is gone.
        """
        for start in range(0, len(filters), _FILTERS_PER_PACKET):
            link = self._open_link()
            _, mid = link.dialogue().unsubscribe(list(filters[start : start + _FILTERS_PER_PACKET]))
            await link.answer(mid or 0, _ANSWER_TIMEOUT)

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False
    ) -> None:
        """Publish; with QoS 1 return once the broker has confirmed it.

        Raises:
            LinkLost: the link is gone; a QoS 1 message may or may not have arrived.
            ValueError: the topic or the QoS cannot be used.
        """
        if qos not in (0, 1):
            raise ValueError("only QoS 0 and 1 are published")
        link = self._open_link()
        if link.waiting > _SEND_LIMIT:
            await link.drained()
        if qos == 0:
            self.publish_nowait(topic, payload, retain=retain)
            return
        async with self._window:
            info = link.dialogue().publish(topic, payload, 1, retain)
            await link.answer(info.mid, None)

    def publish_nowait(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand a QoS 0 message to the socket.

        Raises:
            LinkLost: the link is gone, or the broker takes nothing any more.
            ValueError: the topic cannot be used.
        """
        link = self._open_link()
        link.dialogue().publish(topic, payload, 0, retain)
        link.write()
        if link.waiting > 2 * _SEND_LIMIT:
            raise LinkLost(f"{self._login.endpoint} takes nothing: {link.waiting} bytes wait")

    async def messages(self) -> list[Message]:
        """Wait for messages and return all that have arrived, in order.

        Raises:
            LinkLost: the link is gone and everything that had arrived was returned before.
        """
        link = self._open_link()
        while True:
            await link.arrived()
            batch = link.take()
            if batch:
                return batch
            link.dialogue()

    def ack(self, messages: Sequence[Message]) -> None:
        """Confirm QoS 1 messages to the broker, in the given order; without a link do nothing.

        What is not confirmed comes again, marked `dup`, when a kept session is resumed.
        """
        if self._link is not None:
            self._link.send(pubacks(messages))

    async def close(self) -> None:
        """Take leave of the broker: what waits is sent, no will is published."""
        link = self._link
        if link is None:
            return
        try:
            if link.up:
                link.dialogue().disconnect()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_CLOSE_TIMEOUT):
                        await link.drained()
        finally:
            link.end(LinkLost("the link is closed"))

    def _open_link(self) -> Connection:
        if self._link is None:
            raise LinkLost("the link is not open")
        return self._link
