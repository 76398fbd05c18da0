"""The Modbus peer of the contract: a pymodbus server with fifty units."""

import signal
from collections.abc import Callable
from pathlib import Path

from pymodbus.client import AsyncModbusTcpClient

from protocols.adapter import Adapter
from protocols.modbus.codec import Form, Kind, encode
from registry.model import Command, Device, ValueType
from tests.contract.suite import POINT
from tests.protocols.modbus.peer import Peer, device, order, point
from tests.protocols.modbus.peer import make as make_adapter

_DOUBLE = Form(value=ValueType.FLOAT, kind=Kind.FLOAT64)
_DEAD = 99


class ModbusHarness:
    every_value = False
    grace = 5.0

    def __init__(self) -> None:
        self._peer = Peer({n + 1: {"holding": {"0": [0] * 4}} for n in range(50)})

    async def start(self) -> None:
        await self._peer.start()

    async def stop(self) -> None:
        await self._peer.stop()

    def kill(self) -> None:
        self._peer.signal(signal.SIGKILL)

    async def restart(self) -> None:
        await self._peer.stop()
        await self._peer.start()

    def freeze(self) -> None:
        self._peer.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._peer.signal(signal.SIGCONT)

    def adapter(self, connected: Callable[[], None]) -> Adapter:
        return make_adapter(self._peer.endpoint, connected, timeout=0.3)

    def device(self, number: int) -> Device:
        return self._unit(number + 1)

    def dead_device(self) -> Device:
        return self._unit(_DEAD)

    def _unit(self, unit: int) -> Device:
        value = point(POINT, {"register": 0, "type": "float64"}, writable=True)
        return device(self._peer.endpoint, unit, value)

    async def produce(self, number: int, value: float) -> None:
        await self._put(number, encode(_DOUBLE, value))

    async def garbage(self, number: int) -> None:
        await self._put(number, [0x7FF8, 0, 0, 0])

    async def _put(self, number: int, words: list[int]) -> None:
        client = AsyncModbusTcpClient("127.0.0.1", port=self._peer.port, reconnect_delay=0)
        try:
            assert await client.connect()
            answer = await client.write_registers(0, words, device_id=number + 1)
            assert not answer.isError()
        finally:
            client.close()

    def order(self, number: int) -> Command:
        return order(self.device(number), POINT, 1.0)


def make(_folder: Path) -> ModbusHarness:
    return ModbusHarness()
