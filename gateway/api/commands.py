"""Commands to devices, and what became of them."""

import sqlite3
from collections.abc import Sequence
from typing import Annotated, Any

from litestar import Controller, Request, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct

from gateway.api.devices import existing
from gateway.api.errors import not_found
from gateway.api.node import Node
from gateway.api.security import identity_of
from gateway.api.times import stamp
from registry.model import SECOND, Command, OutcomeState, Scalar, Value, ulid
from registry.store import commands
from registry.store.commands import CommandRow


class CommandView(Struct, kw_only=True):
    """A command and where it stands."""

    id: str
    device: str
    action: str
    point: str
    value: Value | None
    state: OutcomeState
    detail: str
    asked_by: str
    asked: str
    deadline: str
    updated: str
    result: Value | None


class CommandsAnswer(Struct):
    items: list[CommandView]


class Order(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a device shall do."""

    action: Annotated[str, Meta(min_length=1, max_length=64, description="write, call ...")]
    point: Annotated[str, Meta(max_length=64)] = ""
    value: Value | None = None
    params: dict[str, Scalar] = {}
    deadline_s: Annotated[float, Meta(gt=0, le=3_600, description="Give up after.")] = 10.0


def command_view(row: CommandRow) -> CommandView:
    """Write a row for the API."""
    command, outcome = row.command, row.outcome
    return CommandView(
        id=command.id,
        device=command.device,
        action=command.action,
        point=command.point,
        value=command.value,
        state=row.state,
        detail=outcome.detail if outcome else "",
        asked_by=command.asked_by,
        asked=stamp(command.asked_time) or "",
        deadline=stamp(command.deadline) or "",
        updated=stamp(row.updated) or "",
        result=outcome.value if outcome else None,
    )


def command_views(conn: sqlite3.Connection, ids: Sequence[str]) -> list[CommandView]:
    """Return the commands that exist among `ids`."""
    rows = (commands.get(conn, command_id) for command_id in ids)
    return [command_view(row) for row in rows if row is not None]


class CommandsController(Controller):
    """`/devices/{id}/commands` and `/commands/{id}`."""

    tags = ("commands",)

    @get("/devices/{device_id:str}/commands", summary="A device's commands, newest first")
    async def of_device(
        self,
        node: Node,
        device_id: FromPath[str],
        limit: Annotated[int, QueryParameter(ge=1, le=1_000)] = 100,
        before: Annotated[
            str | None, QueryParameter(description="Last id of the page before.")
        ] = None,
    ) -> CommandsAnswer:
        await existing(node, device_id)
        rows = await node.read(
            lambda conn: commands.of_device(conn, device_id, limit=limit, before=before)
        )
        return CommandsAnswer([command_view(row) for row in rows])

    @post(
        "/devices/{device_id:str}/commands",
        status_code=202,
        summary="Give a command; it is stored, then carried out in the background",
    )
    async def give(
        self,
        request: Request[Any, Any, Any],
        node: Node,
        device_id: FromPath[str],
        data: JSONBody[Order],
    ) -> CommandView:
        await existing(node, device_id)
        now = node.now()
        command = Command(
            id=ulid(now),
            device=device_id,
            action=data.action,
            deadline=now + int(data.deadline_s * SECOND),
            asked_by=identity_of(request).name,
            asked_time=now,
            point=data.point,
            value=data.value,
            params=data.params,
        )
        await node.dispatch(command)
        return await self._load(node, command.id)

    @get("/commands/{command_id:str}", summary="A command and where it stands")
    async def show(self, node: Node, command_id: FromPath[str]) -> CommandView:
        return await self._load(node, command_id)

    @staticmethod
    async def _load(node: Node, command_id: str) -> CommandView:
        row = await node.read(lambda conn: commands.get(conn, command_id))
        if row is None:
            raise not_found("command", command_id)
        return command_view(row)
