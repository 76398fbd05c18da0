"""Presence: run states, derived in one place."""

from gateway.presence import Presence
from registry.model import SECOND, DeviceState, Lifecycle, StatusChange
from tests.gateway.support import NOW, device

A = "edge-1~a"


def fresh() -> Presence:
    presence = Presence("edge-1")
    presence.load(device(), None, NOW, 0)
    return presence


def test_a_device_that_never_reported_is_unknown() -> None:
    presence = fresh()
    assert presence.states() == {A: DeviceState.UNKNOWN}
    assert presence.tick(NOW, 10**15) == []


def test_data_makes_it_online_once() -> None:
    presence = fresh()
    assert [c.state for c in presence.observed([A], NOW, 0)] == [DeviceState.ONLINE]
    assert presence.observed([A], NOW, 1) == []


def test_silence_degrades_then_ends_with_a_cause() -> None:
    presence = fresh()
    presence.observed([A], NOW, 0)
    assert presence.tick(NOW, 14 * SECOND) == []
    degraded = presence.tick(NOW, 16 * SECOND)
    assert [(c.state, c.cause) for c in degraded] == [
        (DeviceState.DEGRADED, "no data for 16 s (expected every 5 s)")
    ]
    assert [c.state for c in presence.tick(NOW, 31 * SECOND)] == [DeviceState.OFFLINE]
    assert presence.tick(NOW, 60 * SECOND) == []
    assert [c.state for c in presence.observed([A], NOW, 61 * SECOND)] == [DeviceState.ONLINE]


def test_a_wall_clock_that_jumps_makes_nobody_silent() -> None:
    presence = fresh()
    presence.observed([A], NOW, 0)
    assert presence.tick(NOW + 86_400 * SECOND, SECOND) == []


def test_maintenance_hides_everything_else() -> None:
    presence = fresh()
    presence.reload(device(lifecycle=Lifecycle.MAINTENANCE), NOW, 0)
    assert [c.state for c in presence.tick(NOW, 0)] == [DeviceState.MAINTENANCE]
    assert presence.observed([A], NOW, 0) == []
    lost = StatusChange(device=A, state=DeviceState.OFFLINE, since=NOW)
    assert presence.told(lost, NOW, 0) == []


def test_silence_after_a_restart_counts_from_the_restart() -> None:
    presence = Presence("edge-1")
    last = StatusChange(device=A, state=DeviceState.ONLINE, since=NOW)
    presence.load(device(), last, NOW, 100 * SECOND)
    assert presence.tick(NOW, 110 * SECOND) == []
    assert [c.state for c in presence.tick(NOW, 140 * SECOND)] == [DeviceState.OFFLINE]


def test_what_could_not_be_stored_is_told_again() -> None:
    presence = fresh()
    presence.observed([A], NOW, 0)
    presence.unsure([A])
    assert [c.state for c in presence.observed([A], NOW, 1)] == [DeviceState.ONLINE]
