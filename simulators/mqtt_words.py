"""What the simulated MQTT sensors say and understand: topics and JSON, without a connection."""

import msgspec
from msgspec import Struct

from registry.model import Time, to_rfc3339
from registry.model.reading import Value
from simulators.body import Body, Rejected


class Topics(Struct, frozen=True):
    """The topics of one sensor."""

    telemetry: str
    status: str
    command: str
    reply: str


class Order(Struct, frozen=True):
    """A command: set `point` to `value`."""

    id: str
    point: str
    value: Value


def topics(template: str, local: str) -> Topics:
    """Return a sensor's topics; `{local}` in the template becomes its local name."""
    root = template.replace("{local}", local)
    return Topics(f"{root}/telemetry", f"{root}/status", f"{root}/cmd", f"{root}/cmd/reply")


def telemetry(body: Body, now: Time) -> bytes:
    """Return one message of all points: `{"ts": RFC 3339, point: value, ...}`."""
    return msgspec.json.encode({"ts": to_rfc3339(now), **body.show(now)})


def answer(body: Body, payload: bytes) -> tuple[bytes, bool]:
    """Carry out a command and return the reply, and whether anything was done.

    The reply is `{"id", "ok", "detail", "value"}`; a message without a readable id gets id "".
    """
    try:
        order = msgspec.json.decode(payload, type=Order)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _reply(_id_of(payload), ok=False, detail=f"unreadable command: {error}"), False
    try:
        taken = body.tell(order.point, order.value)
    except Rejected as rejection:
        return _reply(order.id, ok=False, detail=str(rejection)), False
    return _reply(order.id, ok=True, detail="", value=taken), True


def _reply(order: str, *, ok: bool, detail: str, value: Value | None = None) -> bytes:
    return msgspec.json.encode({"id": order, "ok": ok, "detail": detail, "value": value})


def _id_of(payload: bytes) -> str:
    try:
        data = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    found = data.get("id") if isinstance(data, dict) else None
    return found if isinstance(found, str) else ""
