"""The one shape of errors, and what becomes one."""

import logging
import re
import secrets
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.params import QueryParameter
from litestar.types import Scope
from msgspec import Struct

from gateway.api.gate import Refusal
from gateway.commit import StoreFailed
from registry.model import Faulty

log = logging.getLogger(__name__)

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MISSING: Final = re.compile(r"Missing required \w+ parameter '([^']+)'")
_CODES: Final = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
    503: "unavailable",
}


class ErrorField(Struct, kw_only=True):
    """One mistake in what was sent."""

    where: str
    message: str
    expected: str = ""


class ErrorBody(Struct, kw_only=True):
    """What went wrong, for a program (`code`) and for a person (`message`)."""

    code: str
    message: str
    request_id: str
    fields: list[ErrorField] = []


class ErrorAnswer(Struct, kw_only=True):
    """The body of every answer that is not a success."""

    error: ErrorBody


class Problem(HTTPException):
    """Raised by handlers; becomes an answer of the one shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        fields: list[ErrorField] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail=message, status_code=status, headers=headers)
        self.code = code or _CODES.get(status, "error")
        self.fields = fields or []

    @classmethod
    def refusal(cls, refusal: Refusal) -> "Problem":
        """Make a problem of the gate's refusal."""
        headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else {}
        if refusal.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return cls(refusal.status, refusal.message, code=refusal.code, headers=headers)

    @classmethod
    def bad(cls, where: str, message: str, expected: str = "") -> "Problem":
        """Make the 400 for one bad value."""
        field = ErrorField(where=where, message=message, expected=expected)
        return cls(400, f"{where}: {message}", fields=[field])


def not_found(what: str, name: str) -> Problem:
    """Make the 404 for a thing that is not there."""
    return Problem(404, f"There is no {what} {name!r} here.")


def request_id(scope: Scope) -> str:
    """Return the request's id: the caller's `X-Request-Id` if it is well formed, or a new one."""
    state: dict[str, Any] = scope["state"]
    known = state.get("request_id")
    if isinstance(known, str):
        return known
    given = next((v.decode("latin-1") for k, v in scope["headers"] if k == b"x-request-id"), "")
    made = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    state["request_id"] = made
    return made


def _answer(
    request: Request[Any, Any, Any],
    status: int,
    code: str,
    message: str,
    fields: list[ErrorField] | None = None,
    headers: dict[str, str] | None = None,
) -> Response[ErrorAnswer]:
    body = ErrorBody(
        code=code, message=message, request_id=request_id(request.scope), fields=fields or []
    )
    return Response(
        ErrorAnswer(error=body),
        status_code=status,
        headers=headers,
        media_type="application/json",
    )


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[ErrorAnswer]:
    """Answer for errors that handlers, guards and the framework raise."""
    status = error.status_code
    if isinstance(error, Problem):
        return _answer(request, status, error.code, error.detail, error.fields, error.headers)
    if isinstance(error, ValidationException):
        fields = _fields(error, request)
        message = "; ".join(f"{f.where}: {f.message}" for f in fields) or error.detail
        return _answer(request, 400, "bad_request", message, fields)
    if status >= 500:
        return on_crash(request, error)
    message = error.detail or "The request cannot be served."
    return _answer(request, status, _CODES.get(status, "error"), message, None, error.headers)


def _fields(error: ValidationException, request: Request[Any, Any, Any]) -> list[ErrorField]:
    """Say where a value does not fit, under the name that the caller used."""
    missing = _MISSING.match(error.detail)
    if missing:
        return [ErrorField(where=missing[1], message="is missing", expected="a value")]
    if not isinstance(error.extra, list):
        return []
    names = {}
    for name, field in request.route_handler.parsed_fn_signature.parameters.items():
        if isinstance(field.kwarg_definition, QueryParameter):
            names[name] = field.kwarg_definition.name or name
    return [
        ErrorField(where=names.get(key, key) or "body", message=str(item.get("message", "")))
        for item in error.extra
        if isinstance(item, dict)
        for key in (str(item.get("key", "")),)
    ]


def on_deep_body(request: Request[Any, Any, Any], _: RecursionError) -> Response[ErrorAnswer]:
    """Answer for JSON that is nested beyond what is read."""
    return _answer(request, 400, "bad_request", "The body is nested too deeply.")


def on_faulty(request: Request[Any, Any, Any], error: Faulty) -> Response[ErrorAnswer]:
    """Answer for input the node refused, with every mistake."""
    fields = [
        ErrorField(where=f.where, message=f.message, expected=f.expected) for f in error.faults
    ]
    return _answer(request, 400, "refused", str(error), fields)


def on_store_failed(request: Request[Any, Any, Any], error: StoreFailed) -> Response[ErrorAnswer]:
    """Answer when the disk or the database refused: nothing of the request is stored."""
    return _answer(request, 503, "not_stored", str(error), None, {"Retry-After": "5"})


def on_bad_body(
    request: Request[Any, Any, Any], error: msgspec.ValidationError
) -> Response[ErrorAnswer]:
    """Answer for a value that does not fit its type."""
    message, _, path = str(error).partition(" - at `")
    field = ErrorField(where=path.rstrip("`") or "body", message=message)
    return _answer(request, 400, "bad_request", str(error), [field])


def on_crash(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorAnswer]:
    """Answer for a mistake of our own: logged in full, told in brief."""
    number = request_id(request.scope)
    log.error("request %s failed", number, exc_info=error)
    return _answer(
        request, 500, "internal", "This is the node's fault; its log has more under this id."
    )
