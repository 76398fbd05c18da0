"""Rows: how each kind of event is written inside the commit's transaction.

Each function returns a step; a step returns the events that became true by it, so that what
was known already is neither shown nor sent on again.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from cascade import downbox
from cascade.faults import OutboxFull
from cascade.parcel import pack
from gateway.alarm_book import AlarmBook
from gateway.commit import Step
from gateway.history import Sample
from gateway.roster import Roster
from registry.model import (
    Alarm,
    AlarmAcknowledged,
    Command,
    Discovered,
    Event,
    Misfit,
    MisfitReason,
    Moved,
    Outcome,
    OutcomeState,
    Place,
    PlaceSource,
    Sensing,
    SessionStarted,
    StatusChange,
    Time,
)
from registry.store import aside, commands, devices, misfits, receipts, twin
from registry.store.transaction import Transaction

UNFIT: Final = (
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
)
"""What says that an event is at fault, and not the disk."""

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
        full = self._pass_down(tx, order.device, order)
        if not full:
            return (order,)
        refused = Outcome(
            command=order.id,
            device=order.device,
            state=OutcomeState.REFUSED,
            time=self._now(),
            detail=full,
        )
        commands.conclude(tx, refused)
        return (order, refused)

    def _pass_down(self, tx: Transaction, device: str, event: Command | AlarmAcknowledged) -> str:
        """Queue an event for the child node that delivered `device`, when there is one.

        Returns why it is not queued: empty when it is, or when there is no child.
        """
        child = self._child_of(device)
        if child is None:
            return ""
        try:
            downbox.append(tx, child, pack([event]), now=self._now())
        except OutboxFull as error:
            return str(error)
        return ""

    def acknowledged(self, book: AlarmBook, word: AlarmAcknowledged) -> Step:
        """Return the step that notes an acknowledgement and passes it down to where it arose."""

        def write(tx: Transaction) -> Sequence[Event]:
            stands = book.acknowledge(tx, word)
            for alarm in stands:
                full = self._pass_down(tx, alarm.device, word) if isinstance(alarm, Alarm) else ""
                if full:
                    self._refuse(tx, f"acknowledgement of {word.alarm} not passed down: {full}")
            return stands

        return write

    def guarded(self, step: Step, device: str, source: str) -> Step:
        """Return a step that keeps aside what the registry refuses, instead of failing all."""

        def write(tx: Transaction) -> Sequence[Event]:
            tx.execute("SAVEPOINT step")
            try:
                events = step(tx)
            except UNFIT as error:
                tx.execute("ROLLBACK TO step")
                tx.execute("RELEASE step")
                self._refuse(tx, f"the registry does not take this: {error}", device, source)
                return ()
            tx.execute("RELEASE step")
            return events

        return write

    def _refuse(self, tx: Transaction, why: str, device: str = "", source: str = "") -> None:
        text = why.encode("utf-8", "replace").decode()[:1000]
        refused = Misfit(
            source=source,
            reason=MisfitReason.FORBIDDEN,
            detail=text,
            time=self._now(),
            device=device,
        )
        misfits.add(tx, [refused])

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
                pair = pairs.setdefault(sample.device, {})
                known = pair.get(sample.point)
                if known is None or sample.source_time >= known.source_time:
                    pair[sample.point] = sample
        for device, pair in pairs.items():
            entry = roster.get(device)
            if entry is None or entry.device.sensing is not Sensing.MOBILE or len(pair) < 2:
                continue
            lon, lat = pair[_LON].value, pair[_LAT].value
            if _plausible(lon, 180.0) and _plausible(lat, 90.0):
                place = Place(lon=float(lon), lat=float(lat), source=PlaceSource.GPS)  # type: ignore[arg-type]
                yield Moved(device=device, place=place, time=pair[_LON].source_time)


def _plausible(value: object, bound: float) -> bool:
    return isinstance(value, float) and -bound <= value <= bound
