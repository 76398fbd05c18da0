"""Grants: of which devices a lower node may speak."""

import pytest

from gateway.config.model import LowerSettings
from gateway.grants import Grants
from gateway.roster import Roster
from registry.model import Device, DeviceKind


def device(home: str, local: str = "a", area: str | None = "990101") -> Device:
    return Device(id=f"{home}~{local}", home=home, name="a", kind=DeviceKind.SENSOR, area=area)


def named(name: str) -> Device:
    """A device whose home city-1 may speak of, called `name`."""
    return Device(id=name, home="edge-2", name="a", kind=DeviceKind.SENSOR, area="990101")


@pytest.fixture
def grants() -> Grants:
    roster = Roster("province")
    roster.load([(device("edge-1"), "city-1"), (device("edge-9"), "city-2")])
    lower = [
        LowerSettings(name="city-1", nodes=("edge-1", "edge-2"), areas=("990100",)),
        LowerSettings(name="city-2", nodes=("edge-9",)),
    ]
    return Grants("province", lower, roster)


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
        (named("province~a"), False),  # an id of this node
        (named("edge-9~b"), False),  # an id of another city's node
        (named("city-2"), False),  # another node itself
        (named("edge-1"), True),
        (named("stadium~a"), True),  # no node of ours
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
