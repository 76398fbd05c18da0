"""The OPC UA adapter: one session, its subscriptions, writes and calls."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, Final

from msgspec import Struct

from protocols.adapter import Context, DeviceFeed, Emit, LinkLost, Refused
from protocols.opcua.address import Slot, check_endpoint, parse_settings, security_of, slots_of
from protocols.opcua.intake import Intake, Key, Notebook
from protocols.opcua.monitor import Monitor, Said
from protocols.opcua.orders import Order, Result
from protocols.opcua.session import Session
from registry.model import (
    SECOND,
    Command,
    Device,
    Event,
    Faulty,
    Outcome,
    OutcomeState,
    Value,
)

_AT_ONCE: Final = 16
"""Orders that may be under way at one time."""


class _Live(Struct):
    session: Session
    monitor: Monitor
    slots: dict[Key, Slot]


class OpcUaAdapter:
    """Watches, writes and calls the nodes of one server."""

    def __init__(self, context: Context) -> None:
        """Read the endpoint and its settings.

        Raises:
            Faulty: they cannot be used.
        """
        faults = check_endpoint(context.endpoint)
        if faults:
            raise Faulty(faults)
        _hush("asyncua")
        self._context = context
        self._settings = parse_settings(context.settings)
        self._notebook = Notebook()
        self._live: _Live | None = None
        self._compiled: dict[str, tuple[Device, list[Slot]]] = {}
        self._under_way = 0

    async def run(self, devices: DeviceFeed, emit: Emit) -> None:
        """Watch until cancelled; without devices, wait for some first.

        Raises:
            LinkLost: the server is not there, or gone.
            Refused: it will not have us, or devices disagree about the security.
        """
        now = devices.take()
        while not now:
            await devices.changed()
            now = devices.take()
        security = agreed(now)
        context = self._context
        session = Session(context.endpoint, context.node, self._settings, context.credential)
        try:
            await session.open(security)
            context.connected()
            await self._converse(session, security, now, devices, emit)
        finally:
            self._live = None
            await session.close()

    async def _converse(
        self,
        session: Session,
        security: str,
        now: Mapping[str, Device],
        devices: DeviceFeed,
        emit: Emit,
    ) -> None:
        context = self._context
        intake = Intake(source=context.endpoint, now=context.now, notebook=self._notebook)
        monitor = Monitor(session, self._settings, intake)
        live = self._live = _Live(session, monitor, {})
        pump = asyncio.create_task(_pump(monitor, intake, emit))
        try:
            await _first_of(
                self._tend(live, security, now, devices),
                monitor.poll(),
                monitor.guard(),
                session.lost(),
                _outlive(pump),
            )
        except LinkLost:
            await _drained(monitor, pump)
            raise
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _tend(
        self, live: _Live, security: str, now: Mapping[str, Device], devices: DeviceFeed
    ) -> None:
        """Keep the watched points in step with the devices, and retry what was refused."""
        while True:
            if now and agreed(now) != security:
                raise LinkLost("the devices ask for another security: connecting anew")
            live.slots = self._compile(now)
            watched = {key: slot for key, slot in live.slots.items() if slot.object is None}
            await live.monitor.apply(watched)
            while not await self._changed(devices):
                await live.monitor.retry()
            now = devices.take()

    async def _changed(self, devices: DeviceFeed) -> bool:
        """Wait for changed devices; False when it is time to retry what was refused."""
        try:
            async with asyncio.timeout(self._settings.retry_bad):
                await devices.changed()
        except TimeoutError:
            return False
        return True

    def _compile(self, devices: Mapping[str, Device]) -> dict[Key, Slot]:
        """Return the slots of all devices; those that did not change keep theirs."""
        known, self._compiled = self._compiled, {}
        for id, device in devices.items():
            before = known.get(id)
            if before is None or before[0] != device:
                before = device, slots_of(device, self._settings)
            self._compiled[id] = before
        return {
            (slot.device, slot.point): slot
            for _, slots in self._compiled.values()
            for slot in slots
        }

    async def command(self, order: Command) -> Outcome:
        """Write a point (action `write`, with `value`) or call a method (action `call`).

        A method's arguments stand in `params` by name; a single one may be the `value`. The
        parameter `verify: false` leaves out reading back.
        """
        live = self._live
        if live is None:
            return self._outcome(
                order, OutcomeState.NOT_CONNECTED, f"no session with {self._context.endpoint}"
            )
        slot = live.slots.get((order.device, order.point))
        refusal = self._refusal(order, slot)
        if refusal or slot is None:
            return self._outcome(order, OutcomeState.REFUSED, refusal)
        self._under_way += 1
        try:
            state, detail, value = await self._within(order, live, slot)
        finally:
            self._under_way -= 1
        return self._outcome(order, state, detail, value)

    async def _within(self, order: Command, live: _Live, slot: Slot) -> Result:
        """Carry out an order before its deadline."""
        left = (order.deadline - self._context.now()) / SECOND
        if left <= 0:
            return OutcomeState.EXPIRED, "the deadline had passed", None
        task = Order(live.session, slot, order)
        try:
            async with asyncio.timeout(left):
                return await task.carry_out()
        except TimeoutError:
            if task.sent:
                return OutcomeState.SENT_NO_ANSWER, "no answer before the deadline", None
            return OutcomeState.EXPIRED, "the server was busy until the deadline", None

    def _refusal(self, order: Command, slot: Slot | None) -> str:
        if slot is None:
            return f"the device has no point {order.point!r} on this server"
        fitting = "write" if slot.object is None else "call"
        if order.action != fitting:
            return f"the point {order.point} takes the action {fitting}, not {order.action}"
        if not slot.writable:
            return f"the point {order.point} is not marked writable"
        if self._under_way >= _AT_ONCE:
            return f"{self._under_way} orders are under way on this server: try again later"
        return ""

    def _outcome(
        self, order: Command, state: OutcomeState, detail: str, value: Value | None = None
    ) -> Outcome:
        return Outcome(
            command=order.id,
            device=order.device,
            state=state,
            time=self._context.now(),
            detail=detail,
            value=value,
        )


def agreed(devices: Mapping[str, Device]) -> str:
    """Return the security that all devices of the endpoint ask for.

    Raises:
        Refused: they differ.
    """
    asked: dict[str, str] = {}
    for device in devices.values():
        asked.setdefault(security_of(device), device.id)
    if len(asked) > 1:
        listed = ", ".join(f"{device} {security}" for security, device in asked.items())
        raise Refused(
            f"one session serves all devices of an endpoint, but they ask for different "
            f"link.address.security: {listed}"
        )
    return next(iter(asked))


def _hush(library: str) -> None:
    """Keep a library from logging each lost link with a traceback: the house says it once."""
    logger = logging.getLogger(library)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)


async def _pump(monitor: Monitor, intake: Intake, emit: Emit) -> None:
    """Emit what the monitor hears; waiting here keeps the server from being asked for more."""
    while True:
        heard = [await monitor.said.get()]
        while not monitor.said.empty():
            heard.append(monitor.said.get_nowait())
        events = _events(heard, intake)
        if events:
            await emit(events)
        for _ in heard:
            monitor.said.task_done()


async def _drained(monitor: Monitor, pump: asyncio.Task[None]) -> None:
    """Return when all that was heard is committed, or the pump has failed."""
    joined = asyncio.create_task(monitor.said.join())
    try:
        await asyncio.wait([joined, pump], return_when=asyncio.FIRST_COMPLETED)
    finally:
        joined.cancel()


def _events(heard: list[Said], intake: Intake) -> list[Event]:
    events: list[Event] = []
    for said in heard:
        events.extend(said.events)
        events.extend(intake.digest(said.pairs))
    return events


async def _outlive(pump: asyncio.Task[None]) -> None:
    """Fail when the pump fails; being cancelled leaves it running."""
    await asyncio.shield(pump)


async def _first_of(*jobs: Coroutine[Any, Any, None]) -> None:
    """Run jobs together until one ends or fails; the others are cancelled and awaited."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
