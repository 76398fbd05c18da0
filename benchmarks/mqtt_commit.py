"""MQTT QoS 1 messages of 4 points, from a publisher through Mosquitto to the durable commit.

The edge runs in a process of its own with its outbox on; paho-mqtt receiving only takes the same
messages from the same publisher in turn.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.figure import Measured, Scale
from benchmarks.intake import compare


async def run(scale: Scale, folder: Path) -> Sequence[Measured]:
    """Measure messages a second, from the first one sent to the last one durable."""
    pair = await compare(folder, scale, scale.of(40_000, 2_000))
    return [Measured("mqtt_commit", pair.ours.rate, pair.raw.rate)]
