"""What the pipeline does to readings before they are stored: fit to the registry, and rules.

Batches of 1,000 readings of 250 devices; a rule watches each fourth reading. Nothing is stored.
The raw figure is sqlite3 alone storing the same rows, so that a ratio above 1 means: storing,
not judging, is what a reading costs.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figure import Measured, Scale, middle
from benchmarks.floor import sqlite_rate
from benchmarks.workload import MILLISECOND, NODE, batches, devices, rule
from edge_ai.threshold import Thresholds
from gateway.fit import Fit
from gateway.roster import Roster
from registry.model import ReadingBatch


async def run(scale: Scale, folder: Path) -> Sequence[Measured]:
    """Measure readings a second, in memory."""
    known = devices(250, 4)
    count = scale.of(300, 20)
    start = time.time_ns() - count * 1000 * MILLISECOND
    work = list(batches(count, 1000, known, start))
    roster = Roster(NODE)
    roster.load((device, None) for device in known)
    rules = Thresholds()
    rules.load([rule()], roster.own(), ())
    rates = [_judge(Fit(roster.fits), rules, work) for _ in range(scale.of(3, 1))]
    return [Measured("pipeline_memory", middle(rates), sqlite_rate(folder, work))]


def _judge(fit: Fit, rules: Thresholds, work: Sequence[ReadingBatch]) -> float:
    """Do with each batch what `Pipeline` does with an adapter's readings."""
    began = time.perf_counter()
    readings = 0
    for batch in work:
        fitted = fit.own(batch, NODE, time.time_ns())
        watched = rules.watched
        for s in fitted.samples:
            if (s[0], s[1]) in watched:
                rules.judge(s.device, s.point, s.value, s.source_time)
        readings += len(fitted.samples)
    return readings / (time.perf_counter() - began)
