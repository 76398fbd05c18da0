"""The devices and readings that benchmarks use: stations with a level, a flow and so on."""

import random
from collections.abc import Iterator, Sequence
from typing import Final

from registry.model import (
    Comparison,
    Device,
    DeviceKind,
    Link,
    Point,
    ReadingBatch,
    Severity,
    ThresholdRule,
    Time,
    ValueRange,
    to_rfc3339,
)

NODE: Final = "edge"
TOPIC: Final = "site/{local}/telemetry"
NAMES: Final = ("level", "flow", "temperature", "battery")
MILLISECOND: Final[Time] = 1_000_000
_SPAN: Final = 1000.0


def point_names(count: int) -> list[str]:
    """Return the names of a device's points: the usual four, then numbered ones."""
    return [*NAMES[:count], *(f"p{i}" for i in range(len(NAMES), count))]


def devices(count: int, points: int, link: Link | None = None) -> list[Device]:
    """Return like devices of the node `edge`."""
    shape = tuple(
        Point(name=name, range=ValueRange(low=-_SPAN, high=_SPAN)) for name in point_names(points)
    )
    return [
        Device(
            id=f"{NODE}~s{i:04d}",
            home=NODE,
            name=f"station {i}",
            kind=DeviceKind.SENSOR,
            category="water",
            link=link,
            points=shape,
        )
        for i in range(count)
    ]


def mqtt_link(port: int) -> Link:
    """Return the link of devices that publish JSON to a broker on this machine."""
    return Link(
        protocol="mqtt",
        endpoint=f"mqtt://127.0.0.1:{port}",
        address={"topic": TOPIC, "time": "/ts", "time_format": "rfc3339"},
    )


def rule() -> ThresholdRule:
    """Return a rule that watches a quarter of the readings and is never broken."""
    return ThresholdRule(
        id="level-high",
        point="level",
        comparison=Comparison.ABOVE,
        limit=_SPAN,
        severity=Severity.MAJOR,
        category="water",
    )


def payloads(count: int, stations: int, points: int, start: Time) -> Iterator[tuple[str, bytes]]:
    """Yield (topic, JSON) of messages, each a millisecond after the one before.

    With four points a payload has about 100 bytes.
    """
    chance = random.Random(7)
    names = point_names(points)
    for i in range(count):
        values = "".join(f',"{name}":{chance.uniform(0, 100):.2f}' for name in names)
        topic = TOPIC.replace("{local}", f"s{i % stations:04d}")
        yield topic, f'{{"ts":"{to_rfc3339(start + i * MILLISECOND)}"{values}}}'.encode()


def batches(count: int, size: int, known: Sequence[Device], start: Time) -> Iterator[ReadingBatch]:
    """Yield batches of `size` readings: every device with all its points, a millisecond apart."""
    chance = random.Random(7)
    row = 0
    series = [(device.id, point.name) for device in known for point in device.points]
    level = [chance.uniform(0, 100) for _ in series]
    for _ in range(count):
        batch = ReadingBatch(device=[], point=[], value=[], source_time=[])
        for _ in range(size):
            at = row % len(series)
            level[at] += chance.uniform(-0.5, 0.5)
            batch.device.append(series[at][0])
            batch.point.append(series[at][1])
            batch.value.append(round(level[at], 2))
            batch.source_time.append(start + row // len(known[0].points) * MILLISECOND)
            row += 1
        yield batch
