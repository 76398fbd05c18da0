"""The receiver's side of one source's streams, without I/O; times are monotonic seconds."""

from collections.abc import Mapping
from enum import Enum

from cascade.envelope import Sealed
from registry.model import Lane


class Verdict(Enum):
    """What to do with an envelope."""

    NEXT = "next"
    DUPLICATE = "duplicate"
    GAP = "gap"
    HOLD = "hold"


class StreamReceiver:
    """How far each lane of one source in one epoch was taken, and how far it is stored.

    Taken is what was handed to the pipeline, stored is what its database says.
    """

    def __init__(self, epoch: str, positions: Mapping[Lane, int]) -> None:
        self.epoch = epoch
        self._stored = dict.fromkeys(Lane, 0) | dict(positions)
        self._taken = dict(self._stored)
        self._complained: dict[Lane, tuple[int, float]] = {}

    def judge(self, sealed: Sealed) -> Verdict:
        """Tell what to do with an envelope of this epoch.

        HOLD: it is the next one, but the registry entries it requires are not stored yet.
        """
        following = self._taken[sealed.lane] + 1
        if sealed.sequence < following:
            return Verdict.DUPLICATE
        if sealed.first > following:
            return Verdict.GAP
        if sealed.lane is not Lane.REGISTRY and (
            sealed.stowed.requires > self._stored[Lane.REGISTRY]
        ):
            return Verdict.HOLD
        return Verdict.NEXT

    def take(self, lane: Lane, sequence: int) -> None:
        """Note that the next envelope was handed on."""
        self._taken[lane] = sequence

    def stored(self, lane: Lane) -> int:
        """Return the highest number stored of a lane: what may be acknowledged."""
        return self._stored[lane]

    def taken(self, lane: Lane) -> int:
        """Return the highest number handed on of a lane."""
        return self._taken[lane]

    @property
    def positions(self) -> dict[str, int]:
        """The highest number stored, by the lane's name."""
        return {lane.value: sequence for lane, sequence in self._stored.items()}

    def commit(self, positions: Mapping[Lane, int]) -> None:
        """Take what the database says."""
        for lane, sequence in positions.items():
            self._stored[lane] = sequence
            self._taken[lane] = max(self._taken[lane], sequence)

    def fall_back(self, lane: Lane) -> None:
        """Forget what was taken and not stored: it has to come again."""
        self._taken[lane] = self._stored[lane]

    def may_complain(self, lane: Lane, moment: float, every: float) -> bool:
        """Tell whether to ask for a resend now: once per position, then once per `every`."""
        position = self._stored[lane]
        last, when = self._complained.get(lane, (-1, 0.0))
        if last == position and moment - when < every:
            return False
        self._complained[lane] = (position, moment)
        return True
