"""Readings that came before their device: once the registry knows it, they find their place."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from gateway.commit import StoreFailed
from gateway.history import Sample
from gateway.pipeline import Pipeline
from gateway.readers import Readers
from registry.model import Discovered, Event, Reading
from registry.store import aside

log = logging.getLogger(__name__)

_CHUNK: Final = 1_000


class Readoption:
    """A `pipeline.Listener` that takes set-aside readings back when a device is new or changed."""

    def __init__(self, pipeline: Pipeline, readers: Readers) -> None:
        self._pipeline = pipeline
        self._readers = readers
        self._changed: set[str] = set()
        self._news = asyncio.Event()

    def committed(self, samples: Sequence[Sample], events: Sequence[Event]) -> None:
        """Hear which devices are new or changed."""
        devices = [event.device.id for event in events if isinstance(event, Discovered)]
        if devices:
            self._changed.update(devices)
            self._news.set()

    async def run(self) -> None:
        """Take readings back until cancelled; what cannot be stored now waits for the next news."""
        while True:
            await self._news.wait()
            self._news.clear()
            changed, self._changed = self._changed, set()
            waiting = await self._readers.read(aside.waiting)
            for device in changed & waiting.keys():
                try:
                    await self._take_back(device)
                except StoreFailed as error:
                    log.error("readings set aside: %s", error, extra={"device": device})

    async def _take_back(self, device: str) -> None:
        after, taken = 0, 0
        while rows := await self._peek(device, after):
            taken += await self._pipeline.take_back(rows)
            after = rows[-1][0]
        if taken:
            log.info("%d readings that came too early are stored", taken, extra={"device": device})

    async def _peek(self, device: str, after: int) -> list[tuple[int, Reading]]:
        return await self._readers.read(
            lambda connection: aside.peek(connection, device, after=after, limit=_CHUNK)
        )
