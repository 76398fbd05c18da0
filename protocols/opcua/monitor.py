"""Watching nodes: one subscription per publishing interval, batched reads where it is refused."""

import asyncio
import itertools
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from msgspec import Struct

from protocols.adapter import LinkLost
from protocols.opcua.address import Settings, Slot
from protocols.opcua.intake import Intake, Key, Pair
from protocols.opcua.session import (
    Created,
    Declined,
    Item,
    Session,
    UnknownNamespace,
    status_words,
)
from registry.model import Event, ValueType

_log = logging.getLogger(__name__)

_DEPTH: Final = 4
"""Publishes that may wait for the house; the next is not asked for meanwhile."""
_SILENCES: Final = 3
_NO_FILTER: Final = (
    StatusCodes.BadMonitoredItemFilterUnsupported,
    StatusCodes.BadMonitoredItemFilterInvalid,
    StatusCodes.BadFilterNotAllowed,
    StatusCodes.BadDeadbandFilterInvalid,
)


class Said(Struct, frozen=True):
    """What is on its way to the house: values as they came, and events already made."""

    pairs: Sequence[Pair] = ()
    events: Sequence[Event] = ()


class _Watch(Struct):
    slot: Slot
    node: ua.NodeId
    handle: int
    filtered: bool
    item: int = 0


class _Group:
    """One subscription and what it watches."""

    def __init__(self, created: Created, now: float) -> None:
        self.created = created
        self.heard = now
        self.watches: dict[Key, _Watch] = {}


class _Round:
    """Nodes that are read together every `period` seconds, on a grid."""

    def __init__(self, period: float, now: float) -> None:
        self.period = period
        self.start = self.due = now
        self.nodes: dict[Key, tuple[Slot, ua.NodeId]] = {}

    def done(self, now: float) -> None:
        ticks = math.floor((max(now, self.due) - self.start) / self.period + 1e-9) + 1
        self.due = self.start + ticks * self.period


class Monitor:
    """Keeps the server watching exactly the points it was last given."""

    def __init__(self, session: Session, settings: Settings, intake: Intake) -> None:
        self._session = session
        self._settings = settings
        self._intake = intake
        self._clock = asyncio.get_running_loop().time
        self._slots: dict[Key, Slot] = {}
        self._groups: dict[float, _Group] = {}
        self._rounds: dict[float, _Round] = {}
        self._handles: dict[int, Slot] = {}
        self._refused: dict[Key, Slot] = {}
        self._numbers = itertools.count(1)
        self._wake = asyncio.Event()
        self._ended = ""
        self._stuck = 0
        self.said: asyncio.Queue[Said] = asyncio.Queue(_DEPTH)

    # -- what is watched -------------------------------------------------------------------

    async def apply(self, slots: Mapping[Key, Slot]) -> None:
        """Watch these points from now on; what did not change stays as it is.

        Raises:
            LinkLost: the session broke meanwhile.
        """
        before, self._slots = self._slots, dict(slots)
        for key in before.keys() & slots.keys():
            if before[key] == slots[key]:
                self._slots[key] = before[key]
        self._intake.set_slots(self._slots)
        gone = {key for key, slot in before.items() if self._slots.get(key) is not slot}
        await self._drop(gone)
        await self._add(s for key, s in self._slots.items() if before.get(key) is not s)
        self._wake.set()

    async def retry(self) -> None:
        """Ask again for the nodes that the server refused."""
        refused, self._refused = self._refused, {}
        if refused:
            await self._session.learn_namespaces()
            await self._add(refused.values())
            self._wake.set()

    async def _drop(self, keys: set[Key]) -> None:
        for key in keys:
            self._refused.pop(key, None)
        for turn in self._rounds.values():
            for key in turn.nodes.keys() & keys:
                del turn.nodes[key]
        for period, group in list(self._groups.items()):
            watches = [group.watches.pop(key) for key in group.watches.keys() & keys]
            for watch in watches:
                self._handles.pop(watch.handle, None)
            if not group.watches and len(self._groups) > 1:
                del self._groups[period]
                await self._session.unsubscribe(group.created.id)
            elif watches:
                await self._session.forget(group.created.id, [w.item for w in watches])

    async def _add(self, slots: Iterable[Slot]) -> None:
        by_period: dict[float, list[_Watch]] = {}
        for slot in slots:
            try:
                node = self._session.node_id(slot.node)
            except UnknownNamespace as error:
                await self._refuse(slot, StatusCodes.BadNodeIdUnknown, str(error))
                continue
            if slot.poll:
                self._poll(slot, node)
                continue
            numeric = slot.form.value in (ValueType.FLOAT, ValueType.INT)
            filtered = numeric and slot.form.deadband > 0
            watch = _Watch(slot, node, next(self._numbers), filtered)
            by_period.setdefault(slot.period, []).append(watch)
        for period, watches in by_period.items():
            await self._watch(period, watches)

    async def _watch(self, period: float, watches: list[_Watch]) -> None:
        group = await self._group(period)
        if group is None:
            for watch in watches:
                self._poll(watch.slot, watch.node)
            return
        again = await self._monitor(group, watches)
        if again:
            await self._monitor(group, again)

    async def _group(self, period: float) -> _Group | None:
        """Return the subscription of a publishing interval; None where the server gives none."""
        group = self._groups.get(period)
        if group is None:
            try:
                created = await self._session.subscribe(period, self._on_publish)
            except Declined as refusal:
                _log.warning(
                    "the server gives no subscription (%s): nodes are polled every %g s",
                    refusal,
                    period,
                )
                return None
            group = self._groups[period] = _Group(created, self._clock())
        return group

    async def _monitor(self, group: _Group, watches: list[_Watch]) -> list[_Watch]:
        """Add items to a subscription; return those to be tried again without a filter."""
        for watch in watches:
            self._handles[watch.handle] = watch.slot
        results = await self._session.monitor(group.created.id, [_item(w) for w in watches])
        again = []
        for watch, result in zip(watches, results, strict=True):
            key = watch.slot.device, watch.slot.point
            code = int(result.StatusCode.value)
            if result.StatusCode.is_good():
                watch.item = int(result.MonitoredItemId)
                group.watches[key] = watch
                continue
            if code in _NO_FILTER and watch.filtered:
                watch.filtered = False
                again.append(watch)
                continue
            del self._handles[watch.handle]
            if code == StatusCodes.BadTooManyMonitoredItems:
                self._poll(watch.slot, watch.node)
            else:
                await self._refuse(watch.slot, code)
        return again

    def _poll(self, slot: Slot, node: ua.NodeId) -> None:
        turn = self._rounds.get(slot.period)
        if turn is None:
            turn = self._rounds[slot.period] = _Round(slot.period, self._clock())
        turn.nodes[slot.device, slot.point] = slot, node

    async def _refuse(self, slot: Slot, code: int, text: str = "") -> None:
        self._refused[slot.device, slot.point] = slot
        await self.said.put(Said(events=self._intake.refused(slot, code, text)))

    # -- what is heard ---------------------------------------------------------------------

    async def _on_publish(self, result: ua.PublishResult) -> None:
        """Hand on what a publish holds; the next one is asked for when this returns."""
        pairs: list[Pair] = []
        for notice in result.NotificationMessage.NotificationData or ():
            if isinstance(notice, ua.DataChangeNotification):
                for item in notice.MonitoredItems:
                    slot = self._handles.get(item.ClientHandle)
                    if slot is not None:
                        pairs.append((slot, item.Value))
            elif isinstance(notice, ua.StatusChangeNotification):
                self._ended = status_words(int(notice.Status.value))
        if pairs:
            self._stuck += 1
            await self.said.put(Said(pairs=pairs))
            self._stuck -= 1
        for group in self._groups.values():
            group.heard = self._clock()

    async def guard(self) -> None:
        """Watch over the subscriptions.

        Raises:
            LinkLost: the server ended one, or none is heard of any more.
        """
        while True:
            await asyncio.sleep(min(1.0, self._settings.keepalive / 4))
            if self._ended:
                raise LinkLost(f"the server ended a subscription: {self._ended}")
            now = self._clock()
            for group in self._groups.values():
                if self._stuck:
                    group.heard = now
                elif now - group.heard > _SILENCES * group.created.silence:
                    raise LinkLost(
                        f"the server has published nothing for {now - group.heard:.0f} s, "
                        "not even that there is nothing"
                    )

    async def poll(self) -> None:
        """Read the nodes that cannot be subscribed to, each in its rhythm.

        Raises:
            LinkLost: the server does not answer.
        """
        while True:
            now = self._clock()
            turns = [turn for turn in self._rounds.values() if turn.nodes]
            due = [turn for turn in turns if turn.due <= now + 1e-9]
            for turn in due:
                await self._read(list(turn.nodes.values()))
                turn.done(self._clock())
            if not due:
                await self._rest(min((t.due - now for t in turns), default=None))

    async def _rest(self, wait: float | None) -> None:
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _read(self, nodes: list[tuple[Slot, ua.NodeId]]) -> None:
        try:
            values = await self._session.read([node for _, node in nodes])
        except Declined as refusal:
            raise LinkLost(f"the server declines to be read: {refusal}") from refusal
        pairs = [(slot, value) for (slot, _), value in zip(nodes, values, strict=True)]
        await self.said.put(Said(pairs=pairs))


def _item(watch: _Watch) -> Item:
    slot = watch.slot
    return Item(
        node=watch.node,
        handle=watch.handle,
        sampling=slot.sampling,
        queue=slot.queue,
        deadband=slot.form.raw_deadband if watch.filtered else None,
    )
