"""amqtt's broker with what it leaves open closed: access, sessions, retained messages, queues.

Overrides methods of amqtt 0.12 that are not public; the version is pinned to 0.12 and the tests
of this folder guard each of them.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from amqtt.adapters import ReaderAdapter, WriterAdapter
from amqtt.broker import Broker, RetainedApplicationMessage
from amqtt.contexts import Action, BrokerConfig, ListenerConfig, ListenerType
from amqtt.errors import AMQTTError, ProtocolHandlerError
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.session import OutgoingApplicationMessage, Session

from gateway.broker.access import Access
from gateway.broker.streams import PacketReader

LISTENER: Final = "default"
_WINDOW: Final = 2_000
"""Messages under way to one client at a time."""
_UNANSWERED: Final = "ganzhi.unanswered"


class CoreBroker(Broker):  # type: ignore[misc]  # amqtt ships no types
    """Takes connections from the front door only, whose clients have shown who they are."""

    def __init__(self, access: Access, max_queued: int, dropped: Callable[[str], None]) -> None:
        listener = ListenerConfig(type=ListenerType.EXTERNAL)
        super().__init__(BrokerConfig(listeners={LISTENER: listener}, plugins={}))
        self._access = access
        self._max_queued = max_queued
        self._dropped = dropped
        self._window = min(_WINDOW, max_queued)
        self._under_way: dict[str, int] = {}

    @property
    def backlog(self) -> int:
        """Messages that came in and have not been handed on."""
        return int(self._broadcast_queue.qsize())

    def session_owner(self, client_id: str) -> str | None:
        """Return the user whose session `client_id` is, None when there is none."""
        session = self._sessions.get(client_id, (None, None))[0]
        return None if session is None else session.username

    def is_clean(self, client_id: str) -> bool:
        """Tell whether the session `client_id` exists and ends with its connection."""
        session = self._sessions.get(client_id, (None, None))[0]
        return session is not None and bool(session.clean_session)

    async def forget(self, client_id: str) -> None:
        """Remove a session with its subscriptions."""
        await self._delete_session(client_id)

    async def _authenticate(self, session: Session, _: ListenerConfig) -> bool:
        """The front door has done it, before amqtt touched any session."""
        return True

    async def _topic_filtering(self, session: Session, topic: str, action: Action) -> bool:
        """Ask the access list, without giving other tasks a turn in the middle of a broadcast."""
        return self._access(session.username or "", topic, action.value)

    async def _initialize_client_session(
        self, reader: ReaderAdapter, writer: WriterAdapter, remote_address: str, remote_port: int
    ) -> tuple[BrokerProtocolHandler, Session]:
        handler, session = await super()._initialize_client_session(
            reader, writer, remote_address, remote_port
        )
        if isinstance(reader, PacketReader):
            session.will_retain = reader.connect.will_retain
        return handler, session

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        """Nothing here: amqtt sends everybody's retained messages to whoever connects."""

    async def _handle_subscription(
        self,
        client_session: Session,
        handler: BrokerProtocolHandler,
        subscribe_waiter: "asyncio.Future[Any]",
    ) -> None:
        """Subscribe, then send the retained messages of what was granted and may be received."""
        await super()._handle_subscription(client_session, handler, subscribe_waiter)
        for topic_filter, qos in subscribe_waiter.result().topics:
            subscribers = self._subscriptions.get(topic_filter, [])
            if any(session is client_session for session, _ in subscribers):
                await self._send_retained(topic_filter, qos, client_session)

    async def _send_retained(self, topic_filter: str, qos: int, session: Session) -> None:
        user = session.username or ""
        for topic, kept in list(self._retained_messages.items()):
            if self._matches(topic, topic_filter) and self._access(user, topic, "receive"):
                handler = self._get_handler(session)
                if handler is not None:
                    task = asyncio.ensure_future(
                        handler.mqtt_publish(topic, kept.data, min(qos, kept.qos or 0), True)
                    )
                    self._tasks_queue.append(task)

    async def _publish_session_retained_messages(self, session: Session) -> None:
        """Send what came while the client was away; it is no retained message to the client.

        What an earlier connection left without an answer goes first.
        """
        unanswered = session.attributes.pop(_UNANSWERED, [])
        waiting = [session.retained_messages.get_nowait() for _ in range(_size(session))]
        for topic, data, qos in unanswered:
            self._queue(session, topic, data, qos)
        for kept in waiting:
            self._queue(session, kept.topic, kept.data, kept.qos)
        self._pump(session)

    async def _retain_broadcast_message(
        self, broadcast: dict[str, Any], qos: int, target_session: Session
    ) -> None:
        self._queue(target_session, broadcast["topic"], broadcast["data"], qos)

    def _queue(self, session: Session, topic: str, data: bytes | bytearray, qos: int) -> None:
        """Keep a message for a client that is away or slow; the oldest give way."""
        while _size(session) >= self._max_queued:
            session.retained_messages.get_nowait()
            self._dropped("queue_full")
        session.retained_messages.put_nowait(RetainedApplicationMessage(None, topic, data, qos))

    def _pump(self, session: Session) -> None:
        """Send what waits for a connected client, as far as its window is open."""
        handler = super()._get_handler(session)
        if handler is None or session.transitions.state != "connected":
            return
        client_id = session.client_id or ""
        while _size(session) and self._under_way.get(client_id, 0) < self._window:
            kept = session.retained_messages.get_nowait()
            self._under_way[client_id] = self._under_way.get(client_id, 0) + 1
            message = (kept.topic, bytes(kept.data), kept.qos or 0, False)
            self._tasks_queue.append(asyncio.ensure_future(self._send(handler, session, message)))

    def _get_handler(self, session: Session) -> Any:
        handler = super()._get_handler(session)
        return None if handler is None else _Delivery(self, handler, session)

    async def deliver(
        self,
        handler: BrokerProtocolHandler,
        session: Session,
        message: tuple[str, bytes, int, bool],
    ) -> OutgoingApplicationMessage | None:
        """Send one message (topic, data, QoS, retain), behind those that wait already."""
        client_id = session.client_id or ""
        if _size(session) or self._under_way.get(client_id, 0) >= self._window:
            topic, data, qos, _ = message
            if qos > 0:
                self._queue(session, topic, data, qos)
                self._pump(session)
            else:
                self._dropped("slow_client")
            return None
        self._under_way[client_id] = self._under_way.get(client_id, 0) + 1
        return await self._send(handler, session, message)

    async def _send(
        self,
        handler: BrokerProtocolHandler,
        session: Session,
        message: tuple[str, bytes, int, bool],
    ) -> OutgoingApplicationMessage | None:
        """Send a message that is counted as under way; without an answer it comes again
        with the next connection of a kept session."""
        topic, data, qos, retain = message
        try:
            return await handler.mqtt_publish(topic, data, qos, retain)
        except (TimeoutError, asyncio.CancelledError, AMQTTError, ProtocolHandlerError):
            if qos > 0 and not session.clean_session:
                self._remember(session, (topic, data, qos))
            return None
        finally:
            client_id = session.client_id or ""
            self._under_way[client_id] -= 1
            if not self._under_way[client_id]:
                del self._under_way[client_id]
            self._pump(session)

    def _remember(self, session: Session, message: tuple[str, bytes, int]) -> None:
        unanswered = session.attributes.setdefault(_UNANSWERED, [])
        unanswered.append(message)
        if len(unanswered) > self._max_queued:
            del unanswered[0]
            self._dropped("queue_full")


def _size(session: Session) -> int:
    return int(session.retained_messages.qsize())


class _Delivery:
    """Stands in for a handler where amqtt publishes to a client."""

    def __init__(
        self, broker: CoreBroker, handler: BrokerProtocolHandler, session: Session
    ) -> None:
        self._broker = broker
        self._handler = handler
        self._session = session

    async def mqtt_publish(
        self, topic: str, data: bytes | bytearray, qos: int | None, retain: bool
    ) -> OutgoingApplicationMessage | None:
        message = (topic, bytes(data), qos or 0, retain)
        return await self._broker.deliver(self._handler, self._session, message)
