"""Orders: commands to devices, wherever they are, and what became of them.

A command is stored before anything is done with it. One for an own device goes to the adapter
that holds its link; one for a device further down was queued for the child node that delivered
the device in the transaction that accepted it. Its outcome comes back as an event. Doing it
twice is ruled out by the command's id: an order that was sent before a crash ends as
`sent_no_answer`, never repeated.
"""

import asyncio
import logging
import sqlite3
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from gateway.commit import StoreFailed
from gateway.roster import Roster
from registry.model import (
    SECOND,
    Capability,
    Command,
    Device,
    Event,
    Fault,
    Faulty,
    Outcome,
    OutcomeState,
    Time,
    ValueType,
)
from registry.store import commands

log = logging.getLogger(__name__)

IN_ALL: Final = 512
PER_ENDPOINT: Final = 16
PER_DEVICE: Final = 4
"""How many orders are under way at once: a dead device holds up neither its link nor the node."""
_NEVER: Final[Time] = 1 << 62
_UNANSWERED: Final = "no outcome came before the deadline"
GRACE: Final[Time] = 10 * SECOND
"""How long after a command's deadline an outcome from a lower tier is still awaited."""


def faults_of(device: Device, order: Command) -> list[Fault]:
    """Return why a device cannot take an order; empty when it can."""
    if Capability.COMMAND not in device.capabilities:
        return [Fault(where="device", message=f"{device.id} takes no commands")]
    if order.action not in ("write", "publish"):
        return []
    if not order.point:
        return []
    point = device.point(order.point)
    if point is None:
        names = ", ".join(p.name for p in device.points)
        return [Fault(where="point", message=f"no point {order.point!r}", expected=names)]
    if not point.writable:
        return [Fault(where="point", message=f"{order.point} is read only")]
    return _value_faults(point.type, order)


def _value_faults(wanted: ValueType, order: Command) -> list[Fault]:
    value = order.value
    right = {
        ValueType.FLOAT: isinstance(value, int | float) and not isinstance(value, bool),
        ValueType.INT: isinstance(value, int) and not isinstance(value, bool),
        ValueType.BOOL: isinstance(value, bool),
        ValueType.STR: isinstance(value, str),
    }[wanted]
    if right:
        return []
    return [Fault(where="value", message=f"is {value!r}", expected=f"a value of type {wanted}")]


def unfinished(connection: sqlite3.Connection) -> list[tuple[Command, OutcomeState]]:
    """Return the commands without a final outcome, and where each stands."""
    found = commands.overdue(connection, _NEVER, limit=-1)
    rows = (commands.get(connection, command.id) for command in found)
    return [(row.command, row.state) for row in rows if row is not None]


class _Endpoint:
    """The orders of one endpoint: devices take turns, each device's begin in order."""

    def __init__(self) -> None:
        self.under_way: Counter[str] = Counter()
        self.waiting: dict[str, deque[Command]] = {}

    def take(self) -> Command | None:
        if self.under_way.total() >= PER_ENDPOINT:
            return None
        for device, queue in self.waiting.items():
            if self.under_way[device] < PER_DEVICE:
                order = queue.popleft()
                del self.waiting[device]
                if queue:
                    self.waiting[device] = queue
                self.under_way[device] += 1
                return order
        return None


class _Line:
    """Orders that wait for their turn, and how many are under way."""

    def __init__(self) -> None:
        self._endpoints: dict[str, _Endpoint] = {}
        self._waiting: set[str] = set()
        self._under_way = 0

    def __contains__(self, order: str) -> bool:
        return order in self._waiting

    def put(self, endpoint: str, order: Command) -> None:
        queues = self._endpoints.setdefault(endpoint, _Endpoint()).waiting
        queues.setdefault(order.device, deque()).append(order)
        self._waiting.add(order.id)

    def take(self) -> list[tuple[str, Command]]:
        """Return the orders whose turn it is, with their endpoints."""
        found: list[tuple[str, Command]] = []
        for name, endpoint in list(self._endpoints.items()):
            while self._under_way < IN_ALL and (order := endpoint.take()) is not None:
                self._under_way += 1
                self._waiting.discard(order.id)
                found.append((name, order))
                self._endpoints[name] = self._endpoints.pop(name)
        return found

    def done(self, endpoint: str, order: Command) -> None:
        """Make room: an order that `take` returned is over."""
        there = self._endpoints[endpoint]
        self._under_way -= 1
        there.under_way[order.device] -= 1
        if not there.under_way[order.device]:
            del there.under_way[order.device]
        if not there.waiting and not there.under_way:
            del self._endpoints[endpoint]


class Orders:
    """Carries orders out; `run` must be running."""

    def __init__(
        self,
        *,
        node: str,
        now: Callable[[], Time],
        roster: Roster,
        execute: Callable[[Device, Command], Awaitable[Outcome]],
        emit: Callable[[Sequence[Event], str], Awaitable[None]],
    ) -> None:
        self._node = node
        self._now = now
        self._roster = roster
        self._execute = execute
        self._emit = emit
        self._line = _Line()
        self._stir = asyncio.Event()
        self._open: dict[str, Command] = {}

    async def dispatch(self, order: Command) -> None:
        """Accept an order given at this node.

        Raises:
            Faulty: the device is unknown or cannot take it; nothing is stored.
        """
        known = self._roster.get(order.device)
        if known is None:
            raise Faulty([Fault(where="device", message=f"unknown device {order.device!r}")])
        faults = faults_of(known.device, order)
        if faults:
            raise Faulty(faults)
        await self._emit([order], self._node)

    def committed(self, samples: Sequence[object], events: Sequence[Event]) -> None:
        """Hear what was committed (a `pipeline.Listener`): new orders, outcomes, acknowledged."""
        for event in events:
            match event:
                case Command():
                    self._open[event.id] = event
                    self._queue(event)
                case Outcome():
                    if event.state.final:
                        self._open.pop(event.command, None)
                case _:
                    pass

    def resume(self, pending: Iterable[tuple[Command, OutcomeState]]) -> None:
        """Take up what was not finished before a restart."""
        for order, state in pending:
            self._open[order.id] = order
            if state is OutcomeState.ACCEPTED:
                self._queue(order)

    def _queue(self, order: Command) -> None:
        known = self._roster.get(order.device)
        link = known.device.link if known else None
        endpoint = link.endpoint if link else ""
        self._line.put((known.via if known else None) or endpoint, order)
        self._stir.set()

    async def run(self) -> None:
        """Carry orders out until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._expire())
            while True:
                self._stir.clear()
                for endpoint, order in self._line.take():
                    group.create_task(self._work(endpoint, order))
                await self._stir.wait()

    async def _work(self, endpoint: str, order: Command) -> None:
        try:
            if order.id in self._open:
                await self._carry_out(order)
        except StoreFailed as error:
            log.error("order %s: %s", order.id, error, extra={"device": order.device})
        finally:
            self._line.done(endpoint, order)
            self._stir.set()

    async def _carry_out(self, order: Command) -> None:
        known = self._roster.get(order.device)
        if order.deadline <= self._now():
            await self._settle(order, OutcomeState.EXPIRED, "the deadline had passed")
        elif known is None:
            await self._settle(order, OutcomeState.REFUSED, f"{self._node} knows no such device")
        elif known.via is None and known.device.home == self._node:
            await self._carry_out_here(known.device, order)
        elif known.via is not None:
            log.debug("order %s waits for %s", order.id, known.via)
        else:
            await self._settle(order, OutcomeState.REFUSED, f"no way to {known.device.home}")

    async def _carry_out_here(self, device: Device, order: Command) -> None:
        await self._settle(order, OutcomeState.SENT, "handed to the device's link")
        seconds = max(0.1, (order.deadline - self._now()) / SECOND)
        try:
            async with asyncio.timeout(seconds):
                outcome = await self._execute(device, order)
        except TimeoutError:
            await self._settle(order, OutcomeState.SENT_NO_ANSWER, "no answer before the deadline")
            return
        await self._emit([outcome], self._node)

    async def _settle(self, order: Command, state: OutcomeState, detail: str) -> None:
        outcome = Outcome(
            command=order.id, device=order.device, state=state, time=self._now(), detail=detail
        )
        await self._emit([outcome], self._node)

    async def _expire(self) -> None:
        """End what nobody answers."""
        while True:
            await asyncio.sleep(1)
            now = self._now()
            late = [o for o in self._open.values() if o.deadline + GRACE < now]
            for order in late:
                try:
                    if order.id in self._line:
                        await self._settle(order, OutcomeState.EXPIRED, "its turn never came")
                    else:
                        await self._settle(order, OutcomeState.SENT_NO_ANSWER, _UNANSWERED)
                except StoreFailed as error:
                    log.error("order %s: %s", order.id, error, extra={"device": order.device})
                    break
                self._open.pop(order.id, None)
