"""Serving the application inside a running event loop."""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable, Iterator

import uvicorn
from litestar import Litestar

from gateway.api.changelog import ChangeLog
from gateway.api.settings import ApiSettings
from registry.model import Fault, Faulty

log = logging.getLogger(__name__)

_GRACE = 2


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the node."""
        yield


def listen(settings: ApiSettings) -> socket.socket:
    """Bind the listener; `socket.getsockname()[1]` is its port.

    Raises:
        Faulty: the port is taken, or the address is not this computer's.
    """
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.bind.strip("[]"), settings.port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise Faulty([_cannot_listen(settings, error)]) from error
    listener.setblocking(False)
    return listener


def _cannot_listen(settings: ApiSettings, error: OSError) -> Fault:
    if error.errno == errno.EADDRINUSE:
        return Fault(
            where="api.port",
            message=f"port {settings.port} on {settings.bind} is taken by another program",
            expected="a free port: end the other program or set api.port",
        )
    if error.errno == errno.EACCES:
        return Fault(
            where="api.port",
            message=f"port {settings.port} may not be used by this account",
            expected="a port above 1023",
        )
    return Fault(
        where="api.bind",
        message=f"cannot listen on {settings.bind}: {error.strerror or error}",
        expected="an address of this computer",
    )


async def serve(
    app: Litestar, settings: ApiSettings, *, ready: Callable[[int], None] = lambda port: None
) -> None:
    """Serve until cancelled, then end streams and connections within about two seconds.

    `ready` is called once with the port that is listened on. Signals are left alone.

    Raises:
        Faulty: the listener cannot be opened; the fault names the setting to change.
    """
    listener = listen(settings)
    try:
        config = uvicorn.Config(
            app,
            lifespan="off",
            access_log=False,
            log_config=None,
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_GRACE,
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.key,
        )
        server = _Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]), name="api")
        ready(listener.getsockname()[1])
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            changes: ChangeLog = app.state.changes
            changes.close()
            server.should_exit = True
            await _finish(running)
            raise
    finally:
        listener.close()


async def _finish(running: asyncio.Task[None]) -> None:
    """Wait for the server to end by itself; a second cancellation ends it hard."""
    try:
        await asyncio.wait_for(running, _GRACE + 2)
    except TimeoutError:
        log.warning("the API did not end in time and was cut off")
