"""Parcels: events of one lane, split to a size that travels well and compressed.

Packing needs no sequence number, so it happens before the write transaction.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
import zstandard
from msgspec import Raw, Struct

from cascade.columns import MAX_ROWS, Table, from_table, merge, slice_batch, to_table
from cascade.faults import BadEnvelope
from registry.model import (
    Alarm,
    AlarmAcknowledged,
    Command,
    Delivery,
    Detection,
    Discovered,
    Event,
    Lane,
    Mark,
    Misfit,
    MisfitReason,
    Moved,
    Outcome,
    ReadingBatch,
    SessionStarted,
    StatusChange,
    Time,
    lane_of,
)

ROWS_PER_ENVELOPE: Final = 1000
BYTES_PER_ENVELOPE: Final = 256 * 1024
MAX_PACKED: Final = 1000 * 1024
MAX_BODY: Final = 16 * 1024 * 1024
MAX_EVENTS: Final = 10_000
SEND_ORDER: Final = (Lane.ALARM, Lane.STATUS, Lane.REGISTRY, Lane.TELEMETRY)
_PACK_ORDER: Final = (Lane.REGISTRY, Lane.ALARM, Lane.STATUS, Lane.TELEMETRY)
_LEVEL: Final = 3

Carried = (
    StatusChange
    | Discovered
    | Moved
    | Detection
    | Alarm
    | AlarmAcknowledged
    | Command
    | Outcome
    | Misfit
)
"""Events that travel as they are; readings travel as columns, marks and receipts stay at home."""


class Parcel(Struct, frozen=True):
    """Compressed events of one lane."""

    lane: Lane
    body: bytes
    readings: int


class Tombstone(Struct, frozen=True, kw_only=True):
    """What was dropped on purpose: `envelopes` and `readings` made from `oldest` to `newest`."""

    reason: str
    envelopes: int = 0
    readings: int = 0
    oldest: Time = 0
    newest: Time = 0


class Contents(Struct, frozen=True):
    """What a body held. `ignored` counts events of kinds this program does not know, `unreadable`
    says what is wrong with events of known kinds, with a piece of each."""

    events: tuple[Event, ...]
    readings: int = 0
    ignored: int = 0
    unreadable: tuple[tuple[str, str], ...] = ()
    tombstone: Tombstone | None = None


class _Body(Struct, array_like=True, frozen=True):
    tables: list[Table]
    events: list[Raw]
    tombstone: Tombstone | None = None


class _Kind(Struct):
    event: str


_ENCODER: Final = msgspec.msgpack.Encoder()
_BODY: Final = msgspec.msgpack.Decoder(_Body)
_CARRIED: Final[msgspec.msgpack.Decoder[Any]] = msgspec.msgpack.Decoder(Carried)
_KIND: Final = msgspec.msgpack.Decoder(_Kind)
_KNOWN: Final = frozenset(kind.__struct_config__.tag for kind in Carried.__args__)
ODD: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
"""What msgspec raises for bytes that are not what they should be."""


def pack(
    events: Iterable[Event], *, rows: int = ROWS_PER_ENVELOPE, size: int = BYTES_PER_ENVELOPE
) -> list[Parcel]:
    """Sort events by lane, merge their readings, split and compress.

    Registry comes first, so that what follows may require it. A parcel holds at most `rows`
    readings or events and about `size` bytes. Something too large to travel at all is replaced
    by a Misfit that says so. Marks and session starts stay at home.
    """
    lanes: dict[Lane, list[Event]] = {lane: [] for lane in _PACK_ORDER}
    batches: list[ReadingBatch] = []
    for event in events:
        match event:
            case ReadingBatch():
                batches.append(event)
            case Delivery():
                batches.append(event.readings)
            case SessionStarted() | Mark():
                continue
            case _:
                lanes[lane_of(event)].append(event)
    packer = _Packer(rows, size)
    for lane in _PACK_ORDER:
        if lane is Lane.TELEMETRY:
            for batch in merge(batches):
                for start in range(0, len(batch), rows):
                    packer.add_rows(slice_batch(batch, start, start + rows))
        packer.add_events(lane, lanes[lane])
    return packer.parcels


def pack_tombstone(tombstone: Tombstone) -> bytes:
    """Return the body that declares a loss."""
    return zstandard.compress(_ENCODER.encode(_Body([], [], tombstone)))


def open_body(body: bytes) -> Contents:
    """Read a body.

    Raises:
        BadEnvelope: it cannot be decompressed within 16 MiB, is no body, or a table does not
            fit itself.
    """
    try:
        inside = _BODY.decode(_decompress(body))
    except ODD as error:
        raise BadEnvelope("body", f"cannot be read: {error}") from error
    if len(inside.events) > MAX_EVENTS:
        raise BadEnvelope("events", f"are {len(inside.events)}, allowed are {MAX_EVENTS}")
    readings = sum(len(table.device) // 2 for table in inside.tables)
    if readings > MAX_ROWS:
        raise BadEnvelope("tables", f"hold {readings} rows, allowed are {MAX_ROWS}")
    events: list[Event] = [from_table(table) for table in inside.tables]
    ignored = 0
    unreadable: list[tuple[str, str]] = []
    for i, raw in enumerate(inside.events):
        try:
            events.append(_CARRIED.decode(raw))
        except ODD as error:
            if _unknown(raw):
                ignored += 1
            else:
                unreadable.append((f"events[{i}]: {error}", repr(bytes(raw)[:400])[2:-1]))
    return Contents(tuple(events), readings, ignored, tuple(unreadable), inside.tombstone)


class _Packer:
    def __init__(self, rows: int, size: int) -> None:
        self.parcels: list[Parcel] = []
        self._rows = rows
        self._size = size
        self._zstd = zstandard.ZstdCompressor(level=_LEVEL)

    def add_rows(self, batch: ReadingBatch) -> None:
        body = self._close(_Body([to_table(batch)], []))
        if body is not None and (len(body) <= self._size or len(batch) == 1):
            self.parcels.append(Parcel(Lane.TELEMETRY, body, len(batch)))
        elif len(batch) == 1:
            self.add_events(
                Lane.TELEMETRY, [_too_large(batch.device[0], batch.point[0], batch.source_time[0])]
            )
        else:
            half = len(batch) // 2
            self.add_rows(slice_batch(batch, 0, half))
            self.add_rows(slice_batch(batch, half, len(batch)))

    def add_events(self, lane: Lane, events: Sequence[Event]) -> None:
        for group in self._groups(events):
            body = self._close(_Body([], group))
            if body is None:
                body = self._close(_Body([], [_encode(_too_large("", "", 0))]))
            if body is not None:
                self.parcels.append(Parcel(lane, body, 0))

    def _groups(self, events: Iterable[Event]) -> Iterator[list[Raw]]:
        group: list[Raw] = []
        weight = 0
        for event in events:
            raw = _encode(event)
            if group and (weight + len(raw) > self._size or len(group) >= self._rows):
                yield group
                group, weight = [], 0
            group.append(raw)
            weight += len(raw)
        if group:
            yield group

    def _close(self, body: _Body) -> bytes | None:
        """Return the compressed body, or None if no receiver would accept it."""
        plain = _ENCODER.encode(body)
        if len(plain) > MAX_BODY:
            return None
        packed = self._zstd.compress(plain)
        return packed if len(packed) <= MAX_PACKED else None


def _encode(event: Event) -> Raw:
    return Raw(_ENCODER.encode(event))


def _too_large(device: str, point: str, time: Time) -> Misfit:
    return Misfit(
        source="cascade",
        reason=MisfitReason.TOO_LARGE,
        detail=f"Exceeds {MAX_PACKED} bytes, compressed, and was not sent to the upper tier: "
        "send it in smaller pieces.",
        time=time,
        device=device,
        point=point,
    )


def _decompress(body: bytes) -> bytes:
    try:
        size = zstandard.get_frame_parameters(body).content_size
        if size > MAX_BODY:  # also when the frame does not say: the marker is 2**64 - 1
            raise BadEnvelope("body", f"declares no size up to {MAX_BODY} bytes")
        return zstandard.ZstdDecompressor(max_window_size=MAX_BODY).decompress(
            body, max_output_size=MAX_BODY, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise BadEnvelope("body", f"cannot be decompressed: {error}") from error


def _unknown(raw: Raw) -> bool:
    try:
        return _KIND.decode(raw).event not in _KNOWN
    except ODD:
        return False
