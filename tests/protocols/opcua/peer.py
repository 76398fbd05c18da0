"""An OPC UA peer in another process, devices for it, and an adapter run against it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from protocols import opcua
from protocols.adapter import Adapter, Context, Credential
from registry.model import SECOND, Command, Device, DeviceKind, Link, Point, ValueType
from tests.contract.suite import Feed, House, Sink

NOW = 1_700_000_000 * SECOND


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@cache
def nursery() -> tuple[str, object]:
    """Start the process that bears servers, once; it and its folder end when this process does."""
    folder = tempfile.TemporaryDirectory()
    path = str(Path(folder.name) / "nursery")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.protocols.opcua.server", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return path, (process, folder)


class Peer:
    """An asyncua server that can be told, killed, frozen and started again on its port."""

    def __init__(self, nodes: Mapping[str, tuple[str, Any]], **layout: Any) -> None:
        self.port = free_port()
        self.endpoint = f"opc.tcp://127.0.0.1:{self.port}/demo"
        self.layout: dict[str, Any] = {"port": self.port, "nodes": nodes, **layout}
        self._pid = 0
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        path, _ = await asyncio.to_thread(nursery)
        self._reader, self._writer = await asyncio.open_unix_connection(path)
        self._pid = int(await self._say(self.layout))

    async def _say(self, message: Mapping[str, Any]) -> bytes:
        self._writer.write(json.dumps(message).encode() + b"\n")
        return await self._reader.readline()

    async def tell(self, **order: Any) -> None:
        """Give the server an order (see server.py); return when it is done."""
        async with self._turn:
            assert await self._say(order) == b"ok\n"

    def signal(self, number: int) -> None:
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)

    async def stop(self) -> None:
        if not self._pid:
            return
        self.signal(signal.SIGKILL)
        self._pid = 0
        with contextlib.suppress(ConnectionError):
            while await self._reader.readline():
                pass
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


@asynccontextmanager
async def serving(nodes: Mapping[str, tuple[str, Any]], **layout: Any) -> AsyncIterator[Peer]:
    """A running peer, gone at the end."""
    peer = Peer(nodes, **layout)
    await peer.start()
    try:
        yield peer
    finally:
        await peer.stop()


def point(
    name: str, node: str = "", address: Mapping[str, Any] | None = None, **more: Any
) -> Point:
    fields = {"type": ValueType.FLOAT, **more}
    return Point(
        name=name, address={"node": f"nsu=urn:demo;s={node or name}", **(address or {})}, **fields
    )


def device(
    endpoint: str, name: str, *points: Point, credential: str | None = None, **address: Any
) -> Device:
    return Device(
        id=f"edge~{name}",
        home="edge",
        name="x",
        kind=DeviceKind.SENSOR,
        link=Link(protocol="opcua", endpoint=endpoint, address=address, credential=credential),
        points=points,
    )


def order(target: Device, point_name: str, value: Any = None, **more: Any) -> Command:
    fields: dict[str, Any] = {
        "id": "01HZ",
        "device": target.id,
        "action": "write",
        "deadline": NOW + 5 * SECOND,
        "asked_by": "operator",
        "asked_time": NOW,
        "point": point_name,
        "value": value,
    }
    return Command(**{**fields, **more})


def make(
    endpoint: str,
    connected: Callable[[], None] = lambda: None,
    credential: Credential | None = None,
    **settings: Any,
) -> Adapter:
    return opcua.open(
        Context(
            node="edge",
            endpoint=endpoint,
            credential=credential,
            now=lambda: NOW,
            settings={"timeout": 1.0, "period": 0.05, "watchdog": 0.4, **settings},
            connected=connected,
        )
    )


async def until(holds: Callable[[], bool]) -> None:
    """Return when the condition holds; for conditions too dear to be tested at each emit."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running(
    endpoint: str, *devices: Device, credential: Credential | None = None, **settings: Any
) -> AsyncIterator[House]:
    """An adapter at work under a supervisor, ended at the end."""
    holder: list[House] = []
    adapter = make(endpoint, lambda: holder[0].connected(), credential, **settings)
    house = House(adapter, Feed(devices), Sink())
    holder.append(house)
    task = asyncio.create_task(house.supervise())
    try:
        yield house
    finally:
        house.sink.release()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
