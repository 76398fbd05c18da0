"""What every adapter's peer must be able to play, and the house around an adapter under test.

A protocol joins by one file `tests/contract/<kind>_harness.py` with a function
`make(folder: Path) -> Harness`; `test_contract.py` finds it by its name.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from protocols.adapter import Adapter, LinkLost
from registry.model import (
    Command,
    Delivery,
    Device,
    DeviceState,
    Event,
    Misfit,
    Quality,
    Reading,
    ReadingBatch,
    StatusChange,
)

POINT = "value"
_EventT = TypeVar("_EventT")


class Harness(Protocol):
    """One protocol's peer, in processes of its own, and the devices behind it.

    Devices are numbered from 0; each has one FLOAT point called "value". All live behind one
    endpoint. The peer knows at least the devices 0 to 49. After `start` or `restart` the peer
    accepts connections when the call returns.
    """

    every_value: bool
    """True: each produced value must arrive (an event source); False: the last one (polled)."""

    grace: float
    """Seconds within which the adapter must have noticed that the peer is dead."""

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """End all processes; called once at the end, whatever happened before."""
        ...

    def kill(self) -> None:
        """End the peer at once, as a power cut would."""
        ...

    async def restart(self) -> None:
        """Start the peer again at the same endpoint."""
        ...

    def freeze(self) -> None:
        """Make the peer silent without closing anything (SIGSTOP)."""
        ...

    def thaw(self) -> None: ...

    def adapter(self, connected: Callable[[], None]) -> Adapter:
        """Make a new adapter for the peer's endpoint, with short timeouts."""
        ...

    def device(self, number: int) -> Device: ...

    def dead_device(self) -> Device:
        """Return a device of the same endpoint that never answers or does not exist there."""
        ...

    async def produce(self, number: int, value: float) -> None:
        """Let the point "value" of a device take `value`; return when the peer has it.

        Must work while the adapter is stuck in a held `emit`.
        """
        ...

    async def garbage(self, number: int) -> None:
        """Let the peer hand out something that cannot be a value of this device."""
        ...

    def order(self, number: int) -> Command:
        """Return a command for the device, with a deadline a few seconds ahead."""
        ...


class Feed:
    """A DeviceFeed that a test fills."""

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self._devices = {d.id: d for d in devices}
        self._event = asyncio.Event()

    def take(self) -> Mapping[str, Device]:
        self._event.clear()
        return dict(self._devices)

    async def changed(self) -> None:
        await self._event.wait()

    def set(self, devices: Iterable[Device]) -> None:
        """Replace all devices."""
        self._devices = {d.id: d for d in devices}
        self._event.set()


class Sink:
    """The house's end of the door: keeps all events, and can be held as a stuck disk would."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._open = asyncio.Event()
        self._open.set()
        self._news = asyncio.Condition()

    async def emit(self, events: Sequence[Event]) -> None:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self._open.wait()
            self.events.extend(events)
            async with self._news:
                self._news.notify_all()
        finally:
            self.in_flight -= 1

    def hold(self) -> None:
        """Let no emit return until `release`."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def of(self, kind: type[_EventT]) -> list[_EventT]:
        """Return all events of one kind, in order."""
        return [e for e in self.events if isinstance(e, kind)]

    def readings(self, device: str) -> list[Reading]:
        """Return all readings of one device, in order."""
        found: list[Reading] = []
        for event in self.events:
            batch = event.readings if isinstance(event, Delivery) else event
            if isinstance(batch, ReadingBatch):
                found += [r for r in batch.rows() if r.device == device]
        return found

    def values(self, device: str) -> list[object]:
        """Return the good values of one device, in order."""
        return [r.value for r in self.readings(device) if r.quality is Quality.GOOD]

    def complained(self, device: str) -> bool:
        """Tell whether something of this device was set aside, or came as a bad reading."""
        return any(m.device == device for m in self.of(Misfit)) or any(
            r.quality is Quality.BAD for r in self.readings(device)
        )

    def offline(self, device: str) -> bool:
        """Tell whether the device's last known state is offline."""
        states = [s.state for s in self.of(StatusChange) if s.device == device]
        return bool(states) and states[-1] is DeviceState.OFFLINE

    async def until(self, holds: Callable[[], bool], timeout: float = 10) -> None:
        """Return when the condition holds; it is looked at after each emit."""
        try:
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(holds)
        except TimeoutError:
            raise AssertionError(f"never came; the last events: {self.events[-5:]}") from None


@dataclass
class House:
    """A running adapter and what surrounds it."""

    adapter: Adapter
    feed: Feed
    sink: Sink
    losses: list[LinkLost] = field(default_factory=list)
    connections: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def connected(self) -> None:
        self.connections += 1
        self.news.set()

    async def until_connected(self, count: int = 1) -> None:
        """Return when the adapter has reported its link `count` times."""
        async with asyncio.timeout(10):
            while self.connections < count:
                self.news.clear()
                await self.news.wait()

    async def until_lost(self, within: float) -> None:
        """Return when the adapter has raised LinkLost."""
        async with asyncio.timeout(within):
            while not self.losses:
                self.news.clear()
                await self.news.wait()

    async def supervise(self) -> None:
        """Run the adapter for ever, again after each LinkLost."""
        while True:
            try:
                await self.adapter.run(self.feed, self.sink.emit)
            except LinkLost as lost:
                self.losses.append(lost)
                self.news.set()
                await asyncio.sleep(0.05)


@asynccontextmanager
async def housed(
    make: Callable[[Callable[[], None]], Adapter], devices: Iterable[Device]
) -> AsyncIterator[House]:
    """Run the adapter that `make` returns (it is given `connected`), and end it at the end."""
    holder: list[House] = []
    adapter = make(lambda: holder[0].connected())
    house = House(adapter, Feed(devices), Sink())
    holder.append(house)
    task = asyncio.create_task(house.supervise())
    try:
        yield house
    finally:
        house.sink.release()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def running(harness: Harness, numbers: Iterable[int]) -> AsyncIterator[House]:
    """Run an adapter with the devices of these numbers, and end it at the end."""
    async with housed(harness.adapter, [harness.device(n) for n in numbers]) as house:
        yield house
