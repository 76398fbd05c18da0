"""The alarm book: what may happen to an alarm, as a table, and nothing else.

`merge(known, incoming)` is pure: the alarm as stored and the alarm as it arrives (from a rule,
a device or a model) give the alarm as it stands. `AlarmBook` applies it inside a
transaction. Clearing by the source and acknowledging by a person are independent.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from msgspec.structs import replace

from registry.model import (
    SECOND,
    Acknowledgement,
    Alarm,
    AlarmAcknowledged,
    AlarmState,
    Event,
    Fault,
    Faulty,
    Time,
)
from registry.store import alarms
from registry.store.transaction import Transaction


class Standing(StrEnum):
    """What the book knows of an alarm before something arrives."""

    ABSENT = "absent"
    OPEN = "open"
    RECENT = "recent"  # cleared less than the reopen window ago


class Effect(StrEnum):
    """What the book does."""

    INSERT = "insert"
    MERGE = "merge"
    UPDATE = "update"
    CLEAR = "clear"
    REOPEN = "reopen"
    IGNORE = "ignore"


TRANSITIONS: Final[dict[tuple[Standing, AlarmState], tuple[Standing, Effect]]] = {
    (Standing.ABSENT, AlarmState.RAISED): (Standing.OPEN, Effect.INSERT),
    (Standing.ABSENT, AlarmState.UPDATED): (Standing.OPEN, Effect.INSERT),
    (Standing.ABSENT, AlarmState.CLEARED): (Standing.ABSENT, Effect.IGNORE),
    (Standing.OPEN, AlarmState.RAISED): (Standing.OPEN, Effect.MERGE),
    (Standing.OPEN, AlarmState.UPDATED): (Standing.OPEN, Effect.UPDATE),
    (Standing.OPEN, AlarmState.CLEARED): (Standing.RECENT, Effect.CLEAR),
    (Standing.RECENT, AlarmState.RAISED): (Standing.OPEN, Effect.REOPEN),
    (Standing.RECENT, AlarmState.UPDATED): (Standing.RECENT, Effect.IGNORE),
    (Standing.RECENT, AlarmState.CLEARED): (Standing.RECENT, Effect.IGNORE),
}
"""`{(standing, what arrives): (standing after, effect)}`; the diagram in docs is drawn from it."""

REPORT: Final = "report"
"""A person's report has no source that clears it: acknowledging it ends it."""
DEFAULT_REOPEN_WINDOW: Final[Time] = 60 * SECOND


def _merge(known: Alarm, incoming: Alarm) -> Alarm:
    return replace(
        known,
        state=AlarmState.UPDATED,
        count=known.count + incoming.count,
        updated_time=max(known.updated_time, incoming.updated_time),
        severity=incoming.severity,
        message=incoming.message,
        value=incoming.value,
        evidence=(*known.evidence, *(e for e in incoming.evidence if e not in known.evidence)),
    )


def _update(known: Alarm, incoming: Alarm) -> Alarm:
    return replace(
        known,
        state=AlarmState.UPDATED,
        updated_time=max(known.updated_time, incoming.updated_time),
        severity=incoming.severity,
        message=incoming.message,
        value=incoming.value,
        evidence=incoming.evidence or known.evidence,
    )


def _clear(known: Alarm, incoming: Alarm) -> Alarm:
    return _close(known, incoming.cleared_time or incoming.updated_time)


def _close(known: Alarm, moment: Time) -> Alarm:
    return replace(
        known,
        state=AlarmState.CLEARED,
        cleared_time=max(known.raised_time, moment),
        updated_time=max(known.updated_time, moment),
    )


def _reopen(known: Alarm, incoming: Alarm) -> Alarm:
    again = _merge(known, incoming)
    return replace(again, cleared_time=0, reopened=known.reopened + 1)


_EFFECTS: Final[dict[Effect, Callable[[Alarm, Alarm], Alarm]]] = {
    Effect.MERGE: _merge,
    Effect.UPDATE: _update,
    Effect.CLEAR: _clear,
    Effect.REOPEN: _reopen,
    Effect.IGNORE: lambda known, _: known,
}


def standing_of(known: Alarm | None) -> Standing:
    """Say where an alarm stands; the book forgets one that was cleared before the reopen window."""
    if known is None:
        return Standing.ABSENT
    return Standing.OPEN if known.open else Standing.RECENT


def merge(known: Alarm | None, incoming: Alarm) -> Alarm | None:
    """Return the alarm as it stands after `incoming` arrived; None when nothing is to be noted.

    `known` is the open alarm with the same key, or one cleared within the reopen window.
    """
    _, effect = TRANSITIONS[standing_of(known), incoming.state]
    if effect is Effect.INSERT:
        return incoming
    return _EFFECTS[effect](known, incoming) if known is not None else None


def from_owner(known: Alarm | None, incoming: Alarm) -> Alarm:
    """Take a lower tier's word for its alarm, keeping an acknowledgement only this tier knows."""
    if known is None:
        return incoming
    newer = incoming if incoming.updated_time >= known.updated_time else known
    acknowledged = first_acknowledgement(known.acknowledged, incoming.acknowledged)
    return replace(newer, acknowledged=acknowledged)


def first_acknowledgement(
    one: Acknowledgement | None, other: Acknowledgement | None
) -> Acknowledgement | None:
    """Of two acknowledgements the earlier one stands."""
    if one is None or other is None:
        return one or other
    return one if one.time <= other.time else other


class AlarmBook:
    """Applies alarms and acknowledgements inside a transaction it is handed."""

    def __init__(self, window: Time = DEFAULT_REOPEN_WINDOW) -> None:
        self._window = window

    def own(self, tx: Transaction, incoming: Alarm) -> Sequence[Event]:
        """Take an alarm that arose on this node; returns it as it stands, or nothing new."""
        known = alarms.get_open(tx, incoming.key) or alarms.last_cleared(
            tx, incoming.key, incoming.updated_time - self._window
        )
        return self._put(tx, known, merge(known, incoming))

    def cascaded(self, tx: Transaction, incoming: Alarm) -> Sequence[Event]:
        """Take an alarm as a lower tier says it stands.

        Raises:
            Faulty: its id or key is that of another device's alarm.
        """
        known = _same_device(alarms.get(tx, incoming.id), incoming)
        stands = from_owner(known, incoming)
        ended = self._supersede(tx, stands) if stands.open else ()
        return [*ended, *self._put(tx, known, stands)]

    def acknowledge(self, tx: Transaction, word: AlarmAcknowledged) -> Sequence[Event]:
        """Note who acknowledged; the first acknowledgement stands, a repeat is no news."""
        known = alarms.get(tx, word.alarm)
        if known is None:
            return ()
        first = first_acknowledgement(known.acknowledged, word.acknowledgement)
        stands = replace(known, acknowledged=first)
        if known.type == REPORT and known.open:
            stands = _close(stands, word.acknowledgement.time)
        return self._put(tx, known, stands)

    def _put(self, tx: Transaction, known: Alarm | None, stands: Alarm | None) -> Sequence[Event]:
        if stands is None or stands == known:
            return ()
        alarms.put(tx, stands)
        return (stands,)

    def _supersede(self, tx: Transaction, incoming: Alarm) -> Sequence[Event]:
        """Two open alarms never share a key: the older one ends where the newer begins."""
        older = _same_device(alarms.get_open(tx, incoming.key), incoming)
        if older is None or older.id == incoming.id:
            return ()
        return self._put(tx, older, _clear(older, incoming))


def _same_device(known: Alarm | None, incoming: Alarm) -> Alarm | None:
    if known is not None and known.device != incoming.device:
        raise Faulty(
            [
                Fault(
                    where="alarm",
                    message=f"{incoming.id} of {incoming.device} belongs to {known.device}",
                )
            ]
        )
    return known
