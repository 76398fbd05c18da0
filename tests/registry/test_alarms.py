"""Alarms as rows: one open per key, lists, counts."""

import sqlite3
from typing import Any

import pytest

from registry.model import (
    Acknowledgement,
    Alarm,
    AlarmState,
    Area,
    AreaKind,
    Faulty,
    Place,
    Severity,
)
from registry.store import alarms, areas, devices, summary
from registry.store.alarms import AlarmFilter
from tests.registry.conftest import MakeDevice


def alarm(id: str, **fields: Any) -> Alarm:
    given: dict[str, Any] = {
        "id": id,
        "key": f"key-{id}",
        "device": "edge-1~a",
        "type": "threshold",
        "severity": Severity.MAJOR,
        "state": AlarmState.RAISED,
        "message": "high",
        "raised_time": 100,
        "updated_time": 100,
        "point": "level",
    }
    return Alarm(**{**given, **fields})


def test_one_open_alarm_per_key(db: sqlite3.Connection) -> None:
    alarms.put(db, alarm("1", key="k"))
    alarms.put(db, alarm("1", key="k", state=AlarmState.UPDATED, count=2))
    with pytest.raises(sqlite3.IntegrityError):
        alarms.put(db, alarm("2", key="k"))
    found = alarms.get_open(db, "k")
    assert found is not None
    assert (found.id, found.count) == ("1", 2)
    alarms.put(db, alarm("1", key="k", state=AlarmState.CLEARED, cleared_time=200))
    assert alarms.get_open(db, "k") is None
    alarms.put(db, alarm("2", key="k"))
    assert [a.id for a in alarms.all_open(db)] == ["2"]
    cleared = alarms.last_cleared(db, "k", 200)
    assert cleared is not None
    assert cleared.id == "1"
    assert alarms.last_cleared(db, "k", 201) is None


def test_a_row_shows_device_area_place_and_unit(db: sqlite3.Connection, make: MakeDevice) -> None:
    devices.upsert(db, make("a", at=(112.0, 37.0), area="990101"), via=None, now=1)
    areas.put(db, Area(code="990101", name="东区", kind=AreaKind.COUNTY))
    given = alarm("1", acknowledged=Acknowledgement(by="ann", time=5, comment="seen"))
    alarms.put(db, given)
    row = alarms.get_row(db, "1")
    assert row is not None
    assert row.alarm == given == alarms.get(db, "1")
    assert (row.device_name, row.area, row.area_name) == ("Device a", "990101", "东区")
    assert (row.lon, row.lat, row.unit) == (112.0, 37.0, "m")
    alarms.put(db, alarm("2", device="gone", place=Place(lon=1.0, lat=2.0)))
    row = alarms.get_row(db, "2")
    assert row is not None
    assert (row.device_name, row.area, row.lon, row.unit) == ("", None, 1.0, "")
    assert alarms.get_row(db, "3") is None
    assert alarms.get(db, "3") is None


def test_lists_page_newest_first_without_gap_or_double(db: sqlite3.Connection) -> None:
    for number in range(25):
        alarms.put(db, alarm(f"{number:02}", raised_time=100 + number // 3))
    found: list[str] = []
    after = None
    while True:
        page = alarms.search(db, AlarmFilter(), limit=4, after=after)
        found += [row.alarm.id for row in page.items]
        if (after := page.next) is None:
            break
    assert found == sorted((f"{number:02}" for number in range(25)), reverse=True)
    token = alarms.search(db, AlarmFilter(), limit=4).next
    with pytest.raises(Faulty, match="after"):
        alarms.search(db, AlarmFilter(open=True), after=token)


def test_filters(db: sqlite3.Connection) -> None:
    alarms.put(db, alarm("1", area="990101", severity=Severity.CRITICAL))
    alarms.put(db, alarm("2", area="990201", state=AlarmState.CLEARED, cleared_time=150))
    ack = Acknowledgement(by="ann", time=5)
    alarms.put(db, alarm("3", device="b", type="fire", raised_time=300, acknowledged=ack))

    def ids(**conditions: Any) -> str:
        page = alarms.search(db, AlarmFilter(**conditions))
        return "".join(sorted(row.alarm.id for row in page.items))

    assert ids() == "123"
    assert ids(open=True) == "13"
    assert ids(open=False) == "2"
    assert ids(severity=Severity.CRITICAL) == "1"
    assert ids(device="b") == ids(type="fire") == ids(since=300) == ids(acknowledged=True) == "3"
    assert ids(until=300) == ids(area="990000") == "12"
    assert ids(area="990200") == "2"
    assert ids(within=("990100",)) == "1"
    assert ids(within=()) == ""
    counted = summary.summary(db)
    assert (counted.open_alarms, counted.unacknowledged) == (2, 1)
    assert counted.severities[Severity.MAJOR] == 1
    assert summary.summary(db, "990100").open_alarms == 1


def test_the_histogram_counts_by_raising(db: sqlite3.Connection) -> None:
    for number, time in enumerate((99, 100, 109, 110, 129, 130)):
        alarms.put(db, alarm(str(number), raised_time=time))
    bins = alarms.histogram(db, 100, 10, 3)
    assert [counts[Severity.MAJOR] for counts in bins] == [2, 1, 1]
    assert [counts[Severity.NOTICE] for counts in bins] == [0, 0, 0]
    none = alarms.histogram(db, 100, 10, 3, AlarmFilter(device="x"))
    assert sum(sum(counts.values()) for counts in none) == 0


def test_pruning_never_takes_an_open_alarm(db: sqlite3.Connection) -> None:
    alarms.put(db, alarm("1"))
    alarms.put(db, alarm("2", state=AlarmState.CLEARED, cleared_time=150))
    assert alarms.prune(db, 150) == 0
    assert alarms.prune(db, 10_000) == 1
    assert [a.id for a in alarms.all_open(db)] == ["1"]
