"""pymodbus' server with many like units of holding registers. Prints `ready` when it listens."""

import asyncio
import sys

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


async def serve(port: int, units: int, registers: int) -> None:
    """Serve until ended."""
    words = [i % 65_536 for i in range(registers)]
    simdata = [SimData(0, values=words, datatype=DataType.REGISTERS)]
    server = ModbusTcpServer(
        [SimDevice(id=unit + 1, simdata=simdata) for unit in range(units)],
        address=("127.0.0.1", port),
    )
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(*map(int, sys.argv[1:4])))
