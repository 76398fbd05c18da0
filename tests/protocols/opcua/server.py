"""An asyncua server in a process of its own: `python -m tests.protocols.opcua.server PORT LAYOUT`.

LAYOUT is JSON: {"nodes": {"Level": ["Double", 1.5]}, "shift": 0, "subscriptions": 100,
"users": {"name": "password"}, "security": ["folder with server.der/server.pem", ...]}.
Nodes live in the namespace `urn:demo`, whose index is raised by `shift`. Commands come on standard
input as JSON lines: {"set": {"Level": 2.5}}, {"bad": ["Level", 2157248512]},
{"type": ["Level", "String", "x"]}, {"add": ...}; each is answered by "ok".
"""

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua import Server, ua, uamethod
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager


class _Users(UserManager):
    def __init__(self, users: dict[str, str]) -> None:
        self._users = users

    def get_user(
        self,
        iserver: Any,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,
    ) -> User | None:
        if username is None or self._users.get(username) != password:
            return None
        return User(role=UserRole.Admin, name=username)


@uamethod
def _add(_parent: ua.NodeId, a: float, b: float) -> float:
    return a + b


class _Plant:
    def __init__(self, port: int, layout: dict[str, Any]) -> None:
        users = layout.get("users")
        self._server = Server(user_manager=_Users(users) if users else None)
        self._layout = layout
        self._port = port
        self._nodes: dict[str, Any] = {}
        self._space = 0

    async def start(self) -> None:
        server, layout = self._server, self._layout
        await server.init()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{self._port}/demo")
        server.iserver.max_subscriptions = layout.get("subscriptions", 100)
        policies = [ua.SecurityPolicyType.NoSecurity]
        if "certificate" in layout:
            folder = Path(layout["certificate"])
            policies = [
                ua.SecurityPolicyType.Basic256Sha256_Sign,
                ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
            ]
            await server.load_certificate(str(folder / "server.der"))
            await server.load_private_key(str(folder / "server.pem"))
        server.set_security_policy(policies)
        for n in range(layout.get("shift", 0)):
            await server.register_namespace(f"urn:other:{n}")
        self._space = await server.register_namespace("urn:demo")
        for name, (kind, value) in layout["nodes"].items():
            await self.add(name, kind, value)
        objects = server.nodes.objects
        inputs = [_argument("a"), _argument("b")]
        await objects.add_method(
            ua.NodeId("Add", self._space),
            ua.QualifiedName("Add", self._space),
            _add,
            inputs,
            [_argument("sum")],
        )
        await server.start()

    async def add(self, name: str, kind: str, value: Any) -> None:
        node = await self._server.nodes.objects.add_variable(
            ua.NodeId(name, self._space),
            ua.QualifiedName(name, self._space),
            _value(kind, value),
            ua.VariantType[kind],
        )
        if not name.startswith("Fixed"):
            await node.set_writable()
        self._nodes[name] = node

    async def obey(self, order: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        for name, value in order.get("set", {}).items():
            kind = self._layout["nodes"][name][0]
            await self._put(name, ua.DataValue(_variant(kind, value), SourceTimestamp=now))
        for name, (code, value) in order.get("status", {}).items():
            kind = self._layout["nodes"][name][0]
            data = ua.DataValue(
                _variant(kind, value), StatusCode=ua.StatusCode(code), SourceTimestamp=now
            )
            await self._put(name, data)
        for name, (kind, value) in order.get("type", {}).items():
            await self._put(name, ua.DataValue(_variant(kind, value), SourceTimestamp=now))
        for name, (kind, value) in order.get("add", {}).items():
            await self.add(name, kind, value)

    async def _put(self, name: str, data: ua.DataValue) -> None:
        await self._server.iserver.aspace.write_attribute_value(
            self._nodes[name].nodeid, ua.AttributeIds.Value, data
        )


def _argument(name: str) -> ua.Argument:
    argument = ua.Argument()
    argument.Name = name
    argument.DataType = ua.NodeId(ua.ObjectIds.Double)
    argument.ValueRank = -1
    return argument


def _value(kind: str, value: Any) -> Any:
    if kind == "DateTime":
        return datetime.fromisoformat(value)
    return ua.LocalizedText(value) if kind == "LocalizedText" else value


def _variant(kind: str, value: Any) -> ua.Variant:
    return ua.Variant(_value(kind, value), ua.VariantType[kind])


async def _main(port: int, layout: dict[str, Any]) -> None:
    logging.disable(logging.CRITICAL)
    plant = _Plant(port, layout)
    await plant.start()
    print("ready", flush=True)
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        await plant.obey(json.loads(line))
        print("ok", flush=True)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), json.loads(sys.argv[2])))
