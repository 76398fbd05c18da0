"""The Modbus adapter: one connection, all its units, polled and written."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from msgspec import Struct

from protocols.adapter import Context, DeviceFeed, Emit, LinkLost
from protocols.modbus.address import Slot, parse_endpoint, parse_settings
from protocols.modbus.codec import Unfit
from protocols.modbus.line import Line, require
from protocols.modbus.outlet import Outlet
from protocols.modbus.poller import Notebook, Poller, single
from protocols.modbus.writer import Result, Write
from registry.model import SECOND, Command, Outcome, OutcomeState

_WAITING: Final = 16
"""Commands that may wait for the line at one time."""


class _Live(Struct, frozen=True):
    line: Line
    poller: Poller


class ModbusAdapter:
    """Polls and writes the devices of one endpoint."""

    def __init__(self, context: Context) -> None:
        """Read the endpoint and its settings.

        Raises:
            Faulty: they cannot be used.
        """
        _hush("pymodbus")
        self._context = context
        self._endpoint = parse_endpoint(context.endpoint)
        self._settings = parse_settings(context.settings)
        require(self._endpoint)
        self._notebook = Notebook()
        self._live: _Live | None = None
        self._waiting = 0

    async def run(self, devices: DeviceFeed, emit: Emit) -> None:
        """Poll until cancelled.

        Raises:
            LinkLost: there is no connection, or nobody on it answers.
        """
        line = Line(self._endpoint, self._settings)
        outlet = Outlet(emit)
        pump = asyncio.create_task(outlet.run())
        try:
            await line.connect()
            await self._converse(line, outlet, pump, devices)
        except LinkLost:
            outlet.close()
            await pump
            raise
        finally:
            self._live = None
            line.close()
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _converse(
        self, line: Line, outlet: Outlet, pump: asyncio.Task[None], devices: DeviceFeed
    ) -> None:
        up = _Once(self._context)
        poller = Poller(
            line=line,
            outlet=outlet,
            settings=self._settings,
            now=self._context.now,
            source=self._context.endpoint,
            notebook=self._notebook,
            heard=up.call,
        )
        poller.set_devices(devices.take())
        if poller.idle:
            up.call()
        self._live = _Live(line, poller)
        await _first_of(poller.run(), _follow(devices, poller), _watch(line), _outlive(pump))

    async def command(self, order: Command) -> Outcome:
        """Write a point: action `write` with `point` and `value`.

        The parameter `verify: false` leaves out reading back, for registers that clear
        themselves.
        """
        live = self._live
        if live is None:
            return self._outcome(
                order, OutcomeState.NOT_CONNECTED, f"no connection to {self._context.endpoint}"
            )
        refusal, slot = self._refusal(order, live.poller)
        if slot is None or order.value is None:
            return self._outcome(order, OutcomeState.REFUSED, refusal)
        try:
            verify = order.params.get("verify") is not False
            write = Write(live.line, slot, order.value, verify=verify)
        except Unfit as reason:
            return self._outcome(order, OutcomeState.REFUSED, str(reason))
        self._waiting += 1
        try:
            state, detail, value = await self._within(order, live, write)
        finally:
            self._waiting -= 1
        return self._outcome(order, state, detail, value)

    async def _within(self, order: Command, live: _Live, write: Write) -> Result:
        """Carry out a write before the command's deadline."""
        left = (order.deadline - self._context.now()) / SECOND
        if left <= 0:
            return OutcomeState.EXPIRED, "the deadline had passed", None
        try:
            async with asyncio.timeout(left), live.line.turn:
                return await write.carry_out(
                    lambda slot, words: live.poller.deliver(single(slot), words)
                )
        except TimeoutError:
            if write.sent:
                return OutcomeState.SENT_NO_ANSWER, "no answer before the deadline", None
            return OutcomeState.EXPIRED, "the line was busy until the deadline", None

    def _refusal(self, order: Command, poller: Poller) -> tuple[str, Slot | None]:
        slot = poller.slot(order.device, order.point)
        if order.action != "write":
            return f"Modbus devices cannot {order.action}, only write", None
        if slot is None:
            return f"the device has no point {order.point!r} on this line", None
        if not slot.writable:
            return f"the point {order.point} is not marked writable", None
        if order.value is None:
            return "no value was given", None
        if self._waiting >= _WAITING:
            return f"{self._waiting} commands are waiting for this line: try again later", None
        return "", slot

    def _outcome(
        self, order: Command, state: OutcomeState, detail: str, value: Any = None
    ) -> Outcome:
        return Outcome(
            command=order.id,
            device=order.device,
            state=state,
            time=self._context.now(),
            detail=detail,
            value=value,
        )


class _Once:
    """Tells the house once per connection that the link is up."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._done = False

    def call(self) -> None:
        if not self._done:
            self._done = True
            self._context.connected()


def _hush(library: str) -> None:
    """Keep a library from logging each silence and lost link: the house says it once."""
    logger = logging.getLogger(library)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)


async def _follow(devices: DeviceFeed, poller: Poller) -> None:
    while True:
        await devices.changed()
        poller.set_devices(devices.take())


async def _watch(line: Line) -> None:
    await line.lost()
    raise LinkLost(f"{line.name} closed the connection")


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
