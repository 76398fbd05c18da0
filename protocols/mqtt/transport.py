"""The connected socket under the MQTT client: TCP or TLS, non-blocking, buffered both ways."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from protocols.adapter import Credential, LinkLost, Refused
from protocols.mqtt.address import Endpoint

_READ_SIZE: Final = 256 * 1024
_Address = tuple[
    socket.AddressFamily,
    socket.SocketKind,
    int,
    str,
    tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
]


class Wire:
    """A connected socket with a buffer on both sides, in the shape paho expects of a socket.

    paho reads only control packets from it (`control`, filled by the owner) and writes into
    the outgoing buffer, so that many small packets leave in one system call.
    """

    __slots__ = ("_out", "_socket", "control")

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._out = bytearray()
        self.control = bytearray()

    @property
    def waiting(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return len(self._out)

    def read(self) -> bytes | None:
        """Return what has arrived, b"" at the end of the stream, None when nothing is there.

        Raises:
            OSError: the connection broke.
        """
        try:
            return self._socket.recv(_READ_SIZE)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def pending(self) -> bool:
        """Tell whether decrypted bytes wait that no selector can see."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def flush(self) -> bool:
        """Hand as much as possible to the kernel; True when nothing is left.

        Raises:
            OSError: the connection broke.
        """
        out = self._out
        while out:
            try:
                sent = self._socket.send(out)
            except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            del out[:sent]
        return True

    def recv(self, buffer_size: int) -> bytes:
        """Give paho the next bytes of control packets."""
        if not self.control:
            raise BlockingIOError
        data = bytes(self.control[:buffer_size])
        del self.control[:buffer_size]
        return data

    def send(self, buffer: bytes | bytearray) -> int:
        """Take bytes for the outgoing buffer; never blocks."""
        self._out += buffer
        return len(buffer)

    def close(self) -> None:
        """Ignore: paho does not own the socket; see `shut`."""

    def shut(self) -> None:
        """Close the socket, after one last try to send what waits."""
        if self._socket.fileno() >= 0:
            with contextlib.suppress(OSError):
                self.flush()
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def setblocking(self, flag: bool) -> None:
        """Ignore: the socket is non-blocking from the start."""


async def open_wire(endpoint: Endpoint, credential: Credential | None) -> Wire:
    """Connect without blocking the loop; TLS peers are verified.

    Raises:
        LinkLost: the broker cannot be reached.
        Refused: its certificate, or our own files for TLS, cannot be used.
    """
    if credential and credential.hosts and endpoint.host not in credential.hosts:
        raise Refused(
            f"the credential may not be sent to {endpoint.host}: "
            "add the host to the credential's hosts, or use another credential"
        )
    tls = await asyncio.to_thread(_tls_context, credential) if endpoint.tls else None
    plain = await _connect_tcp(endpoint)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is None:
            return Wire(plain)
        plain = tls.wrap_socket(plain, server_hostname=endpoint.host, do_handshake_on_connect=False)
        await _handshake(plain, endpoint)
        return Wire(plain)
    except BaseException:
        plain.close()
        raise


def _tls_context(credential: Credential | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=credential.ca_file if credential else None)
        if credential and credential.cert_file:
            context.load_cert_chain(credential.cert_file, credential.key_file)
    except (OSError, ssl.SSLError) as error:
        raise Refused(
            f"the TLS files of the credential cannot be used: {error}; "
            "check ca_file, cert_file and key_file"
        ) from error
    return context


async def _connect_tcp(endpoint: Endpoint) -> socket.socket:
    loop = asyncio.get_running_loop()
    last: OSError | None = None
    for family, kind, protocol, _, address in await _resolve(endpoint):
        candidate = socket.socket(family, kind, protocol)
        try:
            candidate.setblocking(False)
            await loop.sock_connect(candidate, address)
            return candidate
        except OSError as error:
            candidate.close()
            last = error
        except BaseException:
            candidate.close()
            raise
    raise LinkLost(f"no broker can be reached at {endpoint}: {last}") from last


async def _resolve(endpoint: Endpoint) -> Sequence[_Address]:
    """Look up the host; an IP address needs no thread."""
    host, port = endpoint.host, endpoint.port
    with contextlib.suppress(socket.gaierror):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    try:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise LinkLost(f"the name {host} cannot be resolved: {error}") from error


async def _handshake(wrapped: ssl.SSLSocket, endpoint: Endpoint) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            wrapped.do_handshake()
            return
        except ssl.SSLWantReadError:
            await _ready(loop.add_reader, loop.remove_reader, wrapped.fileno())
        except ssl.SSLWantWriteError:
            await _ready(loop.add_writer, loop.remove_writer, wrapped.fileno())
        except ssl.SSLCertVerificationError as error:
            raise Refused(
                f"the certificate of {endpoint} is not trusted: {error.verify_message}; "
                "set ca_file of the credential to the broker's CA"
            ) from error
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError) as error:
            raise LinkLost(f"{endpoint} closed the connection during the TLS handshake") from error
        except ssl.SSLError as error:
            raise Refused(
                f"TLS with {endpoint} failed: {error.reason}; is it the broker's TLS port?"
            ) from error


async def _ready(
    add: Callable[..., object], remove: Callable[[int], object], descriptor: int
) -> None:
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    add(descriptor, wake)
    try:
        await ready
    finally:
        remove(descriptor)
