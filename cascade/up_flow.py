"""Sending what waits in the outbox: one window per lane, the most important lane first."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from cascade import topics
from cascade.bus import Bus
from cascade.control import Ack
from cascade.envelope import seal, stow_tombstone
from cascade.outbox import Identity, Row, Stream
from cascade.parcel import SEND_ORDER, Tombstone
from cascade.sending import SendWindow
from cascade.store import UplinkStore
from cascade.timing import Timing
from registry.model import Lane, Time

_CHUNK: Final = 4
_MAX_PUBLISHING: Final = 256
_GONE: Final = "the sender no longer has it: it was committed by an upper tier before"


class UpFlow:
    """The four lanes over one connection. Set `wake` whenever something may have to be sent."""

    def __init__(
        self,
        *,
        bus: Bus,
        group: asyncio.TaskGroup,
        upper: str,
        store: UplinkStore,
        timing: Timing,
        wake: asyncio.Event,
        clock: Callable[[], float],
        now: Callable[[], Time],
    ) -> None:
        self._open = False
        self._bus = bus
        self._group = group
        self._upper = upper
        self._store = store
        self._wake = wake
        self._clock = clock
        self._now = now
        self._who = Identity("", "")
        self._windows = {lane: SendWindow(timing.window, timing.resend) for lane in SEND_ORDER}
        self._registry_first = 0
        self._publishing = 0

    @property
    def under_way(self) -> int:
        """How many envelopes wait for an acknowledgement."""
        return sum(window.under_way for window in self._windows.values())

    async def begin(
        self, who: Identity, streams: Mapping[Lane, Stream], positions: Mapping[str, int]
    ) -> None:
        """Prepare to go on from where the upper tier stands; `start` lets it flow."""
        self._who = who
        self._registry_first = 0
        for lane, window in self._windows.items():
            position = positions.get(lane.value, 0)
            kept_from = streams[lane].acknowledged
            if position > kept_from:
                await self._store.acknowledge(lane, position)
            window.resume(position, kept_from, self._clock())

    def start(self) -> None:
        """Let it flow."""
        self._open = True
        self._wake.set()

    def stop(self) -> None:
        """Send nothing more until `start`."""
        self._open = False

    def registry_first(self, sequence: int) -> None:
        """Hold the other lanes until the registry lane is acknowledged up to `sequence`."""
        self._registry_first = sequence

    async def acked(self, lane: Lane, ack: Ack) -> bool:
        """Take an acknowledgement: delete, slide the window. False if it says that the upper tier
        fell behind what it once acknowledged."""
        window = self._windows[lane]
        if ack.resend and ack.sequence < window.acknowledged:
            return False
        if window.acknowledged < ack.sequence <= window.highest:
            await self._store.acknowledge(lane, ack.sequence)
            window.acked(ack.sequence, self._clock())
        if ack.resend:
            window.rewind(self._clock())
        self._wake.set()
        return True

    def remind(self) -> bool:
        """Send again what was not acknowledged for too long; tells whether there was any."""
        late = [window for window in self._windows.values() if window.overdue(self._clock())]
        for window in late:
            window.rewind(self._clock())
        if late:
            self._wake.set()
        return bool(late)

    async def run(self) -> None:
        """Send whenever woken."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._open:
                await self._send_waiting()

    async def _send_waiting(self) -> None:
        idle: set[Lane] = set()
        while self._open and self._publishing < _MAX_PUBLISHING:
            if self._wake.is_set():
                self._wake.clear()
                idle.clear()
            lane = next((ln for ln in SEND_ORDER if ln not in idle and self._may(ln)), None)
            if lane is None:
                return
            if not await self._send_some(lane):
                idle.add(lane)

    def _may(self, lane: Lane) -> bool:
        held = self._windows[Lane.REGISTRY].acknowledged < self._registry_first
        return self._windows[lane].room > 0 and not (held and lane is not Lane.REGISTRY)

    async def _send_some(self, lane: Lane) -> bool:
        window = self._windows[lane]
        bridge = window.next_bridge
        if bridge is not None:
            first, last = bridge
            stone = stow_tombstone(first, Tombstone(reason=_GONE), created=self._now())
            self._publish(lane, Row(last, stone))
            return True
        after = window.cursor
        rows = await self._store.read(lane, after, min(_CHUNK, window.room))
        if window.cursor != after or not self._open:  # it was rewound while reading
            return True
        for row in rows:
            self._publish(lane, row)
        return bool(rows)

    def _publish(self, lane: Lane, row: Row) -> None:
        name, epoch = self._who.name, self._who.epoch
        payload = seal(name, epoch, lane, row.sequence, row.payload)
        topic = topics.up(self._upper, name, lane.value)
        task = self._group.create_task(self._bus.publish(topic, payload))
        self._publishing += 1
        task.add_done_callback(self._published)
        self._windows[lane].sent(row.sequence, self._clock())

    def _published(self, _: asyncio.Task[None]) -> None:
        self._publishing -= 1
        if self._publishing == _MAX_PUBLISHING - 1:
            self._wake.set()
