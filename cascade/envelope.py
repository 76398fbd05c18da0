"""One envelope: what one tier sends to the next, under one sequence number of a lane.

Three layers, so that nothing slow happens inside a write transaction:

1. `pack` (cascade.parcel) splits and compresses events, before the transaction;
2. `stow` adds when and what must come first: these bytes are what the outbox stores;
3. `seal` adds who, which lane and which number, with a checksum, when it is sent.

`open_sealed` undoes 3 cheaply (enough to know a duplicate), `unpack` undoes 2 and 1.
"""

import zlib
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct, structs

from cascade.faults import BadEnvelope
from cascade.parcel import (
    MAX_PACKED,
    ODD,
    SEND_ORDER,
    Parcel,
    Tombstone,
    open_body,
    pack,
    pack_tombstone,
)
from registry.model import Event, Lane, Mark, Time

VERSION: Final = 1
MAX_SEALED: Final = MAX_PACKED + 24 * 1024
_HIGHEST: Final = 2**63 - 1


class Leap(Mark, frozen=True, kw_only=True, tag_field="event", tag="mark"):
    """The mark of a tombstone: it stands for `first` to `sequence`, of which nothing comes."""

    first: int


class Stowed(Struct, array_like=True, frozen=True):
    """A parcel with its moment and its condition: `requires` is the number of the registry lane
    to be stored first. `first` other than 0 marks a tombstone from there to its own number."""

    created: Time
    requires: int
    first: int
    body: bytes


class Sealed(Struct, frozen=True):
    """An envelope whose body is still closed."""

    version: int
    source: str
    epoch: str
    lane: Lane
    sequence: int
    stowed: Stowed

    @property
    def first(self) -> int:
        """The lowest number that this envelope stands for."""
        return self.stowed.first or self.sequence

    @property
    def mark(self) -> Mark:
        """Its place in the sender's stream."""
        source, epoch, lane, number = self.source, self.epoch, self.lane, self.sequence
        if self.stowed.first:
            return Leap(source=source, epoch=epoch, lane=lane, sequence=number, first=self.first)
        return Mark(source=source, epoch=epoch, lane=lane, sequence=number)


class Envelope(Struct, frozen=True, kw_only=True):
    """An envelope read. `ignored` counts events of kinds this program does not know, `unreadable`
    says what is wrong with events of known kinds, with a piece of each."""

    version: int
    source: str
    epoch: str
    lane: Lane
    sequence: int
    first: int
    created: Time
    requires: int
    events: tuple[Event, ...]
    readings: int
    ignored: int
    unreadable: tuple[tuple[str, str], ...]
    tombstone: Tombstone | None


class _Wire(Struct, array_like=True, frozen=True):
    version: int
    source: str
    epoch: str
    lane: str
    sequence: int
    checksum: int
    stowed: bytes


_ENCODER: Final = msgspec.msgpack.Encoder()
_WIRE: Final = msgspec.msgpack.Decoder(_Wire)
_STOWED: Final = msgspec.msgpack.Decoder(Stowed)


def stow(parcel: Parcel, *, created: Time, requires: int) -> bytes:
    """Return what the outbox stores for a parcel."""
    return _ENCODER.encode(Stowed(created, requires, 0, parcel.body))


def stow_tombstone(first: int, tombstone: Tombstone, *, created: Time) -> bytes:
    """Return what stands in the outbox for dropped envelopes from number `first` on."""
    return _ENCODER.encode(Stowed(created, 0, first, pack_tombstone(tombstone)))


def open_stowed(stored: bytes) -> Stowed:
    """Read what `stow` or `stow_tombstone` wrote.

    Raises:
        BadEnvelope: the bytes are something else.
    """
    try:
        return _STOWED.decode(stored)
    except ODD as error:
        raise BadEnvelope("parcel", f"cannot be read: {error}") from error


def seal(source: str, epoch: str, lane: Lane, sequence: int, stored: bytes) -> bytes:
    """Return the message for stored bytes: addressed, numbered and checksummed."""
    wire = _Wire(VERSION, source, epoch, lane, sequence, 0, stored)
    return _ENCODER.encode(structs.replace(wire, checksum=_checksum(wire)))


def open_sealed(payload: bytes) -> Sealed:
    """Read an envelope's header; its body stays closed.

    Raises:
        BadEnvelope: field "size", "header", "checksum", "lane", "epoch", "parcel" or "sequence".
            After "checksum" the bytes were damaged on the way, so that sending again helps.
    """
    if len(payload) > MAX_SEALED:
        raise BadEnvelope("size", f"is {len(payload)} bytes, allowed are {MAX_SEALED}")
    try:
        wire = _WIRE.decode(payload)
    except ODD as error:
        raise BadEnvelope("header", f"cannot be read: {error}") from error
    if wire.checksum != _checksum(wire):
        raise BadEnvelope("checksum", "does not fit: the message was damaged on the way")
    if wire.lane not in SEND_ORDER:
        raise BadEnvelope("lane", f"{wire.lane[:32]!r} is unknown to this version")
    if not 1 <= len(wire.epoch) <= 64:
        raise BadEnvelope("epoch", "is empty or longer than 64 characters")
    stowed = open_stowed(wire.stowed)
    if not (1 <= wire.sequence <= _HIGHEST and 0 <= stowed.first <= wire.sequence):
        raise BadEnvelope("sequence", f"{wire.sequence} is impossible")
    return Sealed(wire.version, wire.source, wire.epoch, Lane(wire.lane), wire.sequence, stowed)


def unpack(sealed: Sealed) -> Envelope:
    """Open the body of an envelope.

    Raises:
        BadEnvelope: it cannot be decompressed within 16 MiB, or does not fit itself.
    """
    contents = open_body(sealed.stowed.body)
    return Envelope(
        version=sealed.version,
        source=sealed.source,
        epoch=sealed.epoch,
        lane=sealed.lane,
        sequence=sealed.sequence,
        first=sealed.first,
        created=sealed.stowed.created,
        requires=sealed.stowed.requires,
        events=contents.events,
        readings=contents.readings,
        ignored=contents.ignored,
        unreadable=contents.unreadable,
        tombstone=contents.tombstone,
    )


def encode(
    *,
    source: str,
    epoch: str,
    lane: Lane,
    sequence: int,
    created: Time,
    requires: int,
    events: Sequence[Event],
) -> bytes:
    """Pack, stow and seal events that fit into one envelope of `lane`.

    Raises:
        ValueError: the events need another lane, or none or several envelopes.
    """
    parcels = pack(events)
    if len(parcels) != 1 or parcels[0].lane is not lane:
        raise ValueError(f"{len(events)} events do not make one envelope of lane {lane}")
    stored = stow(parcels[0], created=created, requires=requires)
    return seal(source, epoch, lane, sequence, stored)


def decode(payload: bytes) -> Envelope:
    """Read an envelope whole.

    Raises:
        BadEnvelope: as `open_sealed` and `unpack`.
    """
    return unpack(open_sealed(payload))


def _checksum(wire: _Wire) -> int:
    head = f"{wire.version}\0{wire.source}\0{wire.epoch}\0{wire.lane}\0{wire.sequence}"
    return zlib.crc32(wire.stowed, zlib.crc32(head.encode()))
