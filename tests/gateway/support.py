"""A node's core in a temporary folder, and devices to feed it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from gateway.config import Settings, parse
from gateway.core import Core
from registry.model import Device, DeviceKind, Point, Reading, ReadingBatch, ValueType

NOW = 1_790_000_000_000_000_000
EDGE = b"""
node: {name: edge-1, role: edge}
upper: {name: city, url: "mqtt://127.0.0.1:1", credential: up}
credentials: {up: {username: edge-1, password: x}}
"""


class Clock:
    """A clock that stands until it is told to go."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def settings(folder: Path, text: bytes = EDGE) -> Settings:
    read = parse(text, folder, {})
    return replace(read, data=replace(read.data, folder=str(folder / "data")))


@asynccontextmanager
async def core(folder: Path, clock: Clock, text: bytes = EDGE) -> AsyncIterator[Core]:
    opened = Core(settings(folder, text), clock)
    await opened.start()
    try:
        yield opened
    finally:
        await opened.close()


def device(local: str = "a", **more: object) -> Device:
    fields: dict[str, object] = {
        "id": f"edge-1~{local}",
        "home": "edge-1",
        "name": local,
        "kind": DeviceKind.SENSOR,
        "points": (
            Point(name="level", unit="m", cadence=5.0),
            Point(name="count", type=ValueType.INT),
            Point(name="open", type=ValueType.BOOL),
            Point(name="text", type=ValueType.STR),
        ),
    }
    return Device(**(fields | more))  # type: ignore[arg-type]


def reading(value: object, time: int = NOW, point: str = "level", local: str = "a") -> ReadingBatch:
    return ReadingBatch.of(
        [
            Reading(device=f"edge-1~{local}", point=point, value=value, source_time=time)  # type: ignore[arg-type]
        ]
    )
