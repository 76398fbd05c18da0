"""The demo's nodes: their configuration files, secrets, map and registry, written to a folder.

Two edges, one city, one province, each its own process with its own data folder. Written anew
at each start; data and secrets that exist are kept.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from gateway import secrets

PROVINCE: Final = "province"
CITY: Final = "city-jilan"
EAST: Final = "edge-east"
WEST: Final = "edge-west"
SENSORS: Final = "sensors"
"""The user that devices sign in as at an embedded broker."""


class Ports(NamedTuple):
    """Every port the demo listens on; `shift` moves them all."""

    shift: int = 0

    def api(self, node: str) -> int:
        return {PROVINCE: 8080, CITY: 8081, EAST: 8082, WEST: 8083}[node] + self.shift

    def broker(self, node: str) -> int:
        return {PROVINCE: 18830, CITY: 18831, EAST: 18832}[node] + self.shift

    @property
    def modbus(self) -> int:
        return 15020 + self.shift

    @property
    def opcua(self) -> int:
        return 14840 + self.shift

    def all(self) -> dict[str, int]:
        """Return every port by what listens there."""
        ports = {f"API of {node}": self.api(node) for node in NODES}
        ports |= {f"broker of {node}": self.broker(node) for node in (PROVINCE, CITY, EAST)}
        return ports | {"Modbus simulator": self.modbus, "OPC UA simulator": self.opcua}


NODES: Final[Sequence[str]] = (PROVINCE, CITY, EAST, WEST)
"""In the order they are started."""

_TITLES: Final = {
    PROVINCE: ("澄岳省 · 一网统管", "Chengyue Province"),
    CITY: ("霁岚市 · 一网统管", "Jilan City"),
    EAST: ("东部边缘节点", "Eastern edge"),
    WEST: ("西部边缘节点", "Western edge"),
}
_ROLES: Final = {PROVINCE: "province", CITY: "city", EAST: "edge", WEST: "edge"}
_UPPER: Final = {CITY: PROVINCE, EAST: CITY, WEST: CITY}
_LOWER: Final[dict[str, list[dict[str, Any]]]] = {
    PROVINCE: [{"name": CITY, "nodes": [EAST, WEST], "areas": ["990000"]}],
    CITY: [{"name": EAST, "areas": ["990000"]}, {"name": WEST, "areas": ["990000"]}],
}


def write(folder: Path, ports: Ports) -> dict[str, Path]:
    """Write each node's `ganzhi.yaml` and the secrets they share; return the files by node."""
    return {node: _write_node(folder, node, ports) for node in NODES}


def _write_node(folder: Path, node: str, ports: Ports) -> Path:
    home = folder / node
    home.mkdir(parents=True, exist_ok=True)
    title, title_en = _TITLES[node]
    credentials: dict[str, Any] = {}
    settings: dict[str, Any] = {
        "node": {"name": node, "role": _ROLES[node], "title": title, "title_en": title_en},
        "data": {"folder": "."},
        "api": {"port": ports.api(node), "map": str((folder / "map").resolve())},
        "credentials": credentials,
        "log": {"level": "info"},
    }
    if node in _LOWER:
        settings["lower"] = {"nodes": _LOWER[node]}
        for child in _LOWER[node]:
            secrets.ensure(home / "secrets", f"node-{child['name']}")
    if node != WEST:
        settings["broker"] = {"port": ports.broker(node)}
        secrets.ensure(home / "secrets", f"broker-{SENSORS}")
        credentials["broker"] = {
            "username": SENSORS,
            "password": f"file:secrets/broker-{SENSORS}",
            "hosts": ["127.0.0.1"],
        }
    upper = _UPPER.get(node)
    if upper is not None:
        settings["upper"] = {
            "name": upper,
            "url": f"mqtt://127.0.0.1:{ports.broker(upper)}",
            "credential": "upper",
        }
        credentials["upper"] = {
            "username": node,
            "password": f"file:../{upper}/secrets/node-{node}",
            "hosts": ["127.0.0.1"],
        }
    path = home / "ganzhi.yaml"
    path.write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False))
    return path
