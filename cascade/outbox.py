"""The outbox: what waits for the upper tier to say "committed".

Tables `outbox`, `outbox_stream` and `node_identity` of the main database. Numbers are given in
the transaction that stores the events, one sequence per lane, never used twice, never derived
from the rows that happen to wait. Over quota the oldest telemetry goes, and a tombstone in its
place says what went.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from cascade.envelope import open_stowed, stow, stow_tombstone
from cascade.faults import OutboxFull
from cascade.parcel import SEND_ORDER, Parcel, Tombstone, open_body
from registry.model import Lane, Time
from registry.store.transaction import Transaction

MAX_WINDOW: Final = 64
"""No sender ever has more envelopes of a lane under way; this many of the oldest are never
dropped, because the upper tier may have stored them already."""
_STONE: Final = 192
_COUNTED: Final = 2_000
_T: Final = Lane.TELEMETRY.value


class Quota(Struct, frozen=True, kw_only=True):
    """Bytes the outbox may hold, and the share of them that telemetry may use."""

    limit: int = 1024**3
    telemetry: float = 0.8


class Dropped(Struct, frozen=True, kw_only=True):
    """What gave way."""

    envelopes: int = 0
    readings: int = 0

    def __add__(self, other: "Dropped") -> "Dropped":
        return Dropped(
            envelopes=self.envelopes + other.envelopes, readings=self.readings + other.readings
        )


class Appended(Struct, frozen=True, kw_only=True):
    """The last number given in each lane that got something, and what gave way to it."""

    last: Mapping[Lane, int]
    dropped: Dropped


class Row(Struct, frozen=True):
    """One waiting envelope; `payload` is what `envelope.seal` wants."""

    sequence: int
    payload: bytes


class Stream(Struct, frozen=True, kw_only=True):
    """Where a lane stands: next number to give, highest number the upper tier has committed."""

    next: int = 1
    acknowledged: int = 0
    bytes: int = 0


class Backlog(Struct, frozen=True, kw_only=True):
    """What waits in a lane. `oldest` is when its oldest envelope was made, 0 if none waits;
    `readings` is an estimate from the oldest 2,000 envelopes if more wait."""

    rows: int
    bytes: int
    readings: int
    oldest: Time


class Identity(Struct, frozen=True):
    """A node's name, and the epoch its sequence numbers belong to."""

    name: str
    epoch: str


def append(
    tx: Transaction,
    parcels: Sequence[Parcel],
    *,
    now: Time,
    quota: Quota,
    requires: int | None = None,
) -> Appended:
    """Give each parcel the next number of its lane and store it.

    Unless `requires` says otherwise, everything requires the registry entries stored so far,
    those of this call included.

    Raises:
        OutboxFull: lanes that are never dropped have used up the quota; roll the transaction back.
    """
    lanes = streams(tx)
    dropped = Dropped()
    last: dict[Lane, int] = {}
    for parcel in sorted(parcels, key=lambda p: p.lane is not Lane.REGISTRY):
        lane = parcel.lane
        needed = 0
        if lane is not Lane.REGISTRY:
            needed = lanes[Lane.REGISTRY].next - 1 if requires is None else requires
        payload = stow(parcel, created=now, requires=needed)
        room = _room(lanes, lane, quota) - len(payload)
        if room < 0:
            freed, gone = _drop(tx, -room, now=now, reason="quota")
            dropped += gone
            lanes[Lane.TELEMETRY] = _grow(lanes[Lane.TELEMETRY], -freed)
            room += freed
        stream = lanes[lane]
        if room < 0 and lane is not Lane.TELEMETRY:
            used = sum(s.bytes for s in lanes.values())
            raise OutboxFull(lane.value, used, quota.limit)
        if room < 0:
            dropped += Dropped(envelopes=1, readings=parcel.readings)
            lanes[lane] = _bury(tx, stream, parcel, now)
        else:
            _insert(tx, lane.value, stream.next, payload, parcel.readings, now)
            lanes[lane] = _grow(stream, len(payload), 1)
        last[lane] = stream.next
    _save(tx, lanes)
    return Appended(last=last, dropped=dropped)


def expire(tx: Transaction, *, now: Time, before: Time) -> Dropped:
    """Drop telemetry made before `before`, with a tombstone; returns what went."""
    freed, gone = _drop(tx, 2**62, now=now, reason="age", before=before)
    if gone.envelopes:
        lanes = streams(tx)
        lanes[Lane.TELEMETRY] = _grow(lanes[Lane.TELEMETRY], -freed)
        _save(tx, lanes)
    return gone


def read(connection: Transaction, lane: Lane, after: int, limit: int) -> list[Row]:
    """Return up to `limit` waiting envelopes of a lane with numbers above `after`, in order."""
    rows = connection.execute(
        "SELECT sequence, payload FROM outbox"
        " WHERE lane=? AND sequence>? ORDER BY sequence LIMIT ?",
        (lane.value, after, limit),
    )
    return [Row(sequence, payload) for sequence, payload in rows.fetchall()]


def acknowledge(tx: Transaction, lane: Lane, sequence: int) -> int:
    """Delete what the upper tier has committed up to `sequence`; returns how many rows went.

    A number that was never given changes nothing.
    """
    stream = streams(tx)[lane]
    if not stream.acknowledged < sequence < stream.next:
        return 0
    gone = tx.execute(
        "DELETE FROM outbox WHERE lane=? AND sequence<=? RETURNING bytes", (lane.value, sequence)
    ).fetchall()
    tx.execute(
        "UPDATE outbox_stream SET acknowledged=?, bytes=? WHERE lane=?",
        (sequence, max(0, stream.bytes - sum(size for (size,) in gone)), lane.value),
    )
    return len(gone)


def streams(connection: Transaction) -> dict[Lane, Stream]:
    """Return where every lane stands."""
    found = {lane: Stream() for lane in SEND_ORDER}
    rows = connection.execute("SELECT lane, next_sequence, acknowledged, bytes FROM outbox_stream")
    for lane, following, acknowledged, size in rows.fetchall():
        found[Lane(lane)] = Stream(next=following, acknowledged=acknowledged, bytes=size)
    return found


def backlog(connection: Transaction) -> dict[Lane, Backlog]:
    """Return what waits in every lane."""
    found = {}
    for lane, stream in streams(connection).items():
        (rows,) = connection.execute(
            "SELECT COUNT(*) FROM outbox WHERE lane=?", (lane.value,)
        ).fetchone()
        (readings,) = connection.execute(
            "SELECT COALESCE(SUM(readings), 0) FROM (SELECT readings FROM outbox"
            " WHERE lane=? ORDER BY sequence LIMIT ?)",
            (lane.value, _COUNTED),
        ).fetchone()
        oldest = connection.execute(
            "SELECT created FROM outbox WHERE lane=? ORDER BY sequence LIMIT 1", (lane.value,)
        ).fetchone()
        found[lane] = Backlog(
            rows=rows,
            bytes=stream.bytes,
            readings=readings * rows // _COUNTED if rows > _COUNTED else readings,
            oldest=oldest[0] if oldest else 0,
        )
    return found


def identity(connection: Transaction) -> Identity:
    """Return the node's name and epoch.

    Raises:
        LookupError: the database has not been given an identity.
    """
    row = connection.execute("SELECT name, epoch FROM node_identity").fetchone()
    if row is None:
        raise LookupError("The database names no node: prepare it before the cascade starts.")
    return Identity(*row)


def renew_epoch(tx: Transaction, *, now: Time) -> Identity:
    """Begin a new epoch: the database is a copy of another, or was restored from one."""
    tx.execute("UPDATE node_identity SET epoch=?, created=?", (secrets.token_hex(8), now))
    return identity(tx)


def _room(lanes: Mapping[Lane, Stream], lane: Lane, quota: Quota) -> int:
    room = quota.limit - sum(stream.bytes for stream in lanes.values())
    if lane is Lane.TELEMETRY:
        share = int(quota.limit * quota.telemetry)
        return min(room, share - lanes[lane].bytes)
    return room


def _grow(stream: Stream, size: int, rows: int = 0) -> Stream:
    return Stream(
        next=stream.next + rows,
        acknowledged=stream.acknowledged,
        bytes=max(0, stream.bytes + size),
    )


def _insert(
    tx: Transaction, lane: str, sequence: int, payload: bytes, readings: int, now: Time
) -> None:
    tx.execute(
        "INSERT INTO outbox(lane, sequence, payload, bytes, readings, created)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (lane, sequence, payload, len(payload), readings, now),
    )


def _save(tx: Transaction, lanes: Mapping[Lane, Stream]) -> None:
    tx.executemany(
        "INSERT INTO outbox_stream(lane, next_sequence, acknowledged, bytes) VALUES (?, ?, ?, ?)"
        " ON CONFLICT(lane) DO UPDATE SET next_sequence=excluded.next_sequence,"
        " bytes=excluded.bytes",
        [(lane.value, s.next, s.acknowledged, s.bytes) for lane, s in lanes.items()],
    )


class _Waiting(Struct, frozen=True):
    sequence: int
    size: int
    readings: int
    created: Time
    first: int = 0
    tombstone: Tombstone | None = None


class _Grave:
    """Gathers what a tombstone has to declare: neighbouring rows, an older tombstone among them."""

    def __init__(self) -> None:
        self.first = self.last = self.freed = 0
        self.new = Dropped()
        self._all = Dropped()
        self._times: list[Time] = []

    def add(self, row: _Waiting) -> None:
        self.first = self.first or row.first or row.sequence
        self.last = row.sequence
        self.freed += row.size
        if row.tombstone is None:
            gone = Dropped(envelopes=1, readings=row.readings)
            self.new += gone
            self._times.append(row.created)
        else:
            old = row.tombstone
            gone = Dropped(envelopes=old.envelopes, readings=old.readings)
            self._times += (old.oldest, old.newest)
        self._all += gone

    def close(self, tx: Transaction, reason: str, now: Time) -> None:
        """Put the tombstone in the place of the rows."""
        tx.execute(
            "DELETE FROM outbox WHERE lane=? AND sequence BETWEEN ? AND ?",
            (_T, self.first, self.last),
        )
        tombstone = Tombstone(
            reason=reason,
            envelopes=self._all.envelopes,
            readings=self._all.readings,
            oldest=min(self._times),
            newest=max(self._times),
        )
        stone = stow_tombstone(self.first, tombstone, created=now)
        _insert(tx, _T, self.last, stone, 0, now)
        self.freed -= len(stone)


def _drop(
    tx: Transaction, need: int, *, now: Time, reason: str, before: Time | None = None
) -> tuple[int, Dropped]:
    """Replace the oldest droppable telemetry by a tombstone until `need` bytes are free."""
    grave = _Grave()
    for row in _droppable(tx):
        late = row.tombstone is None and before is not None and row.created >= before
        if late or grave.freed >= need + _STONE:
            break
        grave.add(row)
    if not grave.new.envelopes:
        return 0, Dropped()
    grave.close(tx, reason, now)
    return grave.freed, grave.new


def _bury(tx: Transaction, stream: Stream, parcel: Parcel, now: Time) -> Stream:
    """Nothing else gives way: let the new parcel be a tombstone from the start."""
    grave = _Grave()
    for row in _droppable(tx):
        grave.add(row)
    grave.add(_Waiting(stream.next, 0, parcel.readings, now))
    grave.close(tx, "quota", now)
    return _grow(stream, -grave.freed, 1)


def _droppable(tx: Transaction) -> Iterator[_Waiting]:
    """Yield waiting telemetry, oldest first, except what may be under way."""
    head = tx.execute(
        "SELECT sequence FROM outbox WHERE lane=? ORDER BY sequence LIMIT 1 OFFSET ?",
        (_T, MAX_WINDOW - 1),
    ).fetchone()
    after = None if head is None else head[0]
    while after is not None:
        rows = tx.execute(
            "SELECT sequence, bytes, readings, created,"
            " CASE WHEN readings = 0 THEN payload END FROM outbox"
            " WHERE lane=? AND sequence>? ORDER BY sequence LIMIT 64",
            (_T, after),
        ).fetchall()
        for sequence, size, readings, created, payload in rows:
            stowed = None if payload is None else open_stowed(payload)
            if stowed is None or not stowed.first:
                yield _Waiting(sequence, size, readings, created)
            else:
                stone = open_body(stowed.body).tombstone
                yield _Waiting(sequence, size, readings, created, stowed.first, stone)
        after = rows[-1][0] if rows else None
