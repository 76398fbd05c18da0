"""Signing a browser in and out."""

from typing import Any

from litestar import Controller, Request, Response, delete, get, post
from litestar.datastructures import Cookie
from litestar.params import JSONBody
from msgspec import Struct

from gateway.api.errors import Problem
from gateway.api.gate import Gate, Refusal
from gateway.api.node import TheGate
from gateway.api.security import PUBLIC, address_of
from gateway.api.sessions import Identity


class SessionView(Struct, kw_only=True):
    """Whether a token is needed here, and whether this browser has shown one."""

    required: bool
    authenticated: bool
    name: str | None = None
    read_only: bool = False


class Login(Struct, kw_only=True, forbid_unknown_fields=True):
    """The token that a person typed in."""

    token: str


class SessionController(Controller):
    """`/session`: open to everybody, or nobody could sign in."""

    path = "/session"
    opt = PUBLIC
    tags = ("session",)

    @get(summary="Whether to sign in, and as whom one is")
    async def show(self, request: Request[Any, Any, Any], gate: TheGate) -> SessionView:
        found = gate.identify(address_of(request.scope), request.headers)
        known = found if isinstance(found, Identity) else None
        return SessionView(
            required=gate.settings.token_required,
            authenticated=known is not None,
            name=known.name if known else None,
            read_only=known.read_only if known else False,
        )

    @post(status_code=204, summary="Sign in with a token; answers with a cookie")
    async def sign_in(
        self, request: Request[Any, Any, Any], gate: TheGate, data: JSONBody[Login]
    ) -> Response[None]:
        found = gate.bearer(address_of(request.scope), data.token)
        if isinstance(found, Refusal):
            raise Problem.refusal(found)
        value = gate.sessions.open(found.name)
        return Response(
            None,
            status_code=204,
            cookies=[self._cookie(request, gate, value, int(gate.sessions.seconds))],
        )

    @delete(status_code=204, summary="Sign out")
    async def sign_out(self, request: Request[Any, Any, Any], gate: TheGate) -> Response[None]:
        gate.sessions.close(gate.cookie_value(request.headers))
        return Response(None, status_code=204, cookies=[self._cookie(request, gate, "", 0)])

    @staticmethod
    def _cookie(request: Request[Any, Any, Any], gate: Gate, value: str, seconds: int) -> Cookie:
        return Cookie(
            key=gate.cookie,
            value=value,
            max_age=seconds,
            httponly=True,
            secure=request.scope.get("scheme") == "https",
            samesite="strict",
            path="/",
        )
