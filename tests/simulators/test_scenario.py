"""A scenario's mistakes are all named at once; the shipped one is right and makes its devices."""

import re
from pathlib import Path

import pytest

from registry.model import Faulty, Sensing, is_device_id
from simulators.cast import cast
from simulators.inventory import documents, profiles, rules
from simulators.loading import load, parse
from simulators.province.world import county_at
from simulators.scenario import Scenario
from tests.simulators.conftest import Ports, small

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples/scenarios/province.yaml"
PORTS = Ports(1, 2, 3, 4)


@pytest.fixture(scope="module")
def demo() -> Scenario:
    return load(DEMO)


def faults(text: str) -> dict[str, str]:
    with pytest.raises(Faulty) as caught:
        parse(text)
    return {fault.where: fault.expected for fault in caught.value.faults}


def test_every_wrong_type_is_named_at_once() -> None:
    text = small(PORTS)
    text = text.replace("seed: 7", "seed: seven").replace("kind: actuator", "kind: pump")
    text = text.replace("protocol: opcua", "protocol: profinet").replace("title: small", "titel: x")
    found = faults(text)
    assert set(found) == {
        "titel",
        "title",
        "seed",
        "profiles[1].kind",
        "groups[2].protocol",
    }
    assert found["seed"] == "int"
    assert "actuator" in found["profiles[1].kind"]
    assert found["groups[2].protocol"] == "one of mqtt, modbus, opcua"
    assert "title" in found["titel"]


def test_every_wrong_name_is_named_at_once() -> None:
    text = small(PORTS)
    text = text.replace("node: e, protocol: mqtt", "node: f, protocol: mqtt")
    text = text.replace("profile: pump, areas", "profile: pomp, areas", 1)
    text = text.replace('"990300"', '"990177"').replace("follows: speed", "follows: spede")
    text = text.replace("profile: patrol", "profile: gas")
    found = faults(text)
    assert set(found) == {
        "profiles[1].points[0].signal.follows",
        "groups[0].node",
        "groups[1].profile",
        "groups[2].areas[0]",
        "mobile.profile",
    }
    assert found["groups[1].profile"] == "one of gas, pump, patrol"
    assert "lon and lat" in found["mobile.profile"]


@pytest.mark.parametrize(
    ("incident", "where"),
    [
        ("{at: 1, device: nobody, effect: dies}", "device"),
        ("{at: 1, device: gas-01-01, effect: dies, point: lel}", "point"),
        ("{at: 1, device: gas-01-01, effect: crosses, point: valve, to: 30}", "point"),
        ("{at: 1, device: gas-01-01, effect: crosses, point: lel}", "to"),
        ("{at: 1, device: gas-01-01, effect: crosses, point: lel, to: 19}", "to"),
        ("{at: 1, device: gas-01-01, effect: steps, point: lel, to: 30}", "by"),
        ("{at: 1, every: 9, device: gas-01-01, effect: dies}", "duration"),
        ("{at: 1, every: 9, duration: 9, device: gas-01-01, effect: dies}", "every"),
    ],
)
def test_an_incident_that_cannot_happen(incident: str, where: str) -> None:
    assert set(faults(small(PORTS, f"[{incident}]"))) == {f"incidents[0].{where}"}


def test_no_yaml_and_no_file(tmp_path: Path) -> None:
    assert "line 2" in next(iter(faults("title: x\n  seed: [")))
    with pytest.raises(Faulty, match="cannot be read"):
        load(tmp_path / "missing.yaml")
    assert "scenario" in faults("[]")


def test_the_demo_covers_the_province(demo: Scenario) -> None:
    devices = [device for found in documents(demo).values() for device in found]
    assert 120 <= len(devices) <= 200
    assert {d.area[:4] for d in devices if d.area} == {f"99{k:02d}" for k in range(1, 12)}
    assert {d.category for d in devices} >= {
        "water", "gas", "tilt", "rain", "meter", "fire", "gateway",
    }  # fmt: skip
    assert {d.sensing for d in devices} >= {Sensing.FIXED, Sensing.MOBILE, Sensing.PASSIVE}
    assert {d.link.protocol for d in devices if d.link} == {"mqtt", "modbus", "opcua", "http"}
    assert len({d.id for d in devices}) == len(devices)
    assert all(is_device_id(d.id) and d.id.startswith(f"{d.home}~") for d in devices)


def test_devices_stand_in_their_county(demo: Scenario) -> None:
    for role in cast(demo):
        if not role.mobile:
            assert county_at(role.site.lon, role.site.lat) == role.site.area


def test_incidents_begin_early_and_return_within_a_minute(demo: Scenario) -> None:
    first = min(i.at for i in demo.incidents)
    assert first <= 10
    assert all(incident.every for incident in demo.incidents)
    early = [i for i in demo.incidents if i.at + (i.duration or 0) + i.ramp <= 60]
    assert {"crosses", "dies"} <= {str(i.effect) for i in early}


def test_links_are_complete(demo: Scenario) -> None:
    by_id = {d.id: d for found in documents(demo).values() for d in found}
    pump = by_id["edge-west~pump-02-01"]
    assert pump.link is not None
    assert pump.link.endpoint == "modbus+tcp://127.0.0.1:15020"
    assert pump.link.address == {"unit": 1, "period": 2.0}
    assert {p.name: p.address["table"] for p in pump.points} == {
        "running": "discrete",
        "flow": "input",
        "pressure": "input",
        "level": "input",
        "speed": "holding",
        "manual": "coil",
    }
    units = [
        d.link.address["unit"] for d in by_id.values() if d.link and d.link.protocol == "modbus"
    ]
    assert sorted(units) == list(range(1, len(units) + 1))  # type: ignore[type-var]
    rain = by_id["edge-west~wrain-04-01"]
    assert rain.points[0].address == {"node": "nsu=urn:ganzhi:simulators;s=wrain-04-01.intensity"}
    assert {p.name for p in profiles(demo)} >= {
        d.link.profile for d in by_id.values() if d.link and d.link.profile
    }
    assert {r.id for r in rules(demo)} >= {"gas-high", "level-high"}


def test_the_same_devices_every_time(demo: Scenario) -> None:
    assert documents(demo) == documents(load(DEMO))
    moved = load_with_seed(1)
    assert documents(demo) != documents(moved)


def load_with_seed(seed: int) -> Scenario:
    return parse(re.sub(r"seed: \d+", f"seed: {seed}", DEMO.read_text("utf-8")))
