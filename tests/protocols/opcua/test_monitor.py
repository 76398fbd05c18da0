"""What servers may do that asyncua's own does not: played by a session that answers to order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import BadTooManyOperations

from protocols.adapter import LinkLost
from protocols.opcua.address import NodeRef, Settings, Slot, slots_of
from protocols.opcua.intake import Intake, Notebook
from protocols.opcua.monitor import Monitor, Said
from protocols.opcua.session import Created, Item, Session
from registry.model import Misfit, MisfitReason, ReadingBatch
from tests.protocols.opcua.peer import NOW, device, point

END = "opc.tcp://plc:4840"
OVERFLOW = 0x0000_0480
_new_id: Any = ua.NodeId
_new_value: Any = ua.DataValue


class Scripted:
    """A session whose answers a test decides."""

    def __init__(self, judge: Callable[[Item], int] = lambda _: 0) -> None:
        self.judge = judge
        self.asked: list[Item] = []
        self.forgotten: list[int] = []
        self.reads = 0
        self.publish: Callable[[Any], Awaitable[None]] | None = None

    def node_id(self, ref: NodeRef) -> ua.NodeId:
        return cast(ua.NodeId, _new_id(ref.identifier, 2))

    async def learn_namespaces(self) -> None: ...

    async def subscribe(self, period: float, heard: Callable[[Any], Awaitable[None]]) -> Created:
        self.publish = heard
        return Created(1, period, 0.02)

    async def monitor(self, _subscription: int, items: Sequence[Item]) -> list[Any]:
        self.asked += items
        made: Any = ua.MonitoredItemCreateResult
        code: Any = ua.StatusCode
        return [
            made(StatusCode=code(self.judge(item)), MonitoredItemId=item.handle) for item in items
        ]

    async def forget(self, _subscription: int, items: Sequence[int]) -> None:
        self.forgotten += items

    async def read(self, nodes: Sequence[ua.NodeId]) -> list[Any]:
        self.reads += 1
        return [_new_value(ua.Variant(float(self.reads))) for _ in nodes]


class Stand:
    """A monitor, its intake and the session behind them."""

    def __init__(self, session: Scripted, settings: Settings) -> None:
        self.session = session
        self.intake = Intake(source=END, now=lambda: NOW, notebook=Notebook())
        self.monitor = Monitor(cast(Session, session), settings, self.intake)
        self.slots: list[Slot] = []

    async def watch(self, *points: Any) -> None:
        self.slots = slots_of(device(END, "d", *points), Settings(period=0.02))
        await self.monitor.apply({(s.device, s.point): s for s in self.slots})

    async def heard(self) -> list[Any]:
        """Return the events of the next thing said."""
        async with asyncio.timeout(5):
            said: Said = await self.monitor.said.get()
        return [*said.events, *self.intake.digest(said.pairs)]


def stand(judge: Callable[[Item], int] = lambda _: 0, **settings: Any) -> Stand:
    return Stand(Scripted(judge), Settings(**settings))


@asynccontextmanager
async def at_work(job: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(job)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_deadband_that_the_server_does_not_know_is_left_out() -> None:
    refusing = stand(
        lambda item: StatusCodes.BadMonitoredItemFilterUnsupported if item.deadband else 0
    )
    await refusing.watch(point("A", deadband=0.5, scale=0.1), point("B"))
    asked = [(item.node.Identifier, item.deadband) for item in refusing.session.asked]
    assert asked == [("A", 5.0), ("B", None), ("A", None)]
    assert refusing.monitor.said.empty()


async def test_what_is_too_much_for_subscriptions_is_polled_in_its_rhythm() -> None:
    full = stand(lambda _: StatusCodes.BadTooManyMonitoredItems)
    await full.watch(point("A"), point("B"))
    async with at_work(full.monitor.poll()):
        (first,) = [e for e in await full.heard() if isinstance(e, ReadingBatch)]
        (second,) = [e for e in await full.heard() if isinstance(e, ReadingBatch)]
        assert (first.point, first.value) == (["A", "B"], [1.0, 1.0])
        assert second.value == [2.0, 2.0]
        await full.watch(point("B"))
        while True:
            batch = (await full.heard())[-1]
            if batch.point == ["B"]:
                break


async def test_a_server_that_publishes_nothing_any_more_is_lost() -> None:
    silent = stand(keepalive=0.2)
    await silent.watch(point("A"))
    with pytest.raises(LinkLost, match="published nothing"):
        async with asyncio.timeout(5):
            await silent.monitor.guard()


async def test_a_subscription_that_the_server_ends_is_lost() -> None:
    ending = stand(keepalive=0.2)
    await ending.watch(point("A"))
    assert ending.session.publish is not None
    notice = ua.StatusChangeNotification(Status=ua.StatusCode(StatusCodes.BadTimeout))  # type: ignore[arg-type]
    await ending.session.publish(_publish(notice))
    with pytest.raises(LinkLost, match="ended a subscription: BadTimeout"):
        async with asyncio.timeout(5):
            await ending.monitor.guard()


async def test_the_next_publish_is_not_asked_for_while_the_house_is_busy() -> None:
    busy = stand(keepalive=0.2)
    await busy.watch(point("A"))
    publish = busy.session.publish
    assert publish is not None
    handle = busy.session.asked[0].handle
    for n in range(4):
        await publish(_publish(_change(handle, float(n))))
    last: Any = publish(_publish(_change(handle, 4.0)))
    fifth: asyncio.Task[None] = asyncio.create_task(last)
    async with at_work(busy.monitor.guard()):
        done, _ = await asyncio.wait([fifth], timeout=0.3)
        assert not done
        values = [(await busy.heard())[-1].value[0] for _ in range(5)]
    assert values == [0.0, 1.0, 2.0, 3.0, 4.0]
    await fifth


async def test_lost_values_are_told_once_and_the_newest_is_kept() -> None:
    full = stand()
    await full.watch(point("A"))
    (slot,) = full.slots
    spilled = [
        _new_value(ua.Variant(float(n)), StatusCode=ua.StatusCode(OVERFLOW))  # type: ignore[arg-type]
        for n in (1, 2)
    ]
    events = full.intake.digest([(slot, data) for data in spilled])
    (misfit,) = [e for e in events if isinstance(e, Misfit)]
    assert misfit.reason is MisfitReason.TOO_LARGE
    assert "raise address.queue" in misfit.detail
    assert cast(ReadingBatch, events[-1]).value == [1.0, 2.0]
    assert full.intake.overflows == 2


async def test_values_of_points_that_are_gone_are_dropped() -> None:
    moving = stand()
    await moving.watch(point("A"))
    (slot,) = moving.slots
    await moving.watch(point("A", "B"))
    assert moving.session.forgotten == [moving.session.asked[0].handle]
    assert moving.intake.digest([(slot, _new_value(ua.Variant(1.0)))]) == []


async def test_calls_that_are_too_large_are_made_smaller() -> None:
    session = Session(END, "edge", Settings(batch=100), None)
    sizes: list[int] = []

    async def part(some: Sequence[int]) -> list[int]:
        sizes.append(len(some))
        if len(some) > 30:
            raise BadTooManyOperations
        return list(some)

    assert await session._in_parts(list(range(100)), part) == list(range(100))
    assert sizes == [100, 50, 25, 25, 25, 25]


def _publish(notice: Any) -> Any:
    message = ua.NotificationMessage(NotificationData=[notice])
    return ua.PublishResult(NotificationMessage=message)


def _change(handle: int, value: float) -> Any:
    item: Any = ua.MonitoredItemNotification
    change: Any = ua.DataChangeNotification
    return change(MonitoredItems=[item(ClientHandle=handle, Value=_new_value(ua.Variant(value)))])
