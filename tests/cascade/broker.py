"""A broker in memory that misbehaves as told: loses, doubles, delays, cuts connections."""

import asyncio
import random
from collections.abc import Callable, Sequence

from msgspec import Struct

from cascade.bus import BusMessage
from protocols.adapter import LinkLost


class Faults(Struct, frozen=True):
    """Chances per delivered message, and the longest delay in seconds (delays reorder)."""

    loss: float = 0.0
    double: float = 0.0
    delay: float = 0.0
    cut: float = 0.0


class Broker:
    """Delivers to every client whose filter matches; nothing is kept for absent ones."""

    def __init__(self, seed: int = 0, faults: Faults | None = None) -> None:
        self.random = random.Random(seed)
        self.faults = faults or Faults()
        self.clients: list[Client] = []
        self.log: list[BusMessage] = []
        self.drop: Callable[[BusMessage], bool] = lambda message: False

    async def open(self, will: BusMessage | None = None) -> "Client":
        await asyncio.sleep(0)
        client = Client(self, will)
        self.clients.append(client)
        return client

    def route(self, message: BusMessage) -> None:
        self.log.append(message)
        if self.drop(message):
            return
        for client in list(self.clients):
            if not any(matches(f, message.topic) for f in client.filters):
                continue
            if self.random.random() < self.faults.loss:
                continue
            for _ in range(2 if self.random.random() < self.faults.double else 1):
                self._hand_over(client, message)
            if self.random.random() < self.faults.cut:
                client.cut()

    def _hand_over(self, client: "Client", message: BusMessage) -> None:
        delay = self.random.random() * self.faults.delay
        if delay:
            asyncio.get_running_loop().call_later(delay, client.receive, message)
        else:
            client.receive(message)

    def heal(self) -> None:
        self.faults = Faults()


class Client:
    """One connection; satisfies `cascade.bus.Bus`."""

    def __init__(self, broker: Broker, will: BusMessage | None) -> None:
        self.filters: list[str] = []
        self._broker = broker
        self._will = will
        self._waiting: list[BusMessage] = []
        self._arrived = asyncio.Event()
        self._up = True

    async def subscribe(self, filters: Sequence[str]) -> None:
        self._check()
        self.filters += filters

    async def publish(self, topic: str, payload: bytes) -> None:
        self._check()
        self._broker.route(BusMessage(topic, payload))

    async def messages(self) -> Sequence[BusMessage]:
        while not self._waiting:
            self._check()
            self._arrived.clear()
            await self._arrived.wait()
        self._check()
        taken, self._waiting = self._waiting, []
        return taken

    async def close(self) -> None:
        self._will = None
        self.cut()

    def receive(self, message: BusMessage) -> None:
        if self._up:
            self._waiting.append(message)
            self._arrived.set()

    def cut(self) -> None:
        """Break the connection: the broker sends the will."""
        if not self._up:
            return
        self._up = False
        self._arrived.set()
        if self in self._broker.clients:
            self._broker.clients.remove(self)
        if self._will is not None:
            self._broker.route(self._will)

    def _check(self) -> None:
        if not self._up:
            raise LinkLost("The broker is gone.")


def matches(pattern: str, topic: str) -> bool:
    """Match an MQTT filter."""
    wanted, parts = pattern.split("/"), topic.split("/")
    for i, level in enumerate(wanted):
        if level == "#":
            return True
        if i >= len(parts) or level not in ("+", parts[i]):
            return False
    return len(wanted) == len(parts)
