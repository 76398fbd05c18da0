"""Live changes as Server-Sent Events."""

import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Final

import msgspec
from litestar import Controller, Request, get
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream
from msgspec import Struct

from gateway.api.alarms import AlarmView, alarm_view
from gateway.api.changelog import ChangeLog, Entry, Reset
from gateway.api.commands import CommandView, command_views
from gateway.api.devices import QUALITIES
from gateway.api.errors import Problem
from gateway.api.node import Node
from gateway.api.packing import PACKED
from gateway.api.ports import NodePort
from gateway.api.times import stamp
from registry.model import DeviceState, Value, to_rfc3339
from registry.store import alarms

TOPICS: Final = ("status", "latest", "alarms", "moved", "devices", "outcomes")
IDLE: Final = 15.0
"""Seconds of silence after which a `ping` event tells that the stream is alive."""

_ENCODER: Final = msgspec.json.Encoder()
_EMPTY: Final = b"[]"


class Hello(Struct, kw_only=True):
    """First event of a stream: `last` is the number of the newest entry."""

    generation: str
    now: str
    last: int


class StatusPart(Struct, kw_only=True):
    """A device took a state."""

    device: str
    state: DeviceState
    since: str | None
    cause: str


class LatestPart(Struct, kw_only=True):
    """A point has a new value."""

    device: str
    point: str
    value: Value | None
    quality: str
    time: str | None


class MovedPart(Struct, kw_only=True):
    """A device is somewhere else."""

    device: str
    lon: float
    lat: float
    time: str | None


class ChangesPart(Struct, kw_only=True):
    """The data of a `changes` event; `devices` are ids whose entry is to be fetched again."""

    status: list[StatusPart]
    latest: list[LatestPart]
    alarms: list[AlarmView]
    moved: list[MovedPart]
    devices: list[str]
    outcomes: list[CommandView]


def encode_event(name: str, data: bytes, event_id: str = "") -> bytes:
    """Frame one event; `data` is JSON as msgspec writes it, on one line."""
    head = f"id: {event_id}\nevent: {name}\ndata: " if event_id else f"event: {name}\ndata: "
    return head.encode() + data + b"\n\n"


async def _parts(node: NodePort, entry: Entry, topics: Sequence[str]) -> dict[str, bytes]:
    """Encode the topics of an entry, each once for all subscribers."""
    missing = [topic for topic in topics if topic not in entry.rendered]
    for topic in missing:
        if topic not in ("alarms", "outcomes"):
            entry.rendered[topic] = _plain(entry, topic)
    if ("alarms" in missing and entry.alarms) or ("outcomes" in missing and entry.outcomes):
        entry.rendered |= await node.read(lambda conn: _stored(conn, entry))
    return {topic: entry.rendered.get(topic, _EMPTY) for topic in topics}


def _plain(entry: Entry, topic: str) -> bytes:
    match topic:
        case "status":
            return _ENCODER.encode(
                [
                    StatusPart(device=d, state=DeviceState(s), since=stamp(t), cause=c)
                    for d, s, t, c in entry.status
                ]
            )
        case "latest":
            return _ENCODER.encode(
                [
                    LatestPart(device=d, point=p, value=v, quality=QUALITIES[q], time=stamp(t))
                    for d, p, v, q, t in entry.latest
                ]
            )
        case "moved":
            return _ENCODER.encode(
                [MovedPart(device=d, lon=x, lat=y, time=stamp(t)) for d, x, y, t in entry.moved]
            )
        case _:
            return _ENCODER.encode(entry.devices)


def _stored(conn: sqlite3.Connection, entry: Entry) -> dict[str, bytes]:
    rows = (alarms.get_row(conn, alarm_id) for alarm_id in entry.alarms)
    found = [alarm_view(row) for row in rows if row is not None]
    return {
        "alarms": _ENCODER.encode(found),
        "outcomes": _ENCODER.encode(command_views(conn, entry.outcomes)),
    }


async def changes_event(node: NodePort, entry: Entry, topics: Sequence[str]) -> bytes | None:
    """Write an entry as a `changes` event; None when none of `topics` is in it."""
    parts = await _parts(node, entry, topics)
    if all(part == _EMPTY for part in parts.values()):
        return None
    fields = [b'"%s":%s' % (topic.encode(), parts.get(topic, _EMPTY)) for topic in TOPICS]
    event_id = node.changes.event_id(entry.number)
    return encode_event("changes", b"{" + b",".join(fields) + b"}", event_id)


async def _events(
    node: NodePort, last_event_id: str | None, topics: Sequence[str], idle: float
) -> AsyncGenerator[bytes, None]:
    changes: ChangeLog = node.changes
    seen = changes.resume(last_event_id)
    hello = Hello(generation=changes.generation, now=to_rfc3339(node.now()), last=changes.last)
    fresh = changes.event_id(changes.last) if last_event_id is None else ""
    yield encode_event("hello", _ENCODER.encode(hello), fresh)
    async with aclosing(changes.subscribe(seen, idle=idle)) as entries:
        async for entry in entries:
            if entry is None:
                yield encode_event("ping", b"{}")
            elif isinstance(entry, Reset):
                yield encode_event("reset", b"{}", changes.event_id(entry.last))
            elif event := await changes_event(node, entry, topics):
                yield event


def _topics(text: str | None) -> tuple[str, ...]:
    if text is None:
        return TOPICS
    asked = tuple(dict.fromkeys(text.split(",")))
    for topic in asked:
        if topic not in TOPICS:
            raise Problem.bad("topics", f"unknown topic {topic!r}", ",".join(TOPICS))
    return asked


class StreamController(Controller):
    """`/stream`."""

    tags = ("stream",)

    @get(
        "/stream",
        opt=PACKED,
        summary="Live changes as Server-Sent Events: hello, changes, reset, ping",
        media_type="text/event-stream",
    )
    async def follow(
        self,
        request: Request[Any, Any, Any],
        node: Node,
        topics: Annotated[
            str | None, QueryParameter(description="Comma-separated; without it everything.")
        ] = None,
        last_event_id: Annotated[
            str | None,
            HeaderParameter(name="Last-Event-ID", description="Go on behind this event."),
        ] = None,
    ) -> Stream:
        wanted = _topics(topics)
        if node.changes.subscribers >= request.app.state.max_streams:
            raise Problem(
                503,
                "Too many screens follow this node already (api.max_streams).",
                headers={"Retry-After": "10"},
            )
        return Stream(
            _events(node, last_event_id, wanted, request.app.state.stream_idle),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )
