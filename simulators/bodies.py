"""Gives every role of a scenario its body."""

from registry.model import Time
from simulators.body import Body
from simulators.cast import cast
from simulators.mobile import MobileBody
from simulators.scenario import Scenario
from simulators.siting import route


def bodies(scenario: Scenario, start: Time) -> list[Body]:
    """Return the bodies of all devices; `start` is the moment incidents count from."""
    made: list[Body] = []
    for role in cast(scenario):
        road = route(scenario.mobile.area) if role.mobile and scenario.mobile else None
        if road is not None and scenario.mobile is not None:
            made.append(
                MobileBody(
                    role, scenario.seed, start, road=road, speed_kmh=scenario.mobile.speed_kmh
                )
            )
        else:
            made.append(Body(role, scenario.seed, start))
    return made
