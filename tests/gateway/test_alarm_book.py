"""The alarm book's table, and the promises beyond it."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.alarm_book import TRANSITIONS, Standing, from_owner, merge
from registry.model import Acknowledgement, Alarm, AlarmState, Severity
from tests.gateway.support import NOW


def alarm(state: AlarmState = AlarmState.RAISED, **more: object) -> Alarm:
    fields: dict[str, object] = {
        "id": "A",
        "key": "k",
        "device": "d",
        "type": "threshold",
        "severity": Severity.MAJOR,
        "state": state,
        "message": "level 6 m",
        "raised_time": NOW,
        "updated_time": NOW,
    }
    return Alarm(**(fields | more))  # type: ignore[arg-type]


def test_every_standing_knows_every_word() -> None:
    assert set(TRANSITIONS) == {(s, w) for s in Standing for w in AlarmState}


def test_repeats_merge_and_count() -> None:
    again = merge(alarm(), alarm(id="B", message="level 7 m", updated_time=NOW + 5))
    assert again is not None
    assert (again.id, again.count, again.message) == ("A", 2, "level 7 m")


def test_a_clear_ends_it_and_a_quick_return_reopens_it() -> None:
    cleared = merge(alarm(), alarm(AlarmState.CLEARED, cleared_time=NOW + 1))
    assert cleared is not None
    assert not cleared.open
    again = merge(cleared, alarm(id="B", updated_time=NOW + 2))
    assert again is not None
    assert (again.id, again.open, again.reopened, again.cleared_time) == ("A", True, 1, 0)


def test_a_clear_of_nothing_is_nothing() -> None:
    assert merge(None, alarm(AlarmState.CLEARED)) is None


words = st.lists(st.sampled_from(AlarmState), max_size=12)


@given(words)
def test_acknowledging_and_clearing_are_independent(states: list[AlarmState]) -> None:
    word = Acknowledgement(by="wang", time=NOW)
    known: Alarm | None = alarm(acknowledged=word)
    for i, state in enumerate(states):
        stands = merge(known, alarm(state, id=f"{i}", updated_time=NOW + i))
        assert stands is not None
        assert stands.acknowledged == word
        assert stands.id == "A"
        known = stands


def test_a_lower_tiers_older_word_changes_nothing() -> None:
    newer = alarm(AlarmState.CLEARED, updated_time=NOW + 9, cleared_time=NOW + 9)
    assert from_owner(newer, alarm(updated_time=NOW + 1)) == newer


def test_an_acknowledgement_known_here_survives_news_from_below() -> None:
    word = Acknowledgement(by="wang", time=NOW)
    here = alarm(acknowledged=word)
    below = alarm(AlarmState.CLEARED, updated_time=NOW + 9, cleared_time=NOW + 9)
    assert from_owner(here, below) == replace(below, acknowledged=word)
