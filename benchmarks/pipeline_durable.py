"""Readings through `Pipeline.emit` until they are durable: fit, rules, history, twin, outbox.

Batches of 1,000 readings of 250 devices, four under way at once, as an adapter keeps them.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.figure import Measured, Scale, middle, say
from benchmarks.floor import sqlite_rate
from benchmarks.house import edge_settings
from benchmarks.workload import MILLISECOND, batches, devices, rule
from gateway.core import Core
from gateway.inventory import take_in
from registry.exchange.document import Document
from registry.model import Device, ReadingBatch

_UNDER_WAY = 4


async def run(scale: Scale, folder: Path) -> Sequence[Measured]:
    """Measure readings a second, durable."""
    known = devices(250, 4)
    count = scale.of(200, 10)
    start = time.time_ns() - count * 1000 * MILLISECOND
    work = list(batches(count, 1000, known, start))
    ours, raw = [], []
    for turn in range(scale.of(3, 1)):
        place = folder / str(turn)
        place.mkdir()
        raw.append(sqlite_rate(place, work))
        ours.append(await _emit(place, known, work))
        say(f"   {turn}: {ours[-1]:,.0f} readings/s, sqlite3 alone {raw[-1]:,.0f}")
    return [Measured("pipeline_durable", middle(ours), middle(raw))]


async def _emit(folder: Path, known: Sequence[Device], work: Sequence[ReadingBatch]) -> float:
    core = Core(edge_settings(folder))
    await core.start()
    try:
        await take_in(core, Document(devices=tuple(known), rules=(rule(),)))
        left = iter(work)
        began = time.perf_counter()
        await asyncio.gather(*(_hand_over(core, left) for _ in range(_UNDER_WAY)))
        seconds = time.perf_counter() - began
    finally:
        await core.close()
    return sum(map(len, work)) / seconds


async def _hand_over(core: Core, left: Iterator[ReadingBatch]) -> None:
    for batch in left:
        await core.pipeline.emit([batch], "bench")
