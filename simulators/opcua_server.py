"""The simulated OPC UA devices of one node: a server with an object for each.

An object `<local>` has a variable `<local>.<point>` for each point and a method `<local>.Reset`,
which puts every writable variable back; all are text node ids in the scenario's namespace. A
dead device's variables read BadNoCommunication. Alone: `python -m simulators SCENARIO --only
opcua`.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.address_space import NodeData
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import BadNoCommunication, BadOutOfRange

from registry.model import SECOND, Time, Value, ValueType
from simulators.body import Body, Rejected
from simulators.failure import port_taken
from simulators.scenario import OpcuaPlan, PointPlan
from simulators.signals import uniform

log = logging.getLogger(__name__)

Setter = Callable[[NodeData, AttributeIds, ua.DataValue], None]

_TYPES: Final = {
    ValueType.FLOAT: ua.VariantType.Double,
    ValueType.INT: ua.VariantType.Int64,
    ValueType.BOOL: ua.VariantType.Boolean,
}


class Thing:
    """One body as an OPC UA object."""

    def __init__(self, server: Server, body: Body, now: Callable[[], Time]) -> None:
        self._server = server
        self._body = body
        self._now = now
        self._nodes: dict[str, Node] = {}

    async def build(self, namespace: int) -> None:
        """Add the object, its variables and its method to the server."""
        local = self._body.role.local
        shown = self._body.show(self._now())
        thing = await self._server.nodes.objects.add_object(
            _node_id(local, namespace), ua.QualifiedName(self._body.role.name, namespace)
        )
        for point in self._body.role.profile.points:
            node = await thing.add_variable(
                _node_id(f"{local}.{point.name}", namespace),
                ua.QualifiedName(point.name, namespace),
                shown[point.name],
                _TYPES[point.type],
            )
            if point.writable:
                await node.set_writable()
                self._server.set_attribute_value_setter(node.nodeid, self._setter(point))
            self._nodes[point.name] = node
        await thing.add_method(
            _node_id(f"{local}.Reset", namespace),
            ua.QualifiedName("Reset", namespace),
            self._reset,
            [],
            [ua.VariantType.Boolean],
        )

    async def refresh(self) -> None:
        """Write what the body shows now; a dead one shows bad quality."""
        now = self._now()
        stamp = _moment(now)
        if not self._body.alive(now):
            silence = ua.StatusCode(ua.UInt32(StatusCodes.BadNoCommunication))
            lost = ua.DataValue(StatusCode=silence, SourceTimestamp=stamp)
            for node in self._nodes.values():
                await self._server.write_attribute_value(node.nodeid, lost)
            return
        for name, shown in self._body.show(now).items():
            await self._write(name, shown, stamp)

    async def _write(self, name: str, shown: Value, stamp: ua.DateTime) -> None:
        point = next(p for p in self._body.role.profile.points if p.name == name)
        fresh = ua.DataValue(ua.Variant(shown, _TYPES[point.type]), SourceTimestamp=stamp)
        await self._server.write_attribute_value(self._nodes[name].nodeid, fresh)

    def _setter(self, point: PointPlan) -> Setter:
        def take(node: NodeData, attribute: AttributeIds, value: ua.DataValue) -> None:
            if value.Value is not None and value.Value.Value is not None:
                if not self._body.alive(self._now()):
                    raise BadNoCommunication
                try:
                    self._body.tell(point.name, value.Value.Value)
                except Rejected as rejection:
                    log.info("%s refuses: %s", self._body.role.local, rejection)
                    raise BadOutOfRange from rejection
            node.attributes[attribute].value = value

        return take

    async def _reset(self, parent: ua.NodeId) -> list[ua.Variant]:
        if not self._body.alive(self._now()):
            raise BadNoCommunication
        self._body.reset()
        await self.refresh()
        return [ua.Variant(True, ua.VariantType.Boolean)]


class OpcuaServer:
    """Plays the given bodies as objects of one server until cancelled."""

    def __init__(
        self, node: str, plan: OpcuaPlan, bodies: Sequence[Body], *, now: Callable[[], Time]
    ) -> None:
        self._node = node
        self._plan = plan
        self._bodies = bodies
        self._now = now

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            Failed: the port cannot be opened.
        """
        server = Server()
        await server.init()
        server.set_endpoint(f"opc.tcp://{self._plan.host}:{self._plan.port}{self._plan.path}")
        server.set_server_name("Ganzhi simulators")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        namespace = await server.register_namespace(self._plan.namespace)
        things = [Thing(server, body, self._now) for body in self._bodies]
        for thing in things:
            await thing.build(namespace)
        try:
            await server.start()
        except OSError as error:
            setting = f"opcua.port of node {self._node}"
            raise port_taken(self._plan.host, self._plan.port, setting, error) from error
        try:
            log.info("%d OPC UA devices on port %d", len(things), self._plan.port)
            async with asyncio.TaskGroup() as tasks:
                for i, (thing, body) in enumerate(zip(things, self._bodies, strict=True)):
                    every = body.role.profile.every
                    tasks.create_task(_play(thing, every, uniform(i, 1) * every))
        finally:
            await server.stop()


async def _play(thing: Thing, every: float, first: float) -> None:
    await asyncio.sleep(first)
    while True:
        await thing.refresh()
        await asyncio.sleep(every)


def _node_id(text: str, namespace: int) -> ua.NodeId:
    return ua.NodeId(ua.String(text), ua.Int16(namespace))


def _moment(now: Time) -> ua.DateTime:
    when = datetime.fromtimestamp(now / SECOND, UTC)
    return ua.DateTime.fromtimestamp(when.timestamp(), UTC)
