"""Devices: storing, codes, retiring, moving."""

import sqlite3

import pytest
from msgspec.structs import replace

from registry.model import Faulty, Lifecycle, Moved, Place, Point, ValueType
from registry.store import devices, search, twin
from registry.store.devices import Change
from tests.registry.conftest import MakeDevice


def test_upsert_tells_new_changed_and_same(db: sqlite3.Connection, make: MakeDevice) -> None:
    device = make("a", codes={"asset": "1"}, tags=("x", "y"))
    assert devices.upsert(db, device, via=None, now=10) is Change.NEW
    assert devices.upsert(db, device, via=None, now=20) is Change.SAME
    assert devices.upsert(db, device, via="city", now=30) is Change.CHANGED
    stored = devices.get(db, device.id)
    assert stored is not None
    assert (stored.device, stored.via) == (device, "city")
    assert (stored.revision, stored.created, stored.updated) == (2, 10, 30)
    state = twin.state(db, device.id)
    assert state is not None
    assert (state.state.value, state.since) == ("unknown", 10)
    assert list(devices.load(db)) == [(device, "city")]


def test_a_whole_number_for_a_float_is_the_same_device(
    db: sqlite3.Connection, make: MakeDevice
) -> None:
    device = make("a", at=(112.0, 37.0))
    devices.upsert(db, device, via=None, now=1)
    again = replace(device, place=Place(lon=112, lat=37))
    assert devices.upsert(db, again, via=None, now=2) is Change.SAME


def test_a_taken_code_is_refused_and_nothing_is_written(
    db: sqlite3.Connection, make: MakeDevice
) -> None:
    devices.upsert(db, make("a", codes={"gb28181": "1", "asset": "7"}), via=None, now=1)
    with pytest.raises(Faulty) as caught:
        devices.upsert(db, make("b", codes={"gb28181": "1", "asset": "7"}), via=None, now=1)
    assert [f.where for f in caught.value.faults] == ["codes.gb28181", "codes.asset"]
    assert "edge-1~a" in str(caught.value)
    assert devices.get(db, "edge-1~b") is None
    devices.upsert(db, make("b", codes={"other": "1"}), via=None, now=1)
    assert devices.by_code(db, "gb28181", "1") == "edge-1~a"


def test_a_retired_device_gives_up_its_codes(db: sqlite3.Connection, make: MakeDevice) -> None:
    device = make("a", codes={"asset": "7"})
    devices.upsert(db, device, via=None, now=1)
    assert devices.retire(db, device.id, now=2) is Change.CHANGED
    assert devices.retire(db, device.id, now=3) is Change.SAME
    assert devices.retire(db, "nobody", now=3) is Change.SAME
    devices.upsert(db, make("b", codes={"asset": "7"}), via=None, now=4)
    assert devices.by_code(db, "asset", "7") == "edge-1~b"
    with pytest.raises(Faulty, match="already belongs"):
        devices.upsert(db, device, via=None, now=5)
    assert devices.remove_retired(db, 2) == 0
    assert devices.remove_retired(db, 3) == 1
    assert devices.get(db, device.id) is None


def test_a_point_keeps_its_type_and_an_id_its_home(
    db: sqlite3.Connection, make: MakeDevice
) -> None:
    device = make("a")
    devices.upsert(db, device, via=None, now=1)
    with pytest.raises(Faulty, match="a type never changes"):
        devices.upsert(
            db, replace(device, points=(Point(name="level", type=ValueType.INT),)), via=None, now=2
        )
    elsewhere = replace(device, home="edge-2")
    with pytest.raises(Faulty, match="belongs to edge-1"):
        devices.upsert(db, elsewhere, via="edge-2", now=2)
    devices.retire(db, device.id, now=3)
    assert devices.upsert(db, elsewhere, via="edge-2", now=4) is Change.CHANGED


def test_removing_leaves_no_trace_in_the_tables_of_the_living(
    db: sqlite3.Connection, make: MakeDevice
) -> None:
    device = make("a", codes={"asset": "7"}, tags=("x",))
    devices.upsert(db, device, via=None, now=1)
    twin.put_latest(db, [(device.id, "level", 1.5, 0, "", 1, 1)])
    assert devices.remove(db, device.id)
    assert not devices.remove(db, device.id)
    for table in ("device", "device_code", "device_tag", "device_tree", "latest", "device_state"):
        assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_moving_is_found_at_the_new_place_and_is_no_revision(
    db: sqlite3.Connection, make: MakeDevice
) -> None:
    device = make("a", at=(112.0, 37.0))
    devices.upsert(db, device, via=None, now=1)
    moved = Moved(device=device.id, place=Place(lon=113.0, lat=38.0), time=5)
    assert devices.move(db, moved)
    assert not devices.move(db, moved)
    assert not devices.move(db, Moved(device="nobody", place=moved.place, time=5))

    def found(west: float) -> int:
        box = (west, 30.0, west + 0.5, 40.0)
        return search.count(db, search.DeviceFilter(bbox=box))

    assert (found(111.9), found(112.9)) == (0, 1)
    stored = devices.get(db, device.id)
    assert stored is not None
    assert (stored.revision, stored.device.place) == (1, moved.place)
    devices.upsert(db, replace(device, place=None), via=None, now=6)
    assert db.execute("SELECT count(*) FROM device_tree").fetchone() == (0,)


def test_lifecycle_and_tags_follow_the_device(db: sqlite3.Connection, make: MakeDevice) -> None:
    device = make("a", tags=("x", "y", "x"))
    devices.upsert(db, device, via=None, now=1)
    devices.upsert(
        db, replace(device, tags=("y",), lifecycle=Lifecycle.MAINTENANCE), via=None, now=2
    )
    assert db.execute("SELECT tag FROM device_tag").fetchall() == [("y",)]
    assert db.execute("SELECT lifecycle FROM device").fetchall() == [("maintenance",)]


def test_what_could_not_be_read_back_is_refused(db: sqlite3.Connection, make: MakeDevice) -> None:
    for bad in (
        make("a", at=(float("nan"), 1.0)),
        make("a", points=(Point(name="p", scale=float("inf")),)),
        make("a", id="no id"),
    ):
        with pytest.raises(Faulty):
            devices.upsert(db, bad, via="child", now=1)
    devices.upsert(db, make("a"), via=None, now=1)
    nowhere = Place(lon=float("nan"), lat=0.0)
    with pytest.raises(Faulty):
        devices.move(db, Moved(device="edge-1~a", place=nowhere, time=1))
    assert list(devices.load(db)) == [(make("a"), None)]
