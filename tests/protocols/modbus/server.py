"""A pymodbus server in a process of its own: `python -m tests.protocols.modbus.server PORT LAYOUT`.

LAYOUT is JSON: {"units": {"1": {"holding": {"0": [1, 2]}, "coil": {"0": [true]}}}, "rtu": false}.
Unknown units are met with silence, unknown registers with exception 2, registers from
`busy` upwards (holding) with exception 6, reads of more than `most` registers with exception 3.
"""

import asyncio
import json
import sys
from functools import partial
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


def _block(cells: dict[str, list[Any]], kind: DataType) -> list[SimData]:
    found = [SimData(int(at), values=values, datatype=kind) for at, values in cells.items()]
    return found or [
        SimData(65_535, values=[False] if kind is DataType.BITS else [0], datatype=kind)
    ]


async def _moods(
    busy: int, most: int, code: int, _start: int, address: int, count: int, *_rest: Any
) -> ExcCodes | None:
    if code in (3, 4) and count > most:
        return ExcCodes.ILLEGAL_VALUE
    if code == 3 and address + count > busy:
        return ExcCodes.DEVICE_BUSY
    return None


def _mute(units: set[int], at: int, sending: bool, data: bytes) -> bytes:
    """Drop the answers of units that are not there; `at` is where a frame names its unit."""
    return b"" if sending and data[at] not in units else data


def _device(unit: str, tables: dict[str, Any]) -> SimDevice:
    return SimDevice(
        int(unit),
        simdata=(
            _block(tables.get("coil", {}), DataType.BITS),
            _block(tables.get("discrete", {}), DataType.BITS),
            _block(tables.get("holding", {}), DataType.REGISTERS),
            _block(tables.get("input", {}), DataType.REGISTERS),
        ),
        action=partial(_moods, tables.get("busy", 65_536), tables.get("most", 125)),
    )


async def _main(port: int, layout: dict[str, Any]) -> None:
    units = {int(unit) for unit in layout["units"]}
    server = ModbusTcpServer(
        [_device(unit, tables) for unit, tables in layout["units"].items()],
        framer=FramerType.RTU if layout.get("rtu") else FramerType.SOCKET,
        address=("127.0.0.1", port),
        trace_packet=partial(_mute, units, 0 if layout.get("rtu") else 6),
    )
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await server.serving


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), json.loads(sys.argv[2])))
