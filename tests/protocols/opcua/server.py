"""asyncua servers in processes of their own: `python -m tests.protocols.opcua.server SOCKET`.

Building the standard address space takes seconds, so one nursery process does it once and forks a
server for each connection to the Unix socket SOCKET. The connection's first line is JSON:
{"port": 4840, "nodes": {"Level": ["Double", 1.5]}, "shift": 0, "subscriptions": 100,
"users": {"name": "password"}, "certificate": "folder with server.der and server.pem"}; it is
answered by the server's process id. Nodes live in the namespace `urn:demo`, whose index is raised
by `shift`. Orders follow, one JSON line each, answered by "ok": {"set": {"Level": 2.5}},
{"status": {"Level": [code, value]}}, {"add": {"Other": ["Double", 1]}}. A server ends with its
connection, the nursery with its input.
"""

import asyncio
import gc
import json
import logging
import os
import select
import signal
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.methods import uamethod
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

_new_id: Any = ua.NodeId
_new_value: Any = ua.DataValue


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
    def __init__(self, server: Server, layout: dict[str, Any]) -> None:
        if "users" in layout:
            server.iserver.user_manager = _Users(layout["users"])
        self._server = server
        self._layout = layout
        self._nodes: dict[str, Any] = {}
        self._space = 0

    async def start(self) -> None:
        server, layout = self._server, self._layout
        server.set_endpoint(f"opc.tcp://127.0.0.1:{layout['port']}/demo")
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
            _new_id("Add", self._space),
            ua.QualifiedName("Add", self._space),
            _add,
            inputs,
            [_argument("sum")],
        )
        await server.start()

    async def add(self, name: str, kind: str, value: Any) -> None:
        node = await self._server.nodes.objects.add_variable(
            _new_id(name, self._space),
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
            await self._put(name, _new_value(_variant(kind, value), SourceTimestamp=now))
        for name, (code, value) in order.get("status", {}).items():
            kind = self._layout["nodes"][name][0]
            data = _new_value(
                _variant(kind, value), StatusCode=ua.StatusCode(code), SourceTimestamp=now
            )
            await self._put(name, data)
        for name, (kind, value) in order.get("add", {}).items():
            await self.add(name, kind, value)

    async def _put(self, name: str, data: ua.DataValue) -> None:
        await self._server.iserver.aspace.write_attribute_value(
            self._nodes[name].nodeid, AttributeIds.Value, data
        )


def _argument(name: str) -> ua.Argument:
    argument = ua.Argument()
    argument.Name = name
    argument.DataType = _new_id(ObjectIds.Double)
    argument.ValueRank = -1
    return argument


def _value(kind: str, value: Any) -> Any:
    if kind == "DateTime":
        return datetime.fromisoformat(value)
    return ua.LocalizedText(value) if kind == "LocalizedText" else value


def _variant(kind: str, value: Any) -> ua.Variant:
    return ua.Variant(_value(kind, value), ua.VariantType[kind])


async def _serve(server: Server, control: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=control, limit=1 << 20)
    plant = _Plant(server, json.loads(await reader.readline()))
    await plant.start()
    writer.write(b"%d\n" % os.getpid())
    while line := await reader.readline():
        await plant.obey(json.loads(line))
        writer.write(b"ok\n")


async def _made() -> Server:
    server = Server()
    await server.init()
    return server


def _nursery(path: str) -> None:
    logging.disable(logging.CRITICAL)
    server = asyncio.run(_made())
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            control, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                asyncio.run(_serve(server, control))
                os._exit(0)
            control.close()


if __name__ == "__main__":
    _nursery(sys.argv[1])
