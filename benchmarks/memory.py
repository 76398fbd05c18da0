"""Resident memory of nodes as the demo configures them: embedded brokers, devices, all linked.

A province above a city above two edges. One edge speaks MQTT and Modbus, the other MQTT and OPC
UA as well. Devices are connected and say little; the figure is taken when all links stand. The
databases are there already: the first start, which makes them, costs a node some 20 MB more.
"""

import asyncio
import resource
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.children import Child, free_ports, python, running
from benchmarks.figure import Measured, Scale, say
from benchmarks.house import NodeProcess
from benchmarks.peers.opcua_server import NAMESPACE
from benchmarks.workload import TOPIC
from gateway import secrets
from registry.exchange.document import Document
from registry.model import Device, DeviceKind, Link, Point, ValueType

_MEGABYTE: Final = 1_000_000
_PAGE: Final = resource.getpagesize()
_DEVICES: Final = 10
_REGISTERS: Final = 20
_NODES: Final = ("province", "city", "edge-a", "edge-b")
_UPPER: Final = {"city": "province", "edge-a": "city", "edge-b": "city"}
_FIGURES: Final = {
    "memory_edge": "edge-a",
    "memory_edge_opcua": "edge-b",
    "memory_city": "city",
    "memory_province": "province",
}


async def run(scale: Scale, folder: Path) -> Sequence[Measured]:
    """Measure resident megabytes (10^6 bytes) of each node."""
    raw = await _bare(folder)
    async with _house(folder) as nodes:
        await asyncio.sleep(scale.of(20.0, 2.0))
        found = {name: _resident(node.child) for name, node in nodes.items()}
    say("   " + ", ".join(f"{name} {size:.0f} MB" for name, size in found.items()))
    return [Measured(figure, found[node], raw) for figure, node in _FIGURES.items()]


def _resident(child: Child | None) -> float:
    assert child is not None
    pages = Path(f"/proc/{child.pid}/statm").read_text().split()[1]
    return int(pages) * _PAGE / _MEGABYTE


async def _bare(folder: Path) -> float:
    async with running("bare", python("benchmarks.peers.bare"), folder) as bare:
        await bare.line()
        return _resident(bare)


@asynccontextmanager
async def _house(folder: Path) -> AsyncIterator[dict[str, NodeProcess]]:
    """Run servers and nodes; yields the nodes when all links stand."""
    modbus, opcua, *ports = free_ports(2 + 2 * len(_NODES))
    apis = dict(zip(_NODES, ports, strict=False))
    brokers = dict(zip(_NODES, ports[len(_NODES) :], strict=True))
    nodes = {
        name: NodeProcess(folder, _settings(folder, name, apis[name], brokers)) for name in _NODES
    }
    links = {
        "edge-a": [_mqtt(brokers["edge-a"]), _modbus(modbus)],
        "edge-b": [_mqtt(brokers["edge-b"]), _modbus(modbus), _opcua(opcua)],
    }
    servers = {
        "modbus": python("benchmarks.peers.modbus_server", modbus, _DEVICES, _REGISTERS),
        "opcua": python("benchmarks.peers.opcua_server", opcua, _DEVICES * _REGISTERS),
    }
    async with AsyncExitStack() as stack:
        for name, command in servers.items():
            await (await stack.enter_async_context(running(name, command, folder))).line()
        for name, node in nodes.items():
            known = [device for link in links.get(name, ()) for device in _devices(name, link)]
            await node.register(Document(devices=tuple(known)))
        for node in nodes.values():
            await stack.enter_async_context(node.running())
            await node.connected([""])
        for edge, spoken in links.items():
            await nodes[edge].connected(["upper:city", *(link.endpoint for link in spoken)])
        await nodes["city"].connected(["upper:province", "lower"])
        yield nodes


def _settings(folder: Path, name: str, api: int, brokers: dict[str, int]) -> dict[str, Any]:
    """Return a node's configuration, and write the secrets it shares with others."""
    own = folder / name / "secrets"
    secrets.ensure(own, "broker-sensors")
    below = [child for child, upper in _UPPER.items() if upper == name]
    for child in below:
        secrets.ensure(own, f"node-{child}")
    credentials: dict[str, Any] = {
        "sensors": {
            "username": "sensors",
            "password": "file:secrets/broker-sensors",
            "hosts": ["127.0.0.1"],
        }
    }
    settings: dict[str, Any] = {
        "node": {"name": name, "role": name.partition("-")[0]},
        "api": {"port": api},
        "broker": {"port": brokers[name]},
        "credentials": credentials,
    }
    if below:
        grand = {child: [c for c, upper in _UPPER.items() if upper == child] for child in below}
        settings["lower"] = {"nodes": [{"name": c, "nodes": grand[c]} for c in below]}
    if upper := _UPPER.get(name):
        url = f"mqtt://127.0.0.1:{brokers[upper]}"
        settings["upper"] = {"name": upper, "url": url, "credential": "upper"}
        password = f"file:../{upper}/secrets/node-{name}"
        credentials["upper"] = {"username": name, "password": password}
    return settings


def _mqtt(port: int) -> Link:
    return Link(
        protocol="mqtt",
        endpoint=f"mqtt://127.0.0.1:{port}",
        credential="sensors",
        address={"topic": TOPIC},
    )


def _modbus(port: int) -> Link:
    return Link(protocol="modbus", endpoint=f"modbus+tcp://127.0.0.1:{port}")


def _opcua(port: int) -> Link:
    return Link(protocol="opcua", endpoint=f"opc.tcp://127.0.0.1:{port}/bench")


def _devices(node: str, link: Link) -> list[Device]:
    """Return devices of one link, each with its own address there."""
    made = []
    for i in range(_DEVICES):
        address = {**link.address, **({"unit": i + 1} if link.protocol == "modbus" else {})}
        made.append(
            Device(
                id=f"{node}~{link.protocol}-{i}",
                home=node,
                name=f"{link.protocol} {i}",
                kind=DeviceKind.SENSOR,
                link=Link(
                    protocol=link.protocol,
                    endpoint=link.endpoint,
                    credential=link.credential,
                    address=address,
                ),
                points=tuple(_point(link.protocol, i, j) for j in range(_REGISTERS)),
            )
        )
    return made


def _point(protocol: str, device: int, number: int) -> Point:
    match protocol:
        case "modbus":
            return Point(name=f"p{number}", type=ValueType.INT, address={"register": number})
        case "opcua":
            node = f"nsu={NAMESPACE};s=v{device * _REGISTERS + number}"
            return Point(name=f"p{number}", address={"node": node})
    return Point(name=f"p{number}")
