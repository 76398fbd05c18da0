"""Incidents begin, end and come again when they say; bodies live and bend accordingly."""

from simulators.incidents import Effect, Incident, alive, bent


def test_dies_for_a_while_and_again() -> None:
    dies = [Incident(at=5, every=20, duration=8, device="d", effect=Effect.DIES)]
    assert [alive(dies, t) for t in (0, 4.9, 5, 12.9, 13, 24.9, 25, 33)] == [
        True,
        True,
        False,
        False,
        True,
        True,
        False,
        True,
    ]


def test_dies_until_it_returns() -> None:
    both = [
        Incident(at=5, device="d", effect=Effect.DIES),
        Incident(at=9, device="d", effect=Effect.RETURNS),
    ]
    assert [alive(both, t) for t in (4, 6, 8.9, 9, 100)] == [True, False, False, True, True]


def test_crosses_and_goes_back() -> None:
    gas = [
        Incident(
            at=10, every=60, duration=20, ramp=4, device="d", point="p",
            effect=Effect.CROSSES, to=24,
        )
    ]  # fmt: skip
    shown = [bent(gas, "p", t, 2.0) for t in (9, 10, 12, 14, 30, 32, 34, 69, 74)]
    assert shown == [2, 2, 13, 24, 24, 13, 2, 2, 24]
    assert bent(gas, "other", 20, 2.0) == 2.0


def test_step_stays_or_ends() -> None:
    forever = Incident(at=1, device="d", point="p", effect=Effect.STEPS, by=3)
    short = Incident(at=1, duration=2, device="d", point="p", effect=Effect.STEPS, by=3)
    assert [bent([forever], "p", t, 1.0) for t in (0, 1, 99)] == [1, 4, 4]
    assert [bent([short], "p", t, 1.0) for t in (0, 1, 3)] == [1, 4, 1]
