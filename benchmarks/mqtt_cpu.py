"""CPU of the edge process (user and system) for a message of 4 points, to the durable commit.

Once as fast as messages come, where batches are large; once at 1,000 messages a second, where
each commit holds few and waking up costs most. There the target is half of what a peer gateway
in Python was measured to need (0.52 ms at 1,000 messages a second, memory store).
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.figure import Measured, Scale
from benchmarks.intake import compare


async def run(scale: Scale, folder: Path) -> Sequence[Measured]:
    """Measure CPU milliseconds a message."""
    fast = await compare(folder, scale, scale.of(30_000, 2_000))
    paced = await compare(folder, scale, scale.of(8_000, 1_000), rate=1_000)
    return [
        Measured("mqtt_cpu", fast.ours.cpu, fast.raw.cpu),
        Measured("mqtt_cpu_1000", paced.ours.cpu, paced.raw.cpu),
    ]
