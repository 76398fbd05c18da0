"""The sender's side of one stream, without I/O: go back n, with time as an argument.

Times are monotonic seconds.
"""

from collections import deque
from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from cascade.outbox import Stream
from registry.model import Lane


class SendWindow:
    """What is under way of one stream, and what may follow.

    `acknowledged` is the highest number known to be committed, `cursor` the number after which
    to read on, `highest` the highest number ever sent. `bridge` is the last number of a range
    the receiver lacks and the sender no longer has: it is sent as a tombstone.
    """

    def __init__(self, size: int, patience: float) -> None:
        self.acknowledged = 0
        self.cursor = 0
        self.highest = 0
        self.bridge: int | None = None
        self._flight: deque[int] = deque()
        self._size = size
        self._patience = patience
        self._moved = 0.0

    @property
    def under_way(self) -> int:
        """How many envelopes were sent and not acknowledged."""
        return len(self._flight)

    @property
    def room(self) -> int:
        """How many more may be sent now."""
        return self._size - len(self._flight)

    def resume(self, position: int, kept_from: int, moment: float) -> None:
        """Begin anew: the receiver stands at `position`, the sender keeps what is above
        `kept_from` (its own last acknowledgement)."""
        self.acknowledged = self.cursor = self.highest = position
        self.bridge = kept_from if kept_from > position else None
        self._flight.clear()
        self._moved = moment

    def sent(self, sequence: int, moment: float) -> None:
        """Note that the envelope after `cursor` was handed to the broker."""
        if not self._flight:
            self._moved = moment
        self._flight.append(sequence)
        self.cursor = sequence
        self.highest = max(self.highest, sequence)

    def acked(self, sequence: int, moment: float) -> bool:
        """Take a cumulative acknowledgement; tells whether it was news."""
        if not self.acknowledged < sequence <= self.highest:
            return False
        self.acknowledged = sequence
        self.cursor = max(self.cursor, sequence)
        self._moved = moment
        while self._flight and self._flight[0] <= sequence:
            self._flight.popleft()
        if self.bridge is not None and self.bridge <= sequence:
            self.bridge = None
        return True

    def overdue(self, moment: float) -> bool:
        """Tell whether something is under way and nothing was acknowledged for too long."""
        return bool(self._flight) and moment - self._moved >= self._patience

    def rewind(self, moment: float) -> None:
        """Send again everything that is not acknowledged."""
        self._flight.clear()
        self.cursor = self.acknowledged
        self._moved = moment

    @property
    def next_bridge(self) -> tuple[int, int] | None:
        """The range (first, last) to declare as gone before anything else is sent, or None."""
        if self.bridge is None or self.cursor >= self.bridge:
            return None
        return self.cursor + 1, self.bridge


class Relation(Enum):
    """What the receiver's positions say about the sender."""

    IN_STEP = "in step"
    RECEIVER_BEHIND = "receiver behind"
    SENDER_COPIED = "sender copied"


class Comparison(Struct, frozen=True):
    """How sender and receiver stand; `suspects` are lanes in which the receiver is further ahead
    than a window, so that the stored rows must tell whether this sender can have sent them."""

    relation: Relation
    suspects: tuple[Lane, ...] = ()


def compare(
    streams: Mapping[Lane, Stream], positions: Mapping[Lane, int], window: int
) -> Comparison:
    """Compare a sender's streams, as they stood at its birth, with the receiver's positions.

    A receiver behind what it once acknowledged has lost its data or is another one. A receiver
    ahead of every number ever given knows a sender that this one is a copy of.
    """
    if any(positions.get(lane, 0) >= stream.next for lane, stream in streams.items()):
        return Comparison(Relation.SENDER_COPIED)
    behind = any(positions.get(lane, 0) < s.acknowledged for lane, s in streams.items())
    suspects = tuple(
        lane for lane, s in streams.items() if positions.get(lane, 0) - s.acknowledged > window
    )
    return Comparison(Relation.RECEIVER_BEHIND if behind else Relation.IN_STEP, suspects)
