"""Readings that came before their device are stored once it is known."""

import asyncio
from pathlib import Path

from gateway.readoption import Readoption
from registry.model import Discovered
from registry.store import aside, twin
from tests.gateway.support import NOW, Clock, core, device, reading


async def test_early_readings_find_their_place_once(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        readers = opened.stores.readers
        await opened.pipeline.emit([reading(1.0), reading("odd", NOW + 1)], "test")
        assert await readers.read(aside.waiting) == {"edge-1~a": 2}
        readoption = Readoption(opened.pipeline, readers)
        opened.pipeline.listen(readoption)
        running = asyncio.create_task(readoption.run())
        await opened.pipeline.emit([Discovered(device=device())], "test")
        async with asyncio.timeout(10):
            while await readers.read(aside.waiting) != {"edge-1~a": 1}:  # noqa: ASYNC110 - a store
                await asyncio.sleep(0.01)
        running.cancel()
        history = opened.stores.history.read("edge-1~a", "level", 0, NOW * 2)
        assert (history.time, history.value) == ([NOW], [1.0])
        assert await readers.read(lambda c: twin.latest(c, "edge-1~a")) == []
