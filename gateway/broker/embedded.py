"""The front door of the embedded broker: who knocks, with what, and how many."""

import asyncio
import errno
import hashlib
import hmac
import logging
import socket
import ssl
from collections.abc import Mapping
from typing import Final

from amqtt.adapters import StreamWriterAdapter

from gateway.broker.access import Access
from gateway.broker.codec import (
    BAD_IDENTIFIER,
    BAD_LOGIN,
    CONNECT,
    NOT_ALLOWED,
    BadConnect,
    Connect,
    connack,
    packet,
    read_connect,
)
from gateway.broker.core import LISTENER, CoreBroker
from gateway.broker.settings import BrokerSettings
from gateway.broker.streams import PacketReader, PacketTooLarge, next_packet
from gateway.metrics import Metrics
from registry.model import Fault, Faulty

log = logging.getLogger(__name__)

_BACKLOG: Final = 5_000
_MAX_CONNECT: Final = 65_536
_TAKE_OVER: Final = 5.0


class _Live:
    """One admitted connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.ended = asyncio.Event()

    async def cut(self) -> None:
        """Drop the connection and wait until amqtt has put the session aside."""
        self.writer.transport.abort()
        async with asyncio.timeout(_TAKE_OVER):
            await self.ended.wait()


class EmbeddedBroker:
    """An MQTT 3.1.1 broker in the running event loop.

    `users` is name -> secret and may change while it runs, as may what `access` answers. A
    client id belongs to the user that first used it for as long as its session lives.
    """

    def __init__(
        self, settings: BrokerSettings, users: Mapping[str, str], access: Access, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._users = users
        self._access = access
        self._refused = metrics.counter(
            "broker_refused", "Connections the broker refused.", ("reason",)
        )
        self._dropped = metrics.counter(
            "broker_dropped", "Messages the broker could not keep for a client.", ("reason",)
        )
        self._clients = metrics.gauge("broker_clients", "Clients connected to the broker.")
        self._core: CoreBroker | None = None
        self._server: asyncio.Server | None = None
        self._live: dict[str, _Live] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen; return the port.

        Raises:
            Faulty: the listener cannot be opened; the fault names the setting to change.
        """
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.ERROR)
        listener = _listen(self._settings)
        self._core = CoreBroker(
            self._access,
            self._settings.max_queued,
            lambda reason: self._dropped.inc(reason=reason),
        )
        await self._core.start()
        self._server = await asyncio.start_server(
            self._knock, sock=listener, ssl=_tls(self._settings)
        )
        return int(listener.getsockname()[1])

    async def stop(self) -> None:
        """Drop every client, forget every message, close the port."""
        if self._server is None or self._core is None:
            return
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_TAKE_OVER)
            for task in late:
                task.cancel()
        await self._core.shutdown()
        await self._server.wait_closed()
        self._server = self._core = None

    async def _knock(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        self._clients.set(len(self._writers))
        try:
            connect = await self._admit(reader, writer)
            if connect is not None:
                await self._converse(connect, reader, writer)
        finally:
            self._writers.discard(writer)
            self._clients.set(len(self._writers))
            writer.transport.abort()

    async def _admit(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Connect | None:
        """Read the CONNECT and judge it; None after a refusal."""
        if len(self._writers) > self._settings.max_connections:
            await self._refuse(writer, 0, "too_many", "broker.max_connections is reached")
            return None
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                first = await next_packet(reader, _MAX_CONNECT)
        except (TimeoutError, PacketTooLarge, asyncio.IncompleteReadError, OSError):
            await self._refuse(writer, 0, "no_connect", "no CONNECT came")
            return None
        try:
            connect = read_connect(_connect_body(first))
        except BadConnect as error:
            await self._refuse(writer, error.code, "bad_connect", str(error))
            return None
        code, reason, detail = self._judge(connect)
        if reason:
            await self._refuse(writer, code, reason, detail)
            return None
        return connect

    def _judge(self, connect: Connect) -> tuple[int, str, str]:
        user = connect.username
        if not self._login(user, connect.password):
            return BAD_LOGIN, "login", f"wrong user name or password (user {user!r})"
        topic = connect.will_topic
        if topic is not None and (
            not topic or set(topic) & set("#+$") or not self._access(user, topic, "publish")
        ):
            return NOT_ALLOWED, "will", f"user {user!r} may not publish its will to {topic!r}"
        core = self._core
        owner = core.session_owner(connect.client_id) if core and connect.client_id else None
        if owner is not None and owner != user:
            detail = f"client id {connect.client_id!r} is in use by another user than {user!r}"
            return BAD_IDENTIFIER, "client_id", detail
        return 0, "", ""

    def _login(self, user: str, password: bytes) -> bool:
        """Compare in constant time, with a user that does not exist as with one that does."""
        secret = self._users.get(user, "")
        same = hmac.compare_digest(
            hashlib.sha256(secret.encode()).digest(), hashlib.sha256(password).digest()
        )
        return same and bool(secret) and bool(user)

    async def _refuse(
        self, writer: asyncio.StreamWriter, code: int, reason: str, detail: str
    ) -> None:
        peer = writer.get_extra_info("peername") or ("?",)
        log.warning("refused an MQTT client from %s: %s", peer[0], detail)
        self._refused.inc(reason=reason)
        if code:
            writer.write(connack(code))
        writer.close()
        try:
            async with asyncio.timeout(1):
                await writer.wait_closed()
        except (TimeoutError, OSError):
            return

    async def _converse(
        self, connect: Connect, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Hand the connection to amqtt until it ends; one connection per client id."""
        core = self._core
        if core is None:
            return
        client_id = connect.client_id
        live = _Live(writer)
        while client_id and (old := self._live.get(client_id)) is not None:
            await old.cut()
        if client_id:
            self._live[client_id] = live
            if core.is_clean(client_id):
                await core.forget(client_id)
        first = packet(CONNECT, connect.body)
        packets = PacketReader(reader, connect, first, self._settings.max_packet, self._room)
        try:
            await core.external_connected(packets, StreamWriterAdapter(writer), LISTENER)
        finally:
            if packets.ended not in ("", "hung up"):
                log.warning("cut off MQTT client %r: %s", client_id, packets.ended)
            if client_id and self._live.get(client_id) is live:
                del self._live[client_id]
            live.ended.set()

    async def _room(self) -> None:
        """Return when the broker may take more; this is how fast publishers are slowed down."""
        while self._core is not None and self._core.backlog > _BACKLOG:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)


def _connect_body(first: bytes) -> bytes:
    if first[0] != CONNECT << 4:
        raise BadConnect("the first packet is no CONNECT")
    start = 1
    while first[start] & 0x80:
        start += 1
    return first[start + 1 :]


def _listen(settings: BrokerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.bind.strip("[]"), settings.port))
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        fault = Fault(
            where="broker.port" if taken else "broker.bind",
            message=f"port {settings.port} on {settings.bind} is taken by another program"
            if taken
            else f"cannot listen on {settings.bind}: {error.strerror or error}",
            expected="a free port: end the other program or set broker.port"
            if taken
            else "an address of this computer",
        )
        raise Faulty([fault]) from error
    listener.setblocking(False)
    return listener


def _tls(settings: BrokerSettings) -> ssl.SSLContext | None:
    """Return the server's TLS context, None for plain MQTT.

    Raises:
        Faulty: the certificate or its key cannot be used.
    """
    if settings.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        raise Faulty(
            [
                Fault(
                    where="broker.certificate",
                    message=f"cannot be used: {error}",
                    expected="PEM files of a certificate and its private key",
                )
            ]
        ) from error
    return context
