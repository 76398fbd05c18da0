"""What the two ends ask of the node's database, and the ready-made answer on its threads."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from msgspec import Struct

from cascade import downbox, inbox, outbox
from cascade.outbox import Backlog, Identity, Row, Stream
from cascade.parcel import Parcel
from registry.model import Lane, Time
from registry.store.transaction import Transaction

T = TypeVar("T")


class Standing(Struct, frozen=True):
    """The node's identity and its streams, read at one moment."""

    identity: Identity
    streams: Mapping[Lane, Stream]


class UplinkStore(Protocol):
    """The lower end's database."""

    async def standing(self) -> Standing:
        """Return the identity and where every lane stands."""
        ...

    async def backlog(self) -> Mapping[Lane, Backlog]:
        """Return what waits, by lane."""
        ...

    async def read(self, lane: Lane, after: int, limit: int) -> Sequence[Row]:
        """Return up to `limit` waiting envelopes above `after`, in order."""
        ...

    async def acknowledge(self, lane: Lane, sequence: int) -> None:
        """Return once everything up to `sequence` is durably deleted."""
        ...

    async def positions(self, source: str, epoch: str) -> Mapping[Lane, int]:
        """Return how far the streams of another node are stored here."""
        ...

    async def renew_epoch(self) -> None:
        """Begin a new epoch: this database is a copy."""
        ...


class DownlinkStore(Protocol):
    """The upper end's database."""

    async def identity(self) -> Identity:
        """Return the node's name and epoch."""
        ...

    async def positions(self, source: str, epoch: str) -> Mapping[Lane, int]:
        """Return how far the streams of a lower node are stored."""
        ...

    async def down_append(self, child: str, parcels: Sequence[Parcel]) -> int:
        """Durably queue parcels for a child; returns the last number given."""
        ...

    async def down_read(self, child: str, after: int, limit: int) -> Sequence[Row]:
        """Return up to `limit` waiting envelopes for a child above `after`, in order."""
        ...

    async def down_acknowledge(self, child: str, sequence: int) -> None:
        """Delete what the child has stored."""
        ...

    async def down_skip_to(self, child: str, position: int) -> None:
        """Number what waits for a child, and what is to follow, above `position`."""
        ...

    async def down_state(self, child: str) -> Stream:
        """Return where the stream to a child stands."""
        ...


class RunWrite(Protocol):
    """Runs work inside one write transaction, elsewhere than on the event loop."""

    async def __call__(self, work: Callable[[Transaction], T], /) -> T:
        """Return what `work` returned once its transaction is committed durably."""
        ...


class RunRead(Protocol):
    """Runs work on a reading connection, elsewhere than on the event loop."""

    async def __call__(self, work: Callable[[Transaction], T], /) -> T:
        """Return what `work` returned; it sees everything committed before the call."""
        ...


class SqlStore:
    """UplinkStore and DownlinkStore over the main database."""

    def __init__(self, *, write: RunWrite, read: RunRead, now: Callable[[], Time]) -> None:
        self._write = write
        self._read = read
        self._now = now

    async def standing(self) -> Standing:
        return await self._read(lambda c: Standing(outbox.identity(c), outbox.streams(c)))

    async def identity(self) -> Identity:
        return await self._read(outbox.identity)

    async def backlog(self) -> Mapping[Lane, Backlog]:
        return await self._read(outbox.backlog)

    async def read(self, lane: Lane, after: int, limit: int) -> Sequence[Row]:
        return await self._read(lambda c: outbox.read(c, lane, after, limit))

    async def acknowledge(self, lane: Lane, sequence: int) -> None:
        await self._write(lambda tx: outbox.acknowledge(tx, lane, sequence))

    async def positions(self, source: str, epoch: str) -> Mapping[Lane, int]:
        return await self._read(lambda c: inbox.positions(c, source, epoch))

    async def renew_epoch(self) -> None:
        await self._write(lambda tx: outbox.renew_epoch(tx, now=self._now()))

    async def down_append(self, child: str, parcels: Sequence[Parcel]) -> int:
        now = self._now()
        return await self._write(lambda tx: downbox.append(tx, child, parcels, now=now))

    async def down_read(self, child: str, after: int, limit: int) -> Sequence[Row]:
        return await self._read(lambda c: downbox.read(c, child, after, limit))

    async def down_acknowledge(self, child: str, sequence: int) -> None:
        await self._write(lambda tx: downbox.acknowledge(tx, child, sequence))

    async def down_skip_to(self, child: str, position: int) -> None:
        await self._write(lambda tx: downbox.skip_to(tx, child, position))

    async def down_state(self, child: str) -> Stream:
        return await self._read(lambda c: downbox.state(c, child))
