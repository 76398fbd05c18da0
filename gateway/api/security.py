"""The gate as middleware, and the headers every answer carries."""

from collections.abc import Mapping
from typing import Any, Final, cast

from litestar.connection import ASGIConnection
from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.params import CookieParameter, HeaderParameter, QueryParameter
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.errors import Problem, request_id
from gateway.api.gate import SAFE, Gate, Refusal
from gateway.api.sessions import Identity

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:;"
    " worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; connect-src 'self';"
    " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
}
PUBLIC: Final = {"public": True}
"""The `opt` of handlers that answer without knowing who asks."""


class GateMiddleware(ASGIMiddleware):
    """Lets a request through, or raises a `Problem`."""

    scopes = (ScopeType.HTTP, ScopeType.WEBSOCKET)

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        headers: Mapping[str, str] = Headers.from_scope(scope)
        method = str(scope.get("method", "GET"))
        # A WebSocket is opened by GET but is no harmless reading: its origin counts.
        refusal = self._gate.foreign(
            "POST" if scope["type"] == ScopeType.WEBSOCKET else method, headers
        )
        if refusal is not None:
            raise Problem.refusal(refusal)
        handler = cast(BaseRouteHandler, scope["route_handler"])
        if not handler.opt.get("public", False):
            scope["state"]["identity"] = self._known(scope, method, headers)
        await next_app(scope, receive, send)

    def _known(self, scope: Scope, method: str, headers: Mapping[str, str]) -> Identity:
        found = self._gate.identify(address_of(scope), headers)
        if isinstance(found, Refusal):
            raise Problem.refusal(found)
        if found is None:
            raise Problem.refusal(
                Refusal(
                    status=401,
                    code="unauthenticated",
                    message="Sign in, or send a token as `Authorization: Bearer <token>`.",
                )
            )
        if found.read_only and method not in SAFE:
            raise Problem(403, f"The token {found.name!r} may look but change nothing.")
        return found


def address_of(scope: Scope) -> str:
    """Return the peer's address, empty when unknown."""
    client = scope.get("client")
    return client[0] if client else ""


def identity_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Identity:
    """Return who makes this request; the gate has put it there."""
    return cast(Identity, connection.scope["state"]["identity"])


async def add_headers(message: Message, scope: Scope) -> None:
    """Put the security headers and the request id on an answer (`before_send`)."""
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")
    headers["X-Request-Id"] = request_id(scope)
    if scope.get("scheme") == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000"


class KnownParameters:
    """A guard that refuses query parameters the handler does not declare."""

    def __init__(self) -> None:
        self._allowed: dict[str, frozenset[str]] = {}

    def __call__(
        self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
    ) -> None:
        given = connection.query_params.keys()
        if not given or handler.opt.get("public", False):
            return
        allowed = self._allowed.get(handler.handler_id)
        if allowed is None:
            allowed = self._allowed[handler.handler_id] = _declared(handler)
        unknown = sorted(set(given) - allowed)
        if unknown:
            expected = ", ".join(sorted(allowed)) or "no parameters"
            raise Problem.bad(unknown[0], "unknown query parameter", expected)


def _declared(handler: BaseRouteHandler) -> frozenset[str]:
    injected = {"data", "request", "state", "scope", "self", *handler.resolve_dependencies()}
    names = set()
    for name, field in handler.parsed_fn_signature.parameters.items():
        definition = field.kwarg_definition
        if name in injected or isinstance(definition, HeaderParameter | CookieParameter):
            continue
        named = definition.name if isinstance(definition, QueryParameter) else None
        names.add(named or name)
    return frozenset(names)
