"""What a registry must know to sense the devices of a scenario."""

from collections.abc import Callable
from typing import Final

from registry.model import (
    Capability,
    Device,
    DeviceKind,
    Link,
    Place,
    PlaceSource,
    Point,
    Profile,
    Sensing,
    ThresholdRule,
    device_id,
)
from registry.model.point import Scalar
from simulators.cast import Role, cast, cells, seats
from simulators.registers import RawType
from simulators.scenario import CitizenPlan, NodePlan, ProfilePlan, Scenario, Wire

OWNER: Final = "演示"


def documents(scenario: Scenario) -> dict[str, list[Device]]:
    """Return the devices of each node of the scenario, whose links the node dials."""
    found: dict[str, list[Device]] = {node.name: [] for node in scenario.nodes}
    nodes = {node.name: node for node in scenario.nodes}
    for role in cast(scenario):
        found[role.node].append(_device(role, nodes[role.node]))
    if scenario.citizens is not None:
        found[scenario.citizens.node].append(_citizens(scenario.citizens))
    return found


def rules(scenario: Scenario) -> list[ThresholdRule]:
    """Return the rules that turn the scenario's incidents into alarms."""
    return list(scenario.rules)


def profiles(scenario: Scenario) -> list[Profile]:
    """Return the profiles that devices are added by; point addresses are those of MQTT."""
    return [
        Profile(
            name=plan.name,
            kind=plan.kind,
            category=plan.category,
            maker=plan.maker,
            model=plan.model,
            capabilities=_capabilities(plan),
            points=_points(plan, lambda name: {"pointer": f"/{name}"}),
        )
        for plan in scenario.profiles
    ]


def _capabilities(plan: ProfilePlan) -> tuple[Capability, ...]:
    if any(point.writable for point in plan.points):
        return (Capability.OBSERVE, Capability.COMMAND)
    return (Capability.OBSERVE,)


def _points(
    plan: ProfilePlan, address: Callable[[str], dict[str, Scalar]], *, raw: bool = False
) -> tuple[Point, ...]:
    return tuple(
        Point(
            name=point.name,
            type=point.type,
            title=point.title,
            unit=point.unit,
            range=point.range,
            scale=point.raw.scale if raw else 1.0,
            offset=point.raw.offset if raw else 0.0,
            deadband=point.deadband,
            cadence=plan.every,
            writable=point.writable,
            address=address(point.name),
        )
        for point in plan.points
    )


def _device(role: Role, node: NodePlan) -> Device:
    link, points = _reached(role, node)
    return Device(
        id=role.id,
        home=role.node,
        name=role.name,
        kind=role.profile.kind,
        sensing=Sensing.MOBILE if role.mobile else Sensing.FIXED,
        category=role.profile.category,
        link=link,
        place=Place(
            lon=role.site.lon,
            lat=role.site.lat,
            source=PlaceSource.GPS if role.mobile else PlaceSource.SURVEY,
        ),
        area=role.site.area,
        owner=OWNER,
        tags=role.tags,
        key_point=role.key_point,
        maker=role.profile.maker,
        model=role.profile.model,
        capabilities=_capabilities(role.profile),
        points=points,
    )


def _reached(role: Role, node: NodePlan) -> tuple[Link, tuple[Point, ...]]:
    """Return how a device is reached, and its points with their addresses there."""
    if role.protocol is Wire.MQTT and node.mqtt is not None:
        root = node.mqtt.topic
        link = Link(
            protocol="mqtt",
            endpoint=f"mqtt://{node.mqtt.host}:{node.mqtt.port}",
            credential=node.mqtt.credential,
            profile=role.profile.name,
            address={
                "topic": f"{root}/telemetry",
                "command_topic": f"{root}/cmd",
                "reply_topic": f"{root}/cmd/reply",
                "status_topic": f"{root}/status",
                "time": "/ts",
                "time_format": "rfc3339",
            },
        )
        return link, _points(role.profile, lambda name: {"pointer": f"/{name}"})
    if role.protocol is Wire.MODBUS and node.modbus is not None:
        link = Link(
            protocol="modbus",
            endpoint=f"modbus+tcp://{node.modbus.host}:{node.modbus.port}",
            profile=role.profile.name,
            address={"unit": role.unit, "period": role.profile.every},
        )
        return link, _points(role.profile, _registers(role.profile), raw=True)
    if node.opcua is None:
        raise ValueError(f"node {node.name} does not speak {role.protocol}")
    server = node.opcua
    link = Link(
        protocol="opcua",
        endpoint=f"opc.tcp://{server.host}:{server.port}{server.path}",
        profile=role.profile.name,
        address={"security": "None"},
    )
    root = f"nsu={server.namespace};s={role.local}"
    return link, _points(role.profile, lambda name: {"node": f"{root}.{name}"})


def _registers(plan: ProfilePlan) -> Callable[[str], dict[str, Scalar]]:
    laid = cells(plan)

    def address(name: str) -> dict[str, Scalar]:
        cell = laid[name]
        found: dict[str, Scalar] = {"table": cell.table.value, "register": cell.register}
        if cell.type is not RawType.BOOL:
            found["type"] = cell.type.value
        if cell.width > 1:
            found["order"] = cell.order.value
        return found

    return address


def _citizens(plan: CitizenPlan) -> Device:
    lon, lat = seats(plan.area)[0]
    return Device(
        id=device_id(plan.node, plan.local),
        home=plan.node,
        name=plan.name,
        kind=DeviceKind.PLATFORM,
        sensing=Sensing.PASSIVE,
        category="report",
        link=Link(protocol="http", endpoint="http://push"),
        place=Place(lon=lon, lat=lat, source=PlaceSource.SURVEY),
        area=plan.area,
        owner=OWNER,
        maker="Ganzhi",
        model="simulated",
    )
