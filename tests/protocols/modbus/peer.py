"""A Modbus peer in another process, devices for it, and an adapter run against it."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from protocols import modbus
from protocols.adapter import Adapter, Context
from protocols.modbus.adapter import ModbusAdapter
from registry.model import SECOND, Command, Device, DeviceKind, Link, Point, ValueType
from tests.contract.suite import Feed, House, Sink

NOW = 1_700_000_000 * SECOND


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Peer:
    """A pymodbus server that can be killed, frozen and started again on its port."""

    def __init__(self, units: Mapping[int, Mapping[str, Any]], *, rtu: bool = False) -> None:
        self.port = free_port()
        scheme = "modbus+rtu+tcp" if rtu else "modbus+tcp"
        self.endpoint = f"{scheme}://127.0.0.1:{self.port}"
        self._layout = json.dumps({"units": units, "rtu": rtu})
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.protocols.modbus.server",
            str(self.port),
            self._layout,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        assert await self._process.stdout.readline() == b"ready\n"

    def signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def stop(self) -> None:
        self.signal(signal.SIGKILL)
        if self._process is not None:
            await self._process.wait()
            self._process = None


@asynccontextmanager
async def serving(
    units: Mapping[int, Mapping[str, Any]], *, rtu: bool = False
) -> AsyncIterator[Peer]:
    """A running peer, gone at the end."""
    peer = Peer(units, rtu=rtu)
    await peer.start()
    try:
        yield peer
    finally:
        await peer.stop()


def point(name: str, address: dict[str, Any], **more: Any) -> Point:
    return Point(name=name, address=address, **{"type": ValueType.FLOAT, **more})


def device(endpoint: str, unit: int, *points: Point, name: str = "", **address: Any) -> Device:
    return Device(
        id=name or f"edge~unit-{unit}",
        home="edge",
        name="x",
        kind=DeviceKind.SENSOR,
        link=Link(protocol="modbus", endpoint=endpoint, address={"unit": unit, **address}),
        points=points,
    )


def order(target: Device, point_name: str, value: Any, **more: Any) -> Command:
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


def make(endpoint: str, connected: Any = lambda: None, **settings: Any) -> Adapter:
    return modbus.open(
        Context(
            node="edge",
            endpoint=endpoint,
            credential=None,
            now=lambda: NOW,
            settings={"timeout": 0.2, "period": 0.05, **settings},
            connected=connected,
        )
    )


async def until(holds: Callable[[], bool]) -> None:
    """Return when the condition holds; for conditions too dear to be tested at each emit."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running(endpoint: str, *devices: Device, **settings: Any) -> AsyncIterator[House]:
    """An adapter at work under a supervisor, ended at the end."""
    holder: list[House] = []
    adapter = make(endpoint, lambda: holder[0].connected(), **settings)
    assert isinstance(adapter, ModbusAdapter)
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
