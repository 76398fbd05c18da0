"""The upper end of a cascade link: takes what the lower nodes bring, brings them what they are to
do. One Downlink serves all lower nodes of a node's broker."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from cascade import topics
from cascade.bus import Bus, OpenBus
from cascade.lower import LowerNode
from cascade.parcel import pack
from cascade.screening import Permits
from cascade.store import DownlinkStore
from cascade.tasks import together
from cascade.timing import Timing
from cascade.upstairs import Counters, OnLink, Upstairs
from protocols.adapter import Emit
from registry.model import Event, Time

log = logging.getLogger(__name__)

_MAX_NODES: Final = 10_000


def _nobody() -> Iterable[str]:
    return ()


class Downlink:
    """Speaks with all lower nodes until cancelled; call `run` again after LinkLost.

    `admits` tells whether a node may speak here at all, `permits` of which devices it may speak,
    `expected` names the nodes that count as offline when they are never heard.
    """

    def __init__(
        self,
        *,
        node: str,
        open_bus: OpenBus,
        store: DownlinkStore,
        permits: Permits,
        on_link: OnLink,
        now: Callable[[], Time],
        admits: Callable[[str], bool] = lambda source: True,
        expected: Callable[[], Iterable[str]] = _nobody,
        connected: Callable[[], None] = lambda: None,
        timing: Timing | None = None,
    ) -> None:
        self._node = node
        self._open_bus = open_bus
        self._store = store
        self._permits = permits
        self._on_link = on_link
        self._now = now
        self._admits = admits
        self._expected = expected
        self._connected = connected
        self._timing = timing or Timing()
        self._nodes: dict[str, LowerNode] = {}
        self._known: set[str] = set()
        self.strangers = 0
        """Messages from nodes that are not admitted."""

    async def run(self, emit: Emit) -> None:
        """Converse until cancelled.

        `emit` gets `[Mark, *events]`; it must take batches of one lane in the order in which it
        was called, and store a batch together with its mark or not at all (`inbox.advance`).
        What it raises concerns that batch only: its node is asked for it again.

        Raises:
            LinkLost: the broker is gone; run again.
            Refused: the broker does not let this node in.
        """
        identity = await self._store.identity()
        bus = await self._open_bus()
        try:
            await bus.subscribe([topics.from_below(self._node)])
            async with together() as group:
                up = Upstairs(
                    name=self._node,
                    epoch=identity.epoch,
                    publish=bus.publish,
                    group=group,
                    emit=emit,
                    store=self._store,
                    permits=self._permits,
                    on_link=self._on_link,
                    now=self._now,
                    clock=asyncio.get_running_loop().time,
                    timing=self._timing,
                )
                self._nodes = {}
                for name in self._known.union(self._expected()):
                    self._meet(name, up)
                self._connected()
                group.create_task(self._listen(bus, up))
                group.create_task(self._tick())
        finally:
            self._nodes = {}
            await bus.close()

    async def send(self, child: str, events: Sequence[Event]) -> int:
        """Durably queue commands or acknowledgements for a child; returns the number given.

        They arrive once and in order, whenever the child is there.

        Raises:
            OutboxFull: too much waits for this child already.
        """
        last = await self._store.down_append(child, pack(events))
        self.wake(child)
        return last

    def wake(self, child: str) -> None:
        """Something was queued for `child` in a transaction of the node's own."""
        node = self._nodes.get(child)
        if node is not None:
            node.pump.wake.set()

    @property
    def counters(self) -> dict[str, Counters]:
        """What happened with each lower node since the connection was made."""
        return {name: node.counters for name, node in self._nodes.items()}

    async def _listen(self, bus: Bus, up: Upstairs) -> None:
        while True:
            for message in await bus.messages():
                parsed = topics.parse_up(self._node, message.topic)
                if parsed is None:
                    continue
                source, part = parsed
                node = self._nodes.get(source) or self._meet(source, up)
                if node is None:
                    self.strangers += 1
                else:
                    node.offer(part, message.payload)
            await asyncio.sleep(0)

    def _meet(self, name: str, up: Upstairs) -> LowerNode | None:
        if len(self._nodes) >= _MAX_NODES or not self._admits(name):
            return None
        self._known.add(name)
        node = self._nodes[name] = LowerNode(name, up)
        return node

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._timing.tick)
            for node in list(self._nodes.values()):
                node.tick()
