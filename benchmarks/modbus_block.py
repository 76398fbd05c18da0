"""Registers a second through the Modbus adapter, each register a point, in reads of 120.

The raw figure is pymodbus' client reading the same blocks from the same server, one connection,
one request after the other, its answers dropped. Both peers read as fast as the server answers.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pymodbus.client import AsyncModbusTcpClient

from benchmarks.children import free_ports, python, running
from benchmarks.figure import Failed, Measured, Scale, middle, say
from benchmarks.workload import NODE
from protocols import modbus
from protocols.adapter import Context
from registry.model import Device, DeviceKind, Event, Link, Point, ReadingBatch, ValueType

_BLOCK = 120
_BLOCKS = 4
_UNITS = 100


async def run(scale: Scale, folder: Path) -> Sequence[Measured]:
    """Measure registers a second."""
    seconds = scale.of(6.0, 1.0)
    [port] = free_ports(1)
    registers = _BLOCK * _BLOCKS
    command = python("benchmarks.peers.modbus_server", port, _UNITS, registers)
    ours, raw = [], []
    async with running("modbus-server", command, folder) as server:
        await server.line()
        for turn in range(scale.of(3, 1)):
            raw.append(await _pymodbus(port, seconds))
            ours.append(await _adapter(port, seconds))
            say(f"   {turn}: {ours[-1]:,.0f} registers/s, pymodbus alone {raw[-1]:,.0f}")
    return [Measured("modbus_block", middle(ours), middle(raw))]


async def _pymodbus(port: int, seconds: float) -> float:
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    if not await client.connect():
        raise Failed("pymodbus' server does not let its client in")
    count = 0
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        unit, block = divmod(count // _BLOCK, _BLOCKS)
        answer = await client.read_holding_registers(
            block * _BLOCK, count=_BLOCK, device_id=unit % _UNITS + 1
        )
        if answer.isError():
            raise Failed(f"pymodbus' server refuses a read: {answer}")
        count += len(answer.registers)
    client.close()
    return count / passed


class _Feed:
    """Devices that never change (`protocols.adapter.DeviceFeed`)."""

    def __init__(self, port: int) -> None:
        self._devices = {device.id: device for device in _devices(port)}

    def take(self) -> Mapping[str, Device]:
        return self._devices

    async def changed(self) -> None:
        await asyncio.Event().wait()


class _Count:
    """Counts readings from the first batch on."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.readings = 0

    async def emit(self, events: Sequence[Event]) -> None:
        got = sum(len(event) for event in events if isinstance(event, ReadingBatch))
        if self.first.is_set():
            self.readings += got
        elif got:
            self.first.set()


async def _adapter(port: int, seconds: float) -> float:
    count = _Count()
    context = Context(
        node=NODE, endpoint=f"modbus+tcp://127.0.0.1:{port}", credential=None, now=time.time_ns
    )
    task = asyncio.create_task(modbus.open(context).run(_Feed(port), count.emit))
    first = asyncio.create_task(count.first.wait())
    await asyncio.wait([task, first], timeout=60, return_when=asyncio.FIRST_COMPLETED)
    began = time.perf_counter()
    done, _ = await asyncio.wait([task], timeout=seconds)
    passed = time.perf_counter() - began
    for each in (task, first):
        each.cancel()
    outcomes = await asyncio.gather(task, first, return_exceptions=True)
    if done or not count.readings:
        raise Failed(f"the adapter ended or read nothing: {outcomes[0]!r}")
    return count.readings / passed


def _devices(port: int) -> list[Device]:
    """Return a device for each unit; each is polled faster than the line can."""
    points = tuple(
        Point(name=f"r{i}", type=ValueType.INT, address={"register": i, "type": "uint16"})
        for i in range(_BLOCK * _BLOCKS)
    )
    return [
        Device(
            id=f"{NODE}~u{unit}",
            home=NODE,
            name=f"unit {unit}",
            kind=DeviceKind.METER,
            link=Link(
                protocol="modbus",
                endpoint=f"modbus+tcp://127.0.0.1:{port}",
                address={"unit": unit + 1, "period": 0.05, "max_registers": _BLOCK},
            ),
            points=points,
        )
        for unit in range(_UNITS)
    ]
