"""Rows: how each kind of event is written inside the commit's transaction.

Each function returns a step; a step returns the events that became true by it, so that what
was known already is neither shown nor sent on again.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from cascade import downbox
from cascade.faults import OutboxFull
from cascade.parcel import pack
from gateway.alarm_book import AlarmBook
from gateway.commit import Step, StoreFailed
from gateway.history import Sample
from gateway.roster import Roster
from registry.model import (
    Alarm,
    AlarmAcknowledged,
    Command,
    Discovered,
    Event,
    Faulty,
    Misfit,
    MisfitReason,
    Moved,
    Outcome,
    Place,
    PlaceSource,
    Sensing,
    SessionStarted,
    StatusChange,
    Time,
)
from registry.store import aside, commands, devices, misfits, receipts, twin
from registry.store.transaction import Transaction

_LON: Final = "lon"
_LAT: Final = "lat"


class Rows:
    """Makes steps for one node."""

    def __init__(
        self, now: Callable[[], Time], child_of: Callable[[str], str | None] = lambda _: None
    ) -> None:
        """`child_of` names the child node that delivered a device, None for an own one."""
        self._now = now
        self._child_of = child_of

    def step(self, event: Event, via: str | None = None) -> Step:
        """Return the step that stores `event`; `via` is the child node that brought it."""

        def write(tx: Transaction) -> Sequence[Event]:
            match event:
                case StatusChange():
                    return twin.put_status(tx, [event])
                case Discovered():
                    change = devices.upsert(tx, event.device, via=via, now=self._now())
                    return (event,) if change is not devices.Change.SAME else ()
                case Moved():
                    return (event,) if devices.move(tx, event) else ()
                case Command():
                    return self._ordered(tx, event)
                case Outcome():
                    return (event,) if commands.conclude(tx, event) else ()
                case Misfit():
                    misfits.add(tx, [event])
                case SessionStarted():
                    receipts.forget(tx, event.source)
                case _:
                    return (event,)
            return ()

        return write

    def _ordered(self, tx: Transaction, order: Command) -> Sequence[Event]:
        """A command is stored once; one for a device further down queues for its child."""
        if not commands.put(tx, order):
            return ()
        self.pass_down(tx, order.device, order)
        return (order,)

    def pass_down(self, tx: Transaction, device: str, event: Command | AlarmAcknowledged) -> None:
        """Queue an event for the child node that delivered `device`, when there is one."""
        child = self._child_of(device)
        if child is None:
            return
        try:
            downbox.append(tx, child, pack([event]), now=self._now())
        except OutboxFull as error:
            raise StoreFailed(str(error)) from error

    def acknowledged(self, book: AlarmBook, word: AlarmAcknowledged) -> Step:
        """Return the step that notes an acknowledgement and passes it down to where it arose."""

        def write(tx: Transaction) -> Sequence[Event]:
            stands = book.acknowledge(tx, word)
            for alarm in stands:
                if isinstance(alarm, Alarm):
                    self.pass_down(tx, alarm.device, word)
            return stands

        return write

    def guarded(self, step: Step, device: str, source: str) -> Step:
        """Return a step that keeps aside what the registry refuses, instead of failing all."""

        def write(tx: Transaction) -> Sequence[Event]:
            try:
                return step(tx)
            except Faulty as error:
                refused = Misfit(
                    source=source,
                    reason=MisfitReason.FORBIDDEN,
                    detail=f"the registry does not take this: {error}"[:1000],
                    time=self._now(),
                    device=device,
                )
                misfits.add(tx, [refused])
                return ()

        return write

    @staticmethod
    def set_aside(samples: Sequence[Sample], found: Sequence[Misfit]) -> Step:
        """Return the step that keeps readings which do not fit, and says why."""

        def write(tx: Transaction) -> Sequence[Event]:
            aside.put(tx, samples)
            misfits.add(tx, found)
            return ()

        return write

    @staticmethod
    def moves(samples: Sequence[Sample], roster: Roster) -> Iterator[Moved]:
        """Yield the newest place of each mobile device that reported `lon` and `lat`."""
        pairs: dict[str, dict[str, Sample]] = {}
        for sample in samples:
            if sample.point in (_LON, _LAT) and isinstance(sample.value, float):
                pairs.setdefault(sample.device, {})[sample.point] = sample
        for device, pair in pairs.items():
            known = roster.get(device)
            if known is None or known.device.sensing is not Sensing.MOBILE or len(pair) < 2:
                continue
            lon, lat = pair[_LON].value, pair[_LAT].value
            if _plausible(lon, 180.0) and _plausible(lat, 90.0):
                place = Place(lon=float(lon), lat=float(lat), source=PlaceSource.GPS)  # type: ignore[arg-type]
                yield Moved(device=device, place=place, time=pair[_LON].source_time)


def _plausible(value: object, bound: float) -> bool:
    return isinstance(value, float) and -bound <= value <= bound
