"""Several emits under way at once, acknowledged to the broker in the order of arrival."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from protocols.adapter import Emit
from protocols.mqtt.client import Message, MqttClient
from registry.model import Event

_LANDING: Final = 5.0


class Flight:
    """Batches between the broker and the disk: at most `limit` of them."""

    def __init__(self, client: MqttClient, emit: Emit, limit: int) -> None:
        self._client = client
        self._emit = emit
        self._free = asyncio.Semaphore(limit)
        self._under_way: deque[tuple[asyncio.Task[None], Sequence[Message]]] = deque()
        self._launched = asyncio.Event()

    async def launch(self, events: Sequence[Event], messages: Sequence[Message]) -> None:
        """Start an emit as soon as one of the places is free."""
        await self._free.acquire()
        work = self._hand_over(events)
        self._under_way.append((asyncio.create_task(work), messages))
        self._launched.set()

    async def _hand_over(self, events: Sequence[Event]) -> None:
        if events:
            await self._emit(events)

    async def settle(self) -> None:
        """Acknowledge each batch once it is committed, for ever; an emit's failure ends it."""
        while True:
            while self._under_way:
                task, messages = self._under_way[0]
                await asyncio.shield(task)
                self._under_way.popleft()
                self._client.ack(messages)
                self._free.release()
            self._launched.clear()
            await self._launched.wait()

    async def land(self) -> None:
        """Give emits under way a few seconds to end, when there is nothing left to acknowledge."""
        if self._under_way:
            await asyncio.wait([task for task, _ in self._under_way], timeout=_LANDING)

    async def abandon(self) -> None:
        """Cancel what is still under way."""
        await cancel([task for task, _ in self._under_way])


async def cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for their end; what they raise is dropped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def first_end(*work: Coroutine[Any, Any, None]) -> None:
    """Run all until the first ends; the others are cancelled, its exception is raised."""
    tasks = [asyncio.create_task(w) for w in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task in done:
                task.result()
    finally:
        await cancel(tasks)
