"""Three tiers and their brokers, killed with -9 at random moments: nothing lost, nothing doubled.

The ledger is kept outside. The same test against a program that acknowledges before it commits
must go red: that is the negative control.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.cli.main import main as ganzhi
from tests.flow.ledger import Source, Verdict, judge
from tests.flow.nodes import GanzhiNode, Process, broker, free_ports, wait_for

QUIET = 20.0
"""Seconds without anything new after which nothing more is expected: longer than any retry."""

DEVICES = """
devices:
  - id: edge~meter
    home: edge
    name: meter
    kind: meter
    link:
      protocol: mqtt
      endpoint: mqtt://127.0.0.1:{port}
      address: {{topic: "site/{{local}}"}}
    points:
      - {{name: n, type: int}}
"""


class House:
    """Edge, city, province, the cascade's two brokers, and the broker of the devices."""

    def __init__(self, folder: Path, edge_program: str = "gateway.cli.main") -> None:
        edge_api, city_api, province_api, field, lower, upper = free_ports(6)
        self.field = broker(folder, "field", field)
        self.lower = broker(folder, "lower", lower)
        self.upper = broker(folder, "upper", upper)
        self.edge = GanzhiNode(
            folder, "edge", _settings("edge", "edge", edge_api, up=("city", lower)), edge_program
        )
        self.city = GanzhiNode(
            folder,
            "city",
            _settings("city", "city", city_api, up=("province", upper), down=(lower, "edge")),
        )
        self.province = GanzhiNode(
            folder,
            "province",
            _settings("province", "province", province_api, down=(upper, "city", "edge")),
        )
        self.field_port = field

    @property
    def mortal(self) -> list[Process]:
        return [self.edge, self.city, self.province, self.lower, self.upper]

    @property
    def all(self) -> list[Process]:
        return [self.field, self.lower, self.upper, self.province, self.city, self.edge]


def _settings(
    name: str,
    role: str,
    api: int,
    up: tuple[str, int] | None = None,
    down: tuple[int, str] | tuple[int, str, str] | None = None,
) -> dict[str, object]:
    settings: dict[str, object] = {
        "node": {"name": name, "role": role},
        "data": {"folder": "."},
        "api": {"port": api},
        "credentials": {"none": {}},
    }
    if up is not None:
        url = f"mqtt://127.0.0.1:{up[1]}"
        settings["upper"] = {"name": up[0], "url": url, "credential": "none"}
    if down is not None:
        nodes = [{"name": down[1], "nodes": list(down[2:])}]
        url = f"mqtt://127.0.0.1:{down[0]}"
        settings["lower"] = {"url": url, "credential": "none", "nodes": nodes}
    return settings


@contextmanager
def running(house: House, folder: Path) -> Iterator[None]:
    inventory = folder / "devices.yaml"
    inventory.write_text(DEVICES.format(port=house.field_port))
    assert ganzhi(["devices", "import", "-c", str(house.edge.config), str(inventory)]) == 0
    try:
        for process in house.all:
            process.start()
        for process in house.all:
            wait_for(process.up, f"{process.name} listens")
        yield
    finally:
        for process in house.all:
            process.kill()


def suffer(house: House, kills: int, seed: int, victims: list[Process]) -> Verdict:
    """Let readings flow while `kills` processes die; return the ledger's verdict at the end."""
    chance = random.Random(seed)
    source = Source(house.field_port, "site/meter", per_second=150)
    source.connect()
    wait_for(lambda: subscribed(house, source), "the edge takes readings")
    source.start()
    try:
        for _ in range(kills):
            victim = chance.choice(victims)
            pause = chance.uniform(0.3, 1.5)
            wait_until = time.monotonic() + pause
            wait_for(lambda until=wait_until: time.monotonic() > until, "the moment")  # type: ignore[misc]
            victim.kill()
            victim.start()
            wait_for(victim.up, f"{victim.name} is back")
    finally:
        source.stop()
    return settle(house, source)


def subscribed(house: House, source: Source) -> bool:
    """Tell whether a probe reading reached the edge: its session at the broker exists."""
    assert source.send(0)
    return 0 in house.edge.values("n")


def settle(house: House, source: Source) -> Verdict:
    """Wait until all is there, or nothing more arrives; judge what the province holds then."""
    wanted = set(source.accepted)
    seen, since = 0, time.monotonic()

    def settled() -> bool:
        nonlocal seen, since
        there = set(house.province.values("n"))
        if len(there) != seen:
            seen, since = len(there), time.monotonic()
        return wanted <= there or time.monotonic() - since > QUIET

    wait_for(settled, "everything reaches the province", 120)
    delivered = [value for value in house.province.values("n") if value != 0]
    return judge(wanted, delivered)


@pytest.mark.timeout(240)
def test_nothing_is_lost_doubled_or_invented(tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    house = House(tmp_path)
    with running(house, tmp_path):
        verdict = suffer(house, kills=12, seed=seed, victims=house.mortal)
    assert verdict.clean, f"seed {seed}: {verdict}"
    assert verdict.accepted > 500


@pytest.mark.timeout(240)
def test_the_ledger_sees_an_acknowledgement_before_the_commit(tmp_path: Path) -> None:
    """Negative control: a program that acknowledges too early must be caught."""
    house = House(tmp_path, edge_program="tests.flow.sabotaged")
    with running(house, tmp_path):
        verdict = suffer(house, kills=3, seed=1, victims=[house.edge])
    assert verdict.lost > 0
