"""Grants: of which devices a lower node may speak."""

import pytest

from gateway.config.model import LowerSettings
from gateway.grants import Grants
from gateway.roster import Roster
from registry.model import Device, DeviceKind


def device(home: str, local: str = "a", area: str | None = "990101") -> Device:
    return Device(id=f"{home}~{local}", home=home, name="a", kind=DeviceKind.SENSOR, area=area)


@pytest.fixture
def grants() -> Grants:
    roster = Roster("province")
    roster.load([(device("edge-1"), "city-1"), (device("edge-9"), "city-2")])
    lower = [
        LowerSettings(name="city-1", nodes=("edge-1", "edge-2"), areas=("990100",)),
        LowerSettings(name="city-2", nodes=("edge-9",)),
    ]
    return Grants(lower, roster)


def test_strangers_may_not_speak(grants: Grants) -> None:
    assert grants.admits("city-1")
    assert not grants.admits("city-3")
    assert not grants.permits("city-3", device("city-3"))


@pytest.mark.parametrize(
    ("subject", "allowed"),
    [
        (device("edge-2"), True),
        (device("city-1", area=None), True),
        (device("edge-9", "b"), False),  # another city's node
        (device("edge-2", area="990201"), False),  # outside the area
        ("edge-1~a", True),
        ("edge-9~a", False),  # known by another way
        ("edge-2~new", True),
        ("province~x", False),
    ],
)
def test_homes_and_areas_bound_a_word(
    grants: Grants, subject: str | Device, *, allowed: bool
) -> None:
    assert grants.permits("city-1", subject) is allowed


def test_a_city_without_areas_is_bound_by_homes_only(grants: Grants) -> None:
    assert grants.permits("city-2", device("edge-9", area="123456"))
