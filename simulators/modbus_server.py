"""The simulated Modbus TCP units of one node: a server with many units behind one port.

Registers are made when they are read, so that every client sees the present. A write to a
holding register or coil changes how the unit behaves. Alone: `python -m simulators SCENARIO
--only modbus`.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from registry.model import Time
from simulators.body import Body, Rejected
from simulators.cast import cells
from simulators.failure import port_taken
from simulators.registers import Cell, Table, decode, encode
from simulators.scenario import ModbusPlan

log = logging.getLogger(__name__)

_TABLES: Final = {
    1: Table.COIL,
    2: Table.DISCRETE,
    3: Table.HOLDING,
    4: Table.INPUT,
    5: Table.COIL,
    6: Table.HOLDING,
    15: Table.COIL,
    16: Table.HOLDING,
    22: Table.HOLDING,
    23: Table.HOLDING,
}
_BITS: Final = (Table.COIL, Table.DISCRETE)
_WORD: Final = 16


class Unit:
    """One body as a Modbus unit."""

    def __init__(self, body: Body, *, silent: bool, now: Callable[[], Time]) -> None:
        self._body = body
        self._silent = silent
        self._now = now
        self._cells = list(cells(body.role.profile).values())
        self._sizes = {
            table: max((c.register + c.width for c in self._cells if c.table is table), default=1)
            for table in Table
        }

    def device(self) -> SimDevice:
        """Return the unit as pymodbus wants it."""
        return SimDevice(
            id=self._body.role.unit,
            simdata=(
                [self._bits(Table.COIL)],
                [self._bits(Table.DISCRETE)],
                [self._words(Table.HOLDING)],
                [self._words(Table.INPUT)],
            ),
            action=self._action(),
        )

    def _bits(self, table: Table) -> SimData:
        whole = -(-self._sizes[table] // _WORD) * _WORD
        return SimData(0, values=[False] * whole, datatype=DataType.BITS)

    def _words(self, table: Table) -> SimData:
        return SimData(0, values=[0] * self._sizes[table], datatype=DataType.REGISTERS)

    def _action(
        self,
    ) -> Callable[
        [int, int, int, int, list[int], list[int] | list[bool] | None],
        Coroutine[None, None, ExcCodes | None],
    ]:
        async def action(
            function: int,
            start: int,
            address: int,
            count: int,
            registers: list[int],
            wanted: list[int] | list[bool] | None,
        ) -> ExcCodes | None:
            if not self._body.alive(self._now()):
                if self._silent:
                    raise NoSuchIdException(f"unit {self._body.role.unit} is dead")
                return ExcCodes.GATEWAY_NO_RESPONSE
            table = _TABLES[function]
            if wanted is not None and not self._take(table, address, [int(x) for x in wanted]):
                return ExcCodes.ILLEGAL_VALUE
            self._refresh(table, registers)
            return None

        return action

    def _image(self, table: Table) -> list[int]:
        """Return all addresses of a table as they read now."""
        image = [0] * self._sizes[table]
        shown = self._body.show(self._now())
        for cell in self._in(table):
            image[cell.register : cell.register + cell.width] = encode(cell, shown[cell.point])
        return image

    def _in(self, table: Table) -> list[Cell]:
        return [cell for cell in self._cells if cell.table is table]

    def _refresh(self, table: Table, registers: list[int]) -> None:
        image = self._image(table)
        if table in _BITS:
            image = [
                sum(bit << i for i, bit in enumerate(image[at : at + _WORD]))
                for at in range(0, len(image), _WORD)
            ]
        registers[: len(image)] = image

    def _take(self, table: Table, address: int, wanted: list[int]) -> bool:
        """Set what was written; tell whether the unit takes all of it."""
        image = self._image(table)
        if address + len(wanted) > len(image):
            return False
        image[address : address + len(wanted)] = wanted
        for cell in self._in(table):
            end = cell.register + cell.width
            if cell.register < address + len(wanted) and end > address:
                try:
                    self._body.tell(cell.point, decode(cell, image[cell.register : end]))
                except Rejected as rejection:
                    log.info("unit %s refuses: %s", self._body.role.unit, rejection)
                    return False
        return True


class ModbusServer:
    """Plays the given bodies as units of one server until cancelled."""

    def __init__(
        self, node: str, plan: ModbusPlan, bodies: Sequence[Body], *, now: Callable[[], Time]
    ) -> None:
        self._node = node
        self._plan = plan
        self._bodies = bodies
        self._now = now

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            Failed: the port cannot be opened.
        """
        silent = self._plan.dead == "silence"
        units = [Unit(body, silent=silent, now=self._now).device() for body in self._bodies]
        server = ModbusTcpServer(
            units,
            address=(self._plan.host, self._plan.port),
            ignore_missing_devices=silent,
        )
        try:
            try:
                await server.serve_forever(background=True)
            except (RuntimeError, OSError) as error:
                setting = f"modbus.port of node {self._node}"
                raise port_taken(self._plan.host, self._plan.port, setting, error) from error
            log.info("%d Modbus units on %s:%d", len(units), self._plan.host, self._plan.port)
            await asyncio.Event().wait()
        finally:
            await server.shutdown()  # type: ignore[no-untyped-call]
