"""Two tiers for the tests of one link."""

from collections.abc import Callable
from pathlib import Path

from cascade.timing import Timing
from registry.model import DeviceState
from tests.cascade.broker import Broker
from tests.cascade.house import QUICK, House
from tests.cascade.test_chain import happenings


class Pair:
    """A city above an edge, each from its own file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bus = Broker()
        self.houses: list[House] = []

    def city(self, **more: object) -> House:
        return self._keep(House(self.folder / "city.db", "city", below=self.bus, **more))  # type: ignore[arg-type]

    def edge(self, file: str = "edge1.db", timing: Timing = QUICK) -> House:
        path = self.folder / file
        return self._keep(House(path, "edge1", above=self.bus, upper="city", timing=timing))

    def _keep(self, house: House) -> House:
        self.houses.append(house)
        return house

    def sent(self, part: str) -> int:
        return sum(m.topic.endswith(part) for m in self.bus.log)


def states(house: House, node: str = "edge1") -> list[DeviceState]:
    """Return the states a node went through, repeats (heartbeats) left out."""
    found = [state for name, state, _ in house.links if name == node]
    return [s for i, s in enumerate(found) if i == 0 or s is not found[i - 1]]


def live_through(edge: House, start: int, stop: int) -> None:
    for n in range(start, stop):
        edge.own(happenings("edge1", n))


def same(city: House, edge: House) -> Callable[[], bool]:
    return lambda: sorted(set(edge.got())) == sorted(r for r in city.got() if r[0] != "misfit")
