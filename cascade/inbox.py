"""The inbox: how far each stream of another tier has been stored here (table `inbox_mark`).

The mark moves in the transaction that stores what it speaks of: so nothing is stored twice, and
nothing is called stored that is not.
"""

from cascade.envelope import Leap
from registry.model import Lane, Mark, Time
from registry.store.transaction import Transaction


def advance(tx: Transaction, mark: Mark, now: Time = 0) -> bool:
    """Move the stream's position to `mark`; True means that its batch is to be stored now.

    False means that the batch is a duplicate, or that something before it is missing: nothing of
    it may be stored. A Leap (the mark of a tombstone) moves past everything it stands for.
    """
    stored = position(tx, mark.source, mark.epoch, mark.lane)
    first = mark.first if isinstance(mark, Leap) else mark.sequence
    if not first <= stored + 1 <= mark.sequence:
        return False
    tx.execute(
        "INSERT INTO inbox_mark(source, epoch, lane, sequence, updated) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT(source, epoch, lane) DO UPDATE"
        " SET sequence=excluded.sequence, updated=excluded.updated",
        (mark.source, mark.epoch, mark.lane.value, mark.sequence, now),
    )
    return True


def position(connection: Transaction, source: str, epoch: str, lane: Lane) -> int:
    """Return the highest number stored of a stream, 0 if none is."""
    row = connection.execute(
        "SELECT sequence FROM inbox_mark WHERE source=? AND epoch=? AND lane=?",
        (source, epoch, lane.value),
    ).fetchone()
    return 0 if row is None else int(row[0])


def positions(connection: Transaction, source: str, epoch: str) -> dict[Lane, int]:
    """Return the highest number stored of each lane of `source`, 0 where none is."""
    found = dict.fromkeys(Lane, 0)
    rows = connection.execute(
        "SELECT lane, sequence FROM inbox_mark WHERE source=? AND epoch=?", (source, epoch)
    )
    for lane, sequence in rows.fetchall():
        found[Lane(lane)] = sequence
    return found


def forget(tx: Transaction, *, before: Time) -> int:
    """Forget epochs that had no news since `before` and are not the newest of their source.

    Returns how many marks went.
    """
    gone = tx.execute(
        "DELETE FROM inbox_mark WHERE updated < ? AND (source, epoch) NOT IN ("
        " SELECT source, epoch FROM inbox_mark AS other WHERE updated ="
        " (SELECT MAX(updated) FROM inbox_mark WHERE source = other.source))",
        (before,),
    )
    return gone.rowcount
