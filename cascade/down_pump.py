"""The upper end of the way down: sends what waits for one child until the child has stored it."""

import asyncio
import logging
from typing import Final

from cascade import topics
from cascade.control import DownAck
from cascade.envelope import seal, stow_tombstone
from cascade.outbox import Row
from cascade.parcel import Tombstone
from cascade.sending import SendWindow
from cascade.upstairs import Upstairs
from registry.model import Lane

log = logging.getLogger(__name__)

_CHUNK: Final = 4
_GONE: Final = "the upper tier no longer has it: it was stored by this node, or its name, before"


class DownPump:
    """One child's queue. It stands still until the child says how far it has come."""

    def __init__(self, child: str, up: Upstairs) -> None:
        self.wake = asyncio.Event()
        self._child = child
        self._up = up
        self._open = False
        self._window = SendWindow(up.timing.window, up.timing.resend)

    def pause(self) -> None:
        """Stand still until the child speaks again."""
        self._open = False

    def remind(self) -> None:
        """Send again what was not confirmed for too long."""
        if self._open and self._window.overdue(self._up.clock()):
            self._window.rewind(self._up.clock())
            self.wake.set()

    async def confirmed(self, answer: DownAck) -> None:
        """Take what the child says of how far it has stored."""
        if answer.epoch != self._up.epoch:
            return
        window, moment = self._window, self._up.clock()
        if not self._open or (answer.resend and answer.sequence < window.acknowledged):
            await self._begin(answer.sequence)
        elif window.acknowledged < answer.sequence <= window.highest:
            await self._up.store.down_acknowledge(self._child, answer.sequence)
            window.acked(answer.sequence, moment)
        if answer.resend:
            window.rewind(moment)
        self.wake.set()

    async def run(self) -> None:
        """Send whenever woken. Runs until cancelled."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            while self._open and self._window.room > 0 and await self._send_some():
                pass

    async def _begin(self, position: int) -> None:
        store = self._up.store
        state = await store.down_state(self._child)
        if position >= state.next:
            log.error(
                "%s says that it has stored number %d, this node gave it none above %d: either "
                "this is a restored or copied database, or that node is not to be trusted. What "
                "is ordered from now on is numbered above.",
                self._child,
                position,
                state.next - 1,
                extra={"device": self._child},
            )
            await store.down_skip_to(self._child, position)
            state = await store.down_state(self._child)
        await store.down_acknowledge(self._child, position)
        self._window.resume(position, state.acknowledged, self._up.clock())
        self._open = True

    async def _send_some(self) -> bool:
        window = self._window
        bridge = window.next_bridge
        if bridge is not None:
            first, last = bridge
            stone = stow_tombstone(first, Tombstone(reason=_GONE), created=self._up.now())
            await self._send(Row(last, stone))
            return True
        after = window.cursor
        rows = await self._up.store.down_read(self._child, after, min(_CHUNK, window.room))
        for row in rows:
            if not self._open or window.cursor != after:
                return True
            await self._send(row)
            after = row.sequence
        return bool(rows)

    async def _send(self, row: Row) -> None:
        self._window.sent(row.sequence, self._up.clock())
        payload = seal(self._up.name, self._up.epoch, Lane.ALARM, row.sequence, row.payload)
        await self._up.publish(topics.down(self._up.name, self._child), payload)
