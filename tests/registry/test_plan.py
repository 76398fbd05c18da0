"""The plan of an import, and carrying it out."""

import sqlite3

import msgspec

from registry.exchange.plan import difference
from registry.model import Device, Lifecycle, Point, ValueType
from registry.store import devices
from tests.registry.conftest import MakeDevice


def current(db: sqlite3.Connection) -> list[Device]:
    return [device for device, _ in devices.load(db)]


def carry_out(db: sqlite3.Connection, wanted: list[Device], home: str | None = None) -> None:
    plan = difference(current(db), wanted, retire_missing_of=home)
    assert plan.faults == ()
    devices.release(db, plan.devices)
    for device in plan.devices:
        devices.upsert(db, device, via=None, now=1)


def test_a_plan_tells_new_changed_same_and_retired(make: MakeDevice) -> None:
    a, b, c = make("a"), make("b"), make("c")
    other = make("x", id="edge-2~x", home="edge-2")
    renamed = msgspec.structs.replace(b, name="B2", owner="me")
    plan = difference([a, b, c, other], [a, renamed, make("d")], retire_missing_of="edge-1")
    assert plan.same == (a.id,)
    assert [(edit.before, edit.after, edit.fields) for edit in plan.changed] == [
        (b, renamed, ("name", "owner"))
    ]
    assert [device.id for device in plan.new] == ["edge-1~d"]
    assert [(d.id, d.lifecycle) for d in plan.retired] == [(c.id, Lifecycle.RETIRED)]
    assert plan.faults == ()
    assert difference([a, b], [a]).retired == ()


def test_carrying_out_twice_changes_nothing_the_second_time(
    db: sqlite3.Connection, make: MakeDevice
) -> None:
    wanted = [make("a", codes={"asset": "1"}), make("b")]
    carry_out(db, wanted)
    carry_out(db, wanted[:1], home="edge-1")
    again = difference(current(db), wanted[:1], retire_missing_of="edge-1")
    assert again.devices == ()


def test_codes_may_change_hands_within_one_import(db: sqlite3.Connection, make: MakeDevice) -> None:
    carry_out(db, [make("a", codes={"asset": "1"}), make("b", codes={"asset": "2"})])
    carry_out(
        db,
        [make("a", codes={"asset": "2"}), make("c", codes={"asset": "1"})],
        home="edge-1",
    )
    assert devices.by_code(db, "asset", "2") == "edge-1~a"
    assert devices.by_code(db, "asset", "1") == "edge-1~c"
    carry_out(db, [make("a", codes={"asset": "1"}), make("c", codes={"asset": "2"})])
    assert devices.by_code(db, "asset", "1") == "edge-1~a"


def test_what_the_registry_would_refuse_is_told_beforehand(make: MakeDevice) -> None:
    a, b = make("a", codes={"asset": "1"}), make("b")
    wanted = [
        msgspec.structs.replace(b, codes={"asset": "1"}, home="edge-9"),
        msgspec.structs.replace(a, points=(Point(name="level", type=ValueType.STR),)),
        make("c", codes={"asset": "7"}),
        make("d", codes={"asset": "7"}),
    ]
    told = [fault.where for fault in difference([a, b], wanted).faults]
    assert sorted(told) == [
        "edge-1~a: points[level].type",
        "edge-1~b: codes.asset",
        "edge-1~b: home",
        "edge-1~d: codes.asset",
    ]
