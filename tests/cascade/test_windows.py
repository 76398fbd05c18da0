"""The sender's and the receiver's logic, step by step, without a loop and without a clock."""

import random

import pytest

from cascade.envelope import Sealed, Stowed
from cascade.outbox import Stream
from cascade.receiving import StreamReceiver, Verdict
from cascade.sending import Relation, SendWindow, compare
from cascade.states import (
    LOWER,
    UPLINK,
    LowerEvent,
    LowerState,
    UplinkEvent,
    UplinkState,
)
from registry.model import Lane

T, R = Lane.TELEMETRY, Lane.REGISTRY


def window(position: int = 0, kept_from: int = 0, size: int = 4) -> SendWindow:
    new = SendWindow(size, patience=5.0)
    new.resume(position, kept_from, 0.0)
    return new


def test_a_window_fills_and_slides() -> None:
    w = window()
    for n in (1, 2, 3, 4):
        w.sent(n, 0.0)
    assert w.room == 0
    assert w.acked(2, 1.0)
    assert (w.room, w.under_way, w.cursor) == (2, 2, 4)


def test_an_old_or_impossible_acknowledgement_changes_nothing() -> None:
    w = window(position=5)
    w.sent(6, 0.0)
    assert not w.acked(5, 1.0)
    assert not w.acked(7, 1.0)
    assert w.under_way == 1


def test_silence_sends_everything_unacknowledged_again() -> None:
    w = window()
    w.sent(1, 0.0)
    w.sent(2, 1.0)
    assert not w.overdue(4.9)
    assert w.overdue(5.0)
    w.rewind(5.0)
    assert (w.cursor, w.room) == (0, 4)
    w.sent(1, 5.0)
    assert not w.overdue(9.9)
    assert w.acked(2, 6.0), "what was sent before the rewind may still be acknowledged"
    assert w.cursor == 2


def test_progress_puts_the_reminder_off_and_an_empty_window_needs_none() -> None:
    w = window()
    w.sent(1, 0.0)
    w.sent(2, 0.0)
    assert w.acked(1, 4.0)
    assert not w.overdue(8.0)
    assert w.overdue(9.0)
    assert w.acked(2, 9.0)
    assert not w.overdue(99.0)


def test_a_receiver_that_lost_its_data_gets_a_bridge_until_it_has_passed_it() -> None:
    w = window(position=3, kept_from=9)
    assert w.next_bridge == (4, 9)
    w.sent(9, 0.0)
    assert w.next_bridge is None
    w.sent(10, 0.0)
    w.rewind(5.0)
    assert w.next_bridge == (4, 9)
    w.sent(9, 5.0)
    assert w.acked(9, 6.0)
    w.rewind(7.0)
    assert w.next_bridge is None
    assert w.cursor == 9


STREAMS = {T: Stream(next=11, acknowledged=8), R: Stream(next=3, acknowledged=2)}


@pytest.mark.parametrize(
    ("positions", "relation", "suspects"),
    [
        ({T: 8, R: 2}, Relation.IN_STEP, ()),
        ({T: 10, R: 2}, Relation.IN_STEP, ()),
        ({T: 7, R: 2}, Relation.RECEIVER_BEHIND, ()),
        ({}, Relation.RECEIVER_BEHIND, ()),
        ({T: 11, R: 2}, Relation.SENDER_COPIED, ()),
        ({T: 8, R: 3}, Relation.SENDER_COPIED, ()),
    ],
)
def test_comparing_sender_and_receiver(
    positions: dict[Lane, int], relation: Relation, suspects: tuple[Lane, ...]
) -> None:
    found = compare(STREAMS, positions, 64)
    assert (found.relation, found.suspects) == (relation, suspects)


def test_a_receiver_more_than_a_window_ahead_is_suspect() -> None:
    streams = {T: Stream(next=200, acknowledged=8)}
    assert compare(streams, {T: 72}, 64).suspects == ()
    assert compare(streams, {T: 73}, 64).suspects == (T,)


def envelope(sequence: int, lane: Lane = T, *, first: int = 0, requires: int = 0) -> Sealed:
    return Sealed(1, "s", "e", lane, sequence, Stowed(1, requires, first, b""))


def test_envelopes_are_taken_in_order_and_once() -> None:
    r = StreamReceiver("e", {T: 4})
    assert r.judge(envelope(4)) is Verdict.DUPLICATE
    assert r.judge(envelope(6)) is Verdict.GAP
    assert r.judge(envelope(5)) is Verdict.NEXT
    r.take(T, 5)
    assert r.judge(envelope(5)) is Verdict.DUPLICATE
    assert r.judge(envelope(6)) is Verdict.NEXT
    assert r.judge(envelope(1, R)) is Verdict.NEXT


def test_taken_is_not_stored() -> None:
    r = StreamReceiver("e", {T: 4})
    r.take(T, 5)
    r.take(T, 6)
    assert (r.stored(T), r.taken(T)) == (4, 6)
    r.commit({T: 5})
    assert r.positions["telemetry"] == 5
    r.fall_back(T)
    assert r.judge(envelope(6)) is Verdict.NEXT


def test_a_tombstone_leaps_if_its_range_begins_where_we_stand() -> None:
    r = StreamReceiver("e", {T: 4})
    assert r.judge(envelope(9, first=6)) is Verdict.GAP
    assert r.judge(envelope(9, first=5)) is Verdict.NEXT
    assert r.judge(envelope(9, first=2)) is Verdict.NEXT
    assert r.judge(envelope(4, first=2)) is Verdict.DUPLICATE


def test_telemetry_waits_for_the_registry_to_be_stored_not_just_taken() -> None:
    r = StreamReceiver("e", {})
    assert r.judge(envelope(1, requires=2)) is Verdict.HOLD
    r.take(R, 2)
    assert r.judge(envelope(1, requires=2)) is Verdict.HOLD
    r.commit({R: 2})
    assert r.judge(envelope(1, requires=2)) is Verdict.NEXT


def test_the_registry_lane_waits_for_nothing() -> None:
    assert StreamReceiver("e", {}).judge(envelope(1, R, requires=7)) is Verdict.NEXT


def test_a_complaint_is_made_once_per_position_and_interval() -> None:
    r = StreamReceiver("e", {T: 4})
    asked = [r.may_complain(T, moment, 1.0) for moment in (0.0, 0.5, 1.1)]
    assert asked == [True, False, True]
    r.commit({T: 5})
    assert r.may_complain(T, 1.2, 1.0)


@pytest.mark.parametrize("seed", range(20))
def test_sender_and_receiver_get_everything_across(seed: int) -> None:
    """The two machines alone, over a channel that loses, doubles and reorders."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    w, r = window(size=chance.randint(1, 8)), StreamReceiver("e", {})
    total, got, moment = 60, list[int](), 0.0
    up: list[int] = []
    down: list[int] = []
    while r.stored(T) < total or w.acknowledged < total:
        moment += 0.5
        if w.overdue(moment):
            w.rewind(moment)
        while w.room > 0 and w.cursor < total:
            w.sent(w.cursor + 1, moment)
            up += [w.cursor] * chance.choice([0, 1, 1, 1, 2])
        chance.shuffle(up) if chance.random() < 0.3 else None
        for n in up:
            if r.judge(envelope(n)) is Verdict.NEXT:
                r.take(T, n)
                got.append(n)
        r.commit({T: r.taken(T)})
        up = []
        down += [r.stored(T)] * chance.choice([0, 1, 2])
        for n in down:
            w.acked(n, moment)
        down = []
    assert got == list(range(1, total + 1))


def test_the_tables_name_known_states_and_leave_no_dead_end() -> None:
    assert set(LOWER) == {(state, event) for state in LowerState for event in LowerEvent}
    for state in UplinkState:
        assert any(start is state and end is not state for (start, _), (end, _) in UPLINK.items())
    assert {state for state, _ in UPLINK.values()} == {UplinkState.BORN, UplinkState.SENDING}
    assert {event for _, event in UPLINK} == set(UplinkEvent)
