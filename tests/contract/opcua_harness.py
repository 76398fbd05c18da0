"""The OPC UA peer of the contract: an asyncua server with fifty nodes."""

import math
import signal
from collections.abc import Callable
from pathlib import Path

from protocols.adapter import Adapter
from registry.model import Command, Device
from tests.contract.suite import POINT
from tests.protocols.opcua.peer import Peer, device, order, point
from tests.protocols.opcua.peer import make as make_adapter


class OpcUaHarness:
    every_value = True
    grace = 5.0

    def __init__(self) -> None:
        self._peer = Peer({f"V{n}": ("Double", 0.0) for n in range(50)})

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
        return make_adapter(self._peer.endpoint, connected)

    def device(self, number: int) -> Device:
        return device(self._peer.endpoint, f"d{number}", point(POINT, f"V{number}", writable=True))

    def dead_device(self) -> Device:
        return device(self._peer.endpoint, "dead", point(POINT, "Ghost"))

    async def produce(self, number: int, value: float) -> None:
        await self._peer.tell(set={f"V{number}": value})

    async def garbage(self, number: int) -> None:
        await self._peer.tell(set={f"V{number}": math.nan})

    def order(self, number: int) -> Command:
        return order(self.device(number), POINT, 1.0)


def make(_folder: Path) -> OpcUaHarness:
    return OpcUaHarness()
