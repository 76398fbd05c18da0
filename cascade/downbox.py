"""What waits for each child to say "stored": commands and acknowledgements on their way down.

Tables `down_queue` and `down_stream` of the main database; the same contract as the outbox, one
stream per child.
"""

from collections.abc import Sequence
from typing import Final

from cascade.envelope import stow
from cascade.faults import OutboxFull
from cascade.outbox import Row, Stream
from cascade.parcel import Parcel
from registry.model import Time
from registry.store.transaction import Transaction

MAX_WAITING: Final = 10_000


def append(tx: Transaction, child: str, parcels: Sequence[Parcel], *, now: Time) -> int:
    """Give each parcel the child's next number and store it; returns the last number given.

    Raises:
        OutboxFull: 10,000 envelopes wait for this child already.
    """
    stream = state(tx, child)
    waiting = stream.next - 1 - stream.acknowledged + len(parcels)
    if waiting > MAX_WAITING:
        raise OutboxFull(f"down to {child}", waiting, MAX_WAITING)
    tx.executemany(
        "INSERT INTO down_queue(child, sequence, payload, created) VALUES (?, ?, ?, ?)",
        [
            (child, number, stow(parcel, created=now, requires=0), now)
            for number, parcel in enumerate(parcels, stream.next)
        ],
    )
    tx.execute(
        "INSERT INTO down_stream(child, next_sequence, acknowledged) VALUES (?, ?, ?)"
        " ON CONFLICT(child) DO UPDATE SET next_sequence=excluded.next_sequence",
        (child, stream.next + len(parcels), stream.acknowledged),
    )
    return stream.next + len(parcels) - 1


def read(connection: Transaction, child: str, after: int, limit: int) -> list[Row]:
    """Return up to `limit` waiting envelopes for a child with numbers above `after`, in order."""
    rows = connection.execute(
        "SELECT sequence, payload FROM down_queue"
        " WHERE child=? AND sequence>? ORDER BY sequence LIMIT ?",
        (child, after, limit),
    )
    return [Row(sequence, payload) for sequence, payload in rows.fetchall()]


def acknowledge(tx: Transaction, child: str, sequence: int) -> None:
    """Delete what the child has stored up to `sequence`; a number never given changes nothing."""
    stream = state(tx, child)
    if not stream.acknowledged < sequence < stream.next:
        return
    tx.execute("DELETE FROM down_queue WHERE child=? AND sequence<=?", (child, sequence))
    tx.execute("UPDATE down_stream SET acknowledged=? WHERE child=?", (sequence, child))


def skip_to(tx: Transaction, child: str, position: int) -> None:
    """Number what waits for a child, and what is to follow, from `position` + 1 on.

    A position below the next number changes nothing.
    """
    stream = state(tx, child)
    if position < stream.next:
        return
    shift = position - stream.acknowledged  # beyond all numbers in use, so that none collide
    tx.execute("UPDATE down_queue SET sequence=sequence+? WHERE child=?", (shift, child))
    tx.execute(
        "INSERT INTO down_stream(child, next_sequence, acknowledged) VALUES (?, ?, ?)"
        " ON CONFLICT(child) DO UPDATE SET next_sequence=excluded.next_sequence,"
        " acknowledged=excluded.acknowledged",
        (child, stream.next + shift, position),
    )


def state(connection: Transaction, child: str) -> Stream:
    """Return where the stream to a child stands."""
    row = connection.execute(
        "SELECT next_sequence, acknowledged FROM down_stream WHERE child=?", (child,)
    ).fetchone()
    return Stream() if row is None else Stream(next=row[0], acknowledged=row[1])
