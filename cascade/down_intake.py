"""The lower end of the way down: takes commands, stores them once, confirms after that."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from cascade import control, topics
from cascade.bus import Bus
from cascade.control import DownAck
from cascade.envelope import Sealed, open_sealed, unpack
from cascade.faults import BadEnvelope
from cascade.receiving import StreamReceiver, Verdict
from cascade.screening import unreadable
from cascade.store import UplinkStore
from registry.model import Event, Lane, Mark, Time

log = logging.getLogger(__name__)

Deliver = Callable[[Sequence[Event], Mark], Awaitable[None]]
"""Stores events that came down together with their mark; returns once that is committed."""

_WAITING: Final = 64
_LANE: Final = Lane.ALARM
"""All that comes down has one sequence, kept under this lane's name."""


class DownIntake:
    """Receives the one stream that comes down from `upper`."""

    def __init__(
        self,
        *,
        bus: Bus,
        node: str,
        upper: str,
        store: UplinkStore,
        deliver: Deliver,
        now: Callable[[], Time],
    ) -> None:
        self._bus = bus
        self._node = node
        self._upper = upper
        self._store = store
        self._deliver = deliver
        self._now = now
        self._queue: asyncio.Queue[bytes | str] = asyncio.Queue(_WAITING)
        self._receiver: StreamReceiver | None = None

    def offer(self, payload: bytes) -> None:
        """Take an envelope that came down; beyond 64 waiting ones it is left to be resent."""
        if not self._queue.full():
            self._queue.put_nowait(payload)

    def report(self, epoch: str) -> None:
        """Tell the upper tier, soon, how far its stream of `epoch` is stored here."""
        if not self._queue.full():
            self._queue.put_nowait(epoch)

    async def run(self) -> None:
        """Store what comes down, in order."""
        while True:
            item = await self._queue.get()
            if isinstance(item, str):
                await self._confirm(await self._of(item))
            else:
                await self._take(item)

    async def _take(self, payload: bytes) -> None:
        try:
            sealed = open_sealed(payload)
        except BadEnvelope as error:
            log.warning("An envelope from %s cannot be read and is ignored: %s", self._upper, error)
            return
        if sealed.source != self._upper or sealed.lane is not _LANE:
            log.warning("An envelope of %r came down from %s: ignored", sealed.source, self._upper)
            return
        receiver = await self._of(sealed.epoch)
        verdict = receiver.judge(sealed)
        if verdict in (Verdict.NEXT, Verdict.HOLD):  # nothing that comes down requires anything
            await self._store_events(receiver, sealed)
        await self._confirm(receiver, resend=verdict is Verdict.GAP)

    async def _store_events(self, receiver: StreamReceiver, sealed: Sealed) -> None:
        events: Sequence[Event]
        try:
            envelope = unpack(sealed)
            events = [
                *envelope.events,
                *(
                    unreadable(self._upper, why, sample, self._now())
                    for why, sample in envelope.unreadable
                ),
            ]
        except BadEnvelope as error:
            events = [unreadable(self._upper, str(error), "", self._now())]
        await self._deliver(events, sealed.mark)
        receiver.commit(await self._store.positions(self._upper, sealed.epoch))

    async def _of(self, epoch: str) -> StreamReceiver:
        if self._receiver is None or self._receiver.epoch != epoch:
            positions = await self._store.positions(self._upper, epoch)
            self._receiver = StreamReceiver(epoch, positions)
        return self._receiver

    async def _confirm(self, receiver: StreamReceiver, *, resend: bool = False) -> None:
        message = DownAck(epoch=receiver.epoch, sequence=receiver.stored(_LANE), resend=resend)
        topic = topics.up(self._upper, self._node, topics.DOWN_ACK)
        await self._bus.publish(topic, control.write(message))
