"""A real edge without its API: core, supervisor, MQTT adapter, durable commit with an outbox.

Prints `ready` once the adapter is connected, and when `readings` are durable JSON with `ended`
(monotonic nanoseconds) and `cpu` (user and system seconds of this process since `ready`).
"""

import argparse
import asyncio
import cProfile
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.house import edge_settings
from benchmarks.workload import devices, mqtt_link, rule
from gateway.api.changelog import ChangeLog
from gateway.core import Core
from gateway.history import Sample
from gateway.inventory import take_in
from gateway.metrics import Metrics
from gateway.publisher import Publisher
from gateway.roles import Adapters
from gateway.supervisor import Supervisor
from protocols.adapter import Adapter
from registry.exchange.document import Document
from registry.model import Device, Event


class Counter:
    """Counts what is durable (a `pipeline.Listener`)."""

    def __init__(self, wanted: int) -> None:
        self._left = wanted
        self.done = asyncio.Event()
        self.ended = 0

    def committed(self, samples: Sequence[Sample], events: Sequence[Event]) -> None:
        self._left -= len(samples)
        if self._left <= 0 and not self.ended:
            self.ended = time.monotonic_ns()
            self.done.set()


async def serve(options: argparse.Namespace) -> None:
    """Take messages until all their readings are durable."""
    core = Core(edge_settings(options.folder))
    await core.start()
    adapters = Adapters(core.settings, core.now)
    ready = asyncio.Event()

    def open_adapter(device: Device, connected: Callable[[], None]) -> Adapter:
        def told() -> None:
            connected()
            ready.set()

        return adapters(device, told)

    supervisor = Supervisor(
        open_adapter=open_adapter,
        emit=core.pipeline.emit,
        now=core.now,
        metrics=Metrics(),
    )
    running = asyncio.create_task(supervisor.run())
    try:
        known = devices(options.stations, options.points, mqtt_link(options.port))
        await take_in(core, Document(devices=tuple(known), rules=(rule(),)))
        counter = Counter(options.readings)
        core.pipeline.listen(counter)
        core.pipeline.listen(Publisher(ChangeLog()))
        for device in known:
            supervisor.changed(None, device)
        await ready.wait()
        await _count(counter, options.profile)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await core.close()


async def _count(counter: Counter, profile: Path | None) -> None:
    print("ready", flush=True)
    before = time.process_time()
    profiler = cProfile.Profile()
    if profile is not None:
        profiler.enable()
    await counter.done.wait()
    if profile is not None:
        profiler.disable()
        profiler.dump_stats(profile)
    told = {"ended": counter.ended, "cpu": time.process_time() - before}
    print(json.dumps(told), flush=True)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("readings", type=int)
    parser.add_argument("--stations", type=int, default=100)
    parser.add_argument("--points", type=int, default=4)
    parser.add_argument("--profile", type=Path, help="write cProfile's statistics of the loop here")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
