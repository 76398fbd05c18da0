"""An OPC UA peer in another process, devices for it, and an adapter run against it."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
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


class Peer:
    """An asyncua server that can be told, killed, frozen and started again on its port."""

    def __init__(self, nodes: Mapping[str, tuple[str, Any]], **layout: Any) -> None:
        self.port = free_port()
        self.endpoint = f"opc.tcp://127.0.0.1:{self.port}/demo"
        self.layout: dict[str, Any] = {"nodes": nodes, **layout}
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.protocols.opcua.server",
            str(self.port),
            json.dumps(self.layout),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert await self._answer() == b"ready\n"

    async def _answer(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        return await self._process.stdout.readline()

    async def tell(self, **order: Any) -> None:
        """Give the server an order (see server.py); return when it is done."""
        async with self._turn:
            assert self._process is not None
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            assert await self._answer() == b"ok\n"

    def signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def stop(self) -> None:
        self.signal(signal.SIGKILL)
        if self._process is not None:
            await self._process.wait()
            self._process = None


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
