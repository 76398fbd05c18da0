"""Readings from devices through an edge to the durable commit of a province.

Two real nodes, each its own process, and one Mosquitto for devices and cascade: devices publish
messages of 100 points by QoS 1, the edge commits and sends, the province commits. The clock runs
from the first message sent to the last reading in the province's database.

The raw figure is paho-mqtt receiving messages as large as the envelopes that travelled, by QoS 1
through the same broker, counted as the readings that such an envelope holds.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Final

from benchmarks.children import free_ports, mosquitto, python, running
from benchmarks.envelope import seal
from benchmarks.figure import Failed, Measured, Scale, say
from benchmarks.house import NodeProcess
from benchmarks.workload import MILLISECOND, NODE, batches, devices, mqtt_link
from registry.exchange.document import Document
from registry.model import Lane
from registry.store import counters

_STATIONS: Final = 50
_POINTS: Final = 100
_PROVINCE: Final = "province"
_POLL: Final = 0.02
_BILLION: Final = 1e9


async def run(scale: Scale, folder: Path) -> Sequence[Measured]:
    """Measure readings a second until they are durable at the province."""
    readings = scale.of(500_000, 20_000)
    async with mosquitto(folder) as port, _house(folder, port) as (edge, province):
        rate = await _flow(folder, port, province, readings)
        size = readings / max(1, _envelopes(edge.home / "main.db"))
        say(f"   {rate:,.0f} readings/s in envelopes of {size:,.0f}")
    async with mosquitto(folder) as port:
        raw = await _paho(folder, port, round(size), scale.of(20_000, 1_000))
    return [Measured("cascade", rate, raw)]


@asynccontextmanager
async def _house(folder: Path, port: int) -> AsyncIterator[tuple[NodeProcess, NodeProcess]]:
    """Run an edge below a province, with devices, linked."""
    edge_api, province_api = free_ports(2)
    url = f"mqtt://127.0.0.1:{port}"
    edge = NodeProcess(
        folder,
        {
            "node": {"name": NODE, "role": "edge"},
            "api": {"port": edge_api},
            "credentials": {"none": {}},
            "upper": {"name": _PROVINCE, "url": url, "credential": "none"},
        },
    )
    province = NodeProcess(
        folder,
        {
            "node": {"name": _PROVINCE, "role": "province"},
            "api": {"port": province_api},
            "credentials": {"none": {}},
            "lower": {"url": url, "credential": "none", "nodes": [{"name": NODE}]},
        },
    )
    known = devices(_STATIONS, _POINTS, mqtt_link(port))
    await edge.register(Document(devices=tuple(known)))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(province.running())
        await stack.enter_async_context(edge.running())
        await edge.connected([url, f"upper:{_PROVINCE}"])
        yield edge, province


async def _flow(folder: Path, port: int, province: NodeProcess, readings: int) -> float:
    """Let readings flow; return how many a second became durable at the province."""
    messages = readings // _POINTS
    command = python(
        "benchmarks.peers.publisher", port, messages,
        "--stations", _STATIONS, "--points", _POINTS,
    )  # fmt: skip
    patience = 60 + readings / 1000
    async with running("publisher", command, folder) as publisher:
        await publisher.line(patience)
        publisher.go()
        began: int = (await publisher.answer(patience))["began"]
        ended = await _arrived(province, readings, patience)
    return readings / ((ended - began) / _BILLION)


async def _arrived(province: NodeProcess, readings: int, patience: float) -> int:
    """Return the moment when the province's database holds all readings."""
    deadline = time.monotonic() + patience
    stored = 0
    while time.monotonic() < deadline:
        moment = time.monotonic_ns()
        stored = _stored(province.home / "main.db")
        if stored >= readings:
            return moment
        await asyncio.sleep(_POLL)
    raise Failed(f"the province holds {stored} of {readings} readings after {patience:.0f} s")


def _stored(database: Path) -> int:
    with suppress(sqlite3.OperationalError), closing(_reader(database)) as reader:
        return counters.get(reader, "readings_stored")
    return 0


def _envelopes(database: Path) -> int:
    """Return how many envelopes of telemetry a node has made."""
    with closing(_reader(database)) as reader:
        row = reader.execute(
            "SELECT next_sequence FROM outbox_stream WHERE lane = ?", (Lane.TELEMETRY.value,)
        ).fetchone()
    return int(row[0]) - 1 if row else 0


def _reader(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)


async def _paho(folder: Path, port: int, size: int, messages: int) -> float:
    """Return the readings a second of paho receiving envelopes of `size` readings each."""
    start = time.time_ns() - size * MILLISECOND
    [batch] = batches(1, size, devices(_STATIONS, _POINTS), start)
    payload = folder / "envelope.bin"
    payload.write_bytes(seal(1, batch))
    receiving = python("benchmarks.peers.paho_receiver", port, "bench", messages)
    sending = python("benchmarks.peers.publisher", port, messages, "--payload", payload)
    async with (
        running("paho", receiving, folder) as receiver,
        running("raw-publisher", sending, folder) as publisher,
    ):
        await receiver.line()
        await publisher.line()
        publisher.go()
        began: int = (await publisher.answer(300))["began"]
        ended: int = (await receiver.answer(300))["ended"]
    return messages * size / ((ended - began) / _BILLION)
