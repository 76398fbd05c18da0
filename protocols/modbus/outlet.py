"""What was read, on its way to the house: gathered while the batch before is being committed."""

import asyncio
from typing import Final

from protocols.adapter import Emit
from registry.model import Event, Quality, ReadingBatch, Value

_BOUND: Final = 20_000
_LINGER: Final = 0.01
"""Seconds that a first reading waits for company: one batch for many answers."""


class Outlet:
    """Gathers readings and events and emits them in order, one batch in flight.

    The more slowly the house commits, the larger the batches; `room` holds the poller back when
    more than a bound is waiting.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._batch = ReadingBatch(device=[], point=[], value=[], source_time=[])
        self._quality: list[int] = []
        self._reason: list[str] = []
        self._events: list[Event] = []
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False

    def reading(
        self,
        device: str,
        point: str,
        value: Value | None,
        time: int,
        quality: Quality = Quality.GOOD,
        reason: str = "",
    ) -> None:
        """Add a reading; `time` is UTC nanoseconds."""
        batch = self._batch
        batch.device.append(device)
        batch.point.append(point)
        batch.value.append(value)
        batch.source_time.append(time)
        self._quality.append(int(quality))
        self._reason.append(reason)
        self._some.set()
        if len(self._quality) >= _BOUND:
            self._room.clear()

    def event(self, event: Event) -> None:
        """Add a status change or a misfit."""
        self._events.append(event)
        self._some.set()

    async def room(self) -> None:
        """Return when there is room for more readings."""
        await self._room.wait()

    async def run(self) -> None:
        """Emit what comes; after `close`, return when all is committed."""
        while not self._closed or self._some.is_set():
            await self._some.wait()
            if not self._closed:
                await asyncio.sleep(_LINGER)
            events = self._take()
            if events:
                await self._emit(events)

    def close(self) -> None:
        """Let `run` come to its end."""
        self._closed = True
        self._some.set()

    def _take(self) -> list[Event]:
        events, self._events = self._events, []
        if self._quality:
            batch = self._batch
            if any(self._quality):
                batch = ReadingBatch(
                    device=batch.device,
                    point=batch.point,
                    value=batch.value,
                    source_time=batch.source_time,
                    quality=self._quality,
                    reason=self._reason,
                )
            events.append(batch)
            self._batch = ReadingBatch(device=[], point=[], value=[], source_time=[])
            self._quality, self._reason = [], []
        self._some.clear()
        self._room.set()
        return events
