"""Searching: every answer equals what a plain look at all devices would give."""

import random
import sqlite3
from typing import Any

import pytest

from registry.coordinates import distance
from registry.model import (
    Alarm,
    AlarmState,
    Area,
    AreaKind,
    Device,
    DeviceKind,
    DeviceState,
    Faulty,
    Lifecycle,
    Point,
    Severity,
    StatusChange,
    ValueType,
)
from registry.model.area import subtree_prefix
from registry.store import alarms, areas, devices, search, summary, twin
from registry.store.search import DeviceFilter
from tests.registry.conftest import MakeDevice

AREAS = ("990101", "990102", "990201", "990201003", "990201003007", "980101", None)


@pytest.fixture
def crowd(db: sqlite3.Connection, make: MakeDevice) -> dict[str, Device]:
    rng = random.Random(7)
    made = {}
    for number in range(300):
        device = make(
            f"{number:03}",
            at=(112 + rng.random(), 37 + rng.random()),
            area=rng.choice(AREAS),
            kind=rng.choice(list(DeviceKind)),
            category=rng.choice(("water", "gas", "")),
            key_point=rng.random() < 0.1,
            tags=tuple(rng.sample(("a", "b", "c"), rng.randrange(3))),
            codes={"asset": f"A-{number}"},
            lifecycle=rng.choice((Lifecycle.ACTIVE, Lifecycle.ACTIVE, Lifecycle.RETIRED)),
        )
        made[device.id] = device
        devices.upsert(db, device, via=None, now=1)
        state = rng.choice(list(DeviceState))
        twin.put_status(db, [StatusChange(device=device.id, state=state, since=2)])
    return made


def walk(db: sqlite3.Connection, wanted: DeviceFilter, limit: int = 7) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = search.search(db, wanted, limit=limit, after=after)
        found += [row.id for row in page.items]
        if page.next is None:
            return found
        assert len(page.items) == limit
        after = page.next


def plain(crowd: dict[str, Device], **conditions: Any) -> list[str]:
    alive = (d for d in crowd.values() if d.lifecycle is not Lifecycle.RETIRED)
    return sorted(
        d.id for d in alive if all(getattr(d, name) == value for name, value in conditions.items())
    )


def test_plain_conditions_equal_a_look_at_all(
    db: sqlite3.Connection, crowd: dict[str, Device]
) -> None:
    assert walk(db, DeviceFilter()) == plain(crowd)
    assert walk(db, DeviceFilter(kind=DeviceKind.METER)) == plain(crowd, kind=DeviceKind.METER)
    assert walk(db, DeviceFilter(category="gas")) == plain(crowd, category="gas")
    assert walk(db, DeviceFilter(key_point=True)) == plain(crowd, key_point=True)
    assert walk(db, DeviceFilter(home="edge-2")) == []
    retired = DeviceFilter(lifecycle=Lifecycle.RETIRED)
    assert walk(db, retired) == sorted(set(crowd) - set(plain(crowd)))
    tagged = [d for d in plain(crowd) if "b" in crowd[d].tags]
    assert walk(db, DeviceFilter(tag="b")) == tagged
    states = {row.device: row.state for row in twin.load_states(db)}
    online = [d for d in plain(crowd) if states[d] is DeviceState.ONLINE]
    assert walk(db, DeviceFilter(state=DeviceState.ONLINE)) == online


@pytest.mark.parametrize("code", ["990000", "990200", "990201", "990201003", "980000"])
def test_areas_hold_for_subtrees(
    db: sqlite3.Connection, crowd: dict[str, Device], code: str
) -> None:
    prefix = subtree_prefix(code)
    inside = [d for d in plain(crowd) if (crowd[d].area or "").startswith(prefix)]
    assert inside
    assert walk(db, DeviceFilter(area=code)) == inside
    assert walk(db, DeviceFilter(within=(code,))) == inside
    assert walk(db, DeviceFilter(area=code, within=())) == []
    assert walk(db, DeviceFilter(area=code, within=("970000",))) == []


@pytest.mark.parametrize("crowded", [1, 1000])
def test_boxes_are_exact_with_and_without_the_tree(
    db: sqlite3.Connection,
    crowd: dict[str, Device],
    crowded: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "_CROWD", crowded)
    edge = next(d for d in crowd.values() if d.lifecycle is Lifecycle.ACTIVE).place
    assert edge is not None
    west, south, east, north = box = (112.2, 37.3, edge.lon, edge.lat)
    expected = [
        d
        for d in plain(crowd)
        if (p := crowd[d].place) and west <= p.lon <= east and south <= p.lat <= north
    ]
    assert walk(db, DeviceFilter(bbox=box)) == expected
    assert search.count(db, DeviceFilter(bbox=box)) == len(expected)


def test_near_comes_by_exact_distance(db: sqlite3.Connection, crowd: dict[str, Device]) -> None:
    here, radius = (112.5, 37.5), 20_000.0
    ranked = sorted(
        (distance(here, (p.lon, p.lat)), d) for d in plain(crowd) if (p := crowd[d].place)
    )
    expected = [d for metres, d in ranked if metres <= radius]
    assert 5 < len(expected) < 100
    wanted = DeviceFilter(near=here, radius=radius)
    assert walk(db, wanted, limit=3) == expected
    first = search.search(db, wanted, limit=1).items[0]
    assert first.metres == ranked[0][0]
    assert search.count(db, wanted) == len(expected)
    with pytest.raises(Faulty, match="radius"):
        search.search(db, DeviceFilter(near=here, radius=1e9))


def test_words_and_codes(db: sqlite3.Connection, make: MakeDevice) -> None:
    devices.upsert(db, make("a", name="滨河水位 100%", codes={"asset": "Z_9"}), via=None, now=1)
    devices.upsert(db, make("b", name="other", codes={"asset": "ZX9"}), via=None, now=1)
    for q, found in (
        ("水位", ["edge-1~a"]),
        ("0%", ["edge-1~a"]),
        ("z_9", ["edge-1~a"]),
        ("EDGE-1~", ["edge-1~a", "edge-1~b"]),
        ("%", ["edge-1~a"]),
        ("' OR 1=1 --", []),
    ):
        assert walk(db, DeviceFilter(q=q)) == found, q
    assert walk(db, DeviceFilter(code=("asset", "ZX9"))) == ["edge-1~b"]


def test_a_row_shows_state_worst_alarm_and_headline(
    db: sqlite3.Connection, make: MakeDevice
) -> None:
    device = make("a", points=(Point(name="wet", title="Wet", type=ValueType.BOOL),))
    devices.upsert(db, device, via="city", now=1)
    twin.put_latest(db, [(device.id, "wet", True, 0, "", 5, 6), (device.id, "x", 9, 0, "", 5, 6)])
    for number, (severity, state) in enumerate(
        (
            (Severity.MINOR, AlarmState.RAISED),
            (Severity.MAJOR, AlarmState.UPDATED),
            (Severity.CRITICAL, AlarmState.CLEARED),
        )
    ):
        alarms.put(
            db,
            Alarm(
                id=str(number),
                key=str(number),
                device=device.id,
                type="t",
                severity=severity,
                state=state,
                message="",
                raised_time=1,
                updated_time=1,
            ),
        )
    row = search.search(db, DeviceFilter()).items[0]
    assert row.alarm is Severity.MAJOR
    assert row.headline is not None
    assert row.headline.value is True
    assert (row.headline.title, row.headline.time, row.via) == ("Wet", 5, "city")
    assert search.rows_of(db, ["nobody", device.id]) == [row]


def test_a_token_serves_only_its_own_search(
    db: sqlite3.Connection, crowd: dict[str, Device]
) -> None:
    token = search.search(db, DeviceFilter(), limit=5).next
    assert token is not None
    for wanted, after in (
        (DeviceFilter(category="gas"), token),
        (DeviceFilter(), "nonsense"),
        (DeviceFilter(), "!"),
        (DeviceFilter(), token[:-3]),
    ):
        with pytest.raises(Faulty, match="after"):
            search.search(db, wanted, after=after)


def test_the_summary_equals_a_recount(db: sqlite3.Connection, crowd: dict[str, Device]) -> None:
    for code, name, kind in (
        ("990000", "Province", AreaKind.PROVINCE),
        ("990100", "One", AreaKind.CITY),
        ("990200", "Two", AreaKind.CITY),
        ("990101", "East", AreaKind.COUNTY),
    ):
        areas.put(db, Area(code=code, name=name, kind=kind))
    states = {row.device: row.state for row in twin.load_states(db)}
    alive = plain(crowd)
    counted = summary.summary(db)
    assert counted.total == len(alive)
    assert counted.states == {s: sum(states[d] is s for d in alive) for s in DeviceState}
    assert sum(kind.total for kind in counted.kinds) == len(alive)
    online = counted.states[DeviceState.ONLINE]
    assert sum(kind.online for kind in counted.kinds) == online
    expected = [
        (
            name,
            sum((crowd[d].area or "").startswith(prefix) for d in alive),
            sum(
                (crowd[d].area or "").startswith(prefix) and states[d] is DeviceState.ONLINE
                for d in alive
            ),
        )
        for name, prefix in (("One", "9901"), ("Two", "9902"))
    ]
    assert [(a.name, a.total, a.online) for a in counted.areas] == expected
    city = summary.summary(db, "990100")
    assert city.total == expected[0][1]
    assert [a.name for a in city.areas] == ["East"]
    assert summary.summary(db, within=("980000",)).total == sum(
        (crowd[d].area or "").startswith("98") for d in alive
    )


def test_counts_equal_a_recount_whatever_happens(db: sqlite3.Connection, make: MakeDevice) -> None:
    rng = random.Random(11)
    for step in range(600):
        local = str(rng.randrange(12))
        device = make(
            local,
            area=rng.choice(AREAS),
            category=rng.choice(("water", "gas")),
            kind=rng.choice((DeviceKind.METER, DeviceKind.SENSOR)),
            lifecycle=rng.choice((Lifecycle.ACTIVE, Lifecycle.RETIRED, Lifecycle.PLANNED)),
        )
        match rng.randrange(5):
            case 0 | 1:
                devices.upsert(db, device, via=None, now=step)
            case 2:
                state = rng.choice(list(DeviceState))
                twin.put_status(db, [StatusChange(device=device.id, state=state, since=step)])
            case 3:
                devices.retire(db, device.id, now=step)
            case 4:
                devices.remove(db, device.id)
        assert summary.drift(db) == [], step
    db.execute("UPDATE device_count SET number = number + 1")
    assert summary.drift(db)
