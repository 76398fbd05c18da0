"""The small stores: commands, misfits, aside, receipts, areas, profiles, rules, counters."""

import sqlite3
from typing import Any

from registry.model import (
    Area,
    AreaKind,
    Command,
    Comparison,
    Misfit,
    MisfitReason,
    Outcome,
    OutcomeState,
    Point,
    Profile,
    Receipt,
    Severity,
    ThresholdRule,
    Value,
)
from registry.store import (
    areas,
    aside,
    commands,
    counters,
    misfits,
    profiles,
    receipts,
    rules,
)


def command(id: str, **fields: Any) -> Command:
    given: dict[str, Any] = {
        "id": id,
        "device": "d",
        "action": "write",
        "deadline": 50,
        "asked_by": "ann",
        "asked_time": 10,
        "value": True,
    }
    return Command(**{**given, **fields})


def outcome(id: str, state: OutcomeState, time: int = 20) -> Outcome:
    return Outcome(command=id, device="d", state=state, time=time, value=2**70)


def test_a_command_is_taken_once_and_ends_once(db: sqlite3.Connection) -> None:
    assert commands.put(db, command("1"))
    assert not commands.put(db, command("1", action="other"))
    row = commands.get(db, "1")
    assert row is not None
    assert (row.command, row.state, row.outcome) == (command("1"), OutcomeState.ACCEPTED, None)
    steps = [
        (OutcomeState.SENT, True),
        (OutcomeState.SENT, False),
        (OutcomeState.ACCEPTED, False),
        (OutcomeState.DONE, True),
        (OutcomeState.EXPIRED, False),
        (OutcomeState.DELIVERED, False),
    ]
    for state, taken in steps:
        assert commands.conclude(db, outcome("1", state)) is taken, state
    row = commands.get(db, "1")
    assert row is not None
    assert row.outcome == outcome("1", OutcomeState.DONE)
    assert not commands.conclude(db, outcome("unknown", OutcomeState.DONE))


def test_overdue_and_lists_of_commands(db: sqlite3.Connection) -> None:
    for id, deadline in (("1", 50), ("2", 40), ("3", 90), ("4", 10)):
        commands.put(db, command(id, deadline=deadline))
    commands.conclude(db, outcome("4", OutcomeState.DONE, time=5))
    commands.conclude(db, outcome("1", OutcomeState.SENT))
    assert [c.id for c in commands.overdue(db, 60)] == ["2", "1"]
    assert [row.command.id for row in commands.of_device(db, "d", limit=3)] == ["4", "3", "2"]
    assert [row.command.id for row in commands.of_device(db, "d", before="2")] == ["1"]
    assert commands.prune(db, 10) == 1
    assert commands.get(db, "4") is None
    assert commands.prune(db, 10**9) == 0


def misfit(number: int) -> Misfit:
    return Misfit(
        source="s",
        reason=MisfitReason.UNREADABLE,
        detail=str(number),
        time=number,
        sample="x" * 600,
    )


def test_misfits_are_bounded_and_what_goes_is_counted(db: sqlite3.Connection) -> None:
    misfits.add(db, [misfit(n) for n in range(7)], keep=5)
    misfits.add(db, [misfit(7)], keep=5)
    assert [m.detail for _, m in misfits.newest(db)] == ["7", "6", "5", "4", "3"]
    assert counters.get(db, misfits.DROPPED) == 3
    assert misfits.count(db) == 8
    assert misfits.reasons(db) == {"unreadable": 5}
    (last, first) = misfits.newest(db, limit=1)[0]
    assert len(first.sample) == 512
    assert [m.detail for _, m in misfits.newest(db, limit=2, before=last)] == ["6", "5"]
    misfits.add(db, [])


def test_readings_set_aside_come_back_once_as_they_were(db: sqlite3.Connection) -> None:
    values: list[Value | None] = [1.5, 7, True, False, "text", None]
    rows: list[aside.AsideRow] = [("d", "p", v, 1, "why", 10, 20) for v in values]
    aside.put(db, [*rows, ("e", "p", 1.0, 0, "", 10, 20)])
    assert aside.waiting(db) == {"d": 6, "e": 1}
    first = aside.peek(db, "d", limit=2)
    both = first + aside.peek(db, "d", after=first[-1][0])
    back = [reading for _, reading in both]
    assert [r.value for r in back] == values
    assert [type(r.value) for r in back] == [type(v) for v in values]
    assert {(r.reason, r.source_time, r.received_time, r.historical) for r in back} == {
        ("why", 10, 20, True)
    }
    aside.drop(db, [number for number, _ in both])
    assert aside.peek(db, "d") == []
    aside.put(db, [("f", "p", n, 0, "", n, n) for n in range(5)], keep=3)
    assert [r.value for _, r in aside.peek(db, "f")] == [2, 3, 4]
    assert counters.get(db, aside.DROPPED) == 3


def test_a_redelivery_is_taken_once(db: sqlite3.Connection) -> None:
    def receipt(digest: bytes, *, dup: bool, source: str = "s") -> Receipt:
        return Receipt(source=source, mid=1, digest=digest, dup=dup)

    assert receipts.take(db, receipt(b"a", dup=True))
    assert not receipts.take(db, receipt(b"a", dup=True))
    assert receipts.take(db, receipt(b"a", dup=False))
    assert receipts.take(db, receipt(b"b", dup=True))
    assert receipts.take(db, receipt(b"b", dup=True, source="other"))
    receipts.forget(db, "s")
    assert receipts.take(db, receipt(b"b", dup=True))
    assert not receipts.take(db, receipt(b"b", dup=True, source="other"))


def test_areas_know_their_path_and_their_time(db: sqlite3.Connection) -> None:
    def area(code: str, name: str, kind: AreaKind, **more: Any) -> Area:
        return Area(code=code, name=name, kind=kind, **more)

    old = area("990101", "Old", AreaKind.COUNTY, valid_to="2020-01-01")
    new = area("990101", "New", AreaKind.COUNTY, valid_from="2020-01-01")
    town = area("990101002", "Town", AreaKind.TOWN, parent="990101")
    province = area("990000", "Province", AreaKind.PROVINCE)
    for item in (new, town, province, old):
        assert areas.put(db, item)
        assert not areas.put(db, item)
    assert areas.everything(db) == [province, old, new, town]
    assert areas.everything(db, on="2019-12-31") == [province, old, town]
    assert [a.name for a in areas.path(db, "990101002001")] == ["Province", "New", "Town"]
    assert [a.name for a in areas.path(db, "990101", on="2010-01-01")] == ["Province", "Old"]
    assert areas.path(db, "110101") == []
    assert areas.named(db, ["990101", "1"], on="2020-01-01") == {"990101": new}
    looped = area("970100", "Loop", AreaKind.CITY, parent="970100")
    areas.put(db, looped)
    assert areas.path(db, "970100") == [looped]


def test_profiles_and_rules(db: sqlite3.Connection) -> None:
    profile = Profile(name="gauge", points=(Point(name="level"),), address={"unit": 1})
    assert profiles.put(db, profile)
    assert not profiles.put(db, profile)
    assert profiles.everything(db) == {"gauge": profile}
    assert profiles.remove(db, "gauge")
    rule = ThresholdRule(
        id="high", point="level", comparison=Comparison.ABOVE, limit=3, severity=Severity.MAJOR
    )
    assert rules.put(db, rule)
    assert not rules.put(db, rule)
    assert rules.get(db, "high") == rule
    assert rules.everything(db) == [rule]
    assert rules.remove(db, "high")
    assert not rules.remove(db, "high")
    assert rules.get(db, "high") is None


def test_counters(db: sqlite3.Connection) -> None:
    counters.add(db, "readings_stored", 5)
    counters.add(db, "readings_stored", 2)
    counters.add(db, "nothing", 0)
    assert counters.get(db, "readings_stored") == 7
    assert counters.get(db, "nothing") == 0
    assert counters.everything(db) == {"readings_stored": 7}
