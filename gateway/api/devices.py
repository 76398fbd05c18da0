"""Devices: lists for the map and the tables, and one device in full."""

import math
import sqlite3
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from litestar import Controller, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import Struct

from gateway.api.errors import Problem, not_found
from gateway.api.node import Node
from gateway.api.packing import PACKED, pack, packed_answer, wants_gzip
from gateway.api.times import stamp
from registry.model import (
    SECOND,
    Capability,
    Device,
    DeviceKind,
    DeviceState,
    Lifecycle,
    Severity,
    Time,
    Value,
)
from registry.store import areas, devices, search, twin
from registry.store.devices import StoredDevice
from registry.store.search import DeviceFilter, DeviceRow, Headline

QUALITIES: Final = ("good", "uncertain", "bad")


class HeadlineView(Struct, kw_only=True):
    """The live value of a device's first point."""

    point: str
    title: str
    value: Value | None
    unit: str
    quality: str
    time: str


class DeviceView(Struct, kw_only=True):
    """A device in a list; `alarm` is the worst open one, `metres` the distance from `near`."""

    id: str
    name: str
    kind: str
    category: str
    sensing: str
    home: str
    area: str | None
    lon: float | None
    lat: float | None
    key_point: bool
    lifecycle: str
    protocol: str | None
    state: DeviceState
    since: str | None
    cause: str
    last_seen: str | None
    alarm: Severity | None
    headline: HeadlineView | None
    metres: float | None = None


class DevicesAnswer(Struct, kw_only=True):
    """One page; `next` goes into `after` for the page behind it."""

    items: list[DeviceView]
    next: str | None


class StatusView(Struct, kw_only=True):
    """How a device is."""

    state: DeviceState
    since: str | None
    cause: str
    source: str
    last_seen: str | None


class AreaStep(Struct, kw_only=True):
    """One area on the way from the province to a device."""

    code: str
    name: str
    name_en: str


class DeviceAnswer(Struct, kw_only=True):
    """A device in full; `path` are the nodes from this one to the device's home."""

    device: Device
    status: StatusView
    area_path: list[AreaStep]
    commandable: bool
    path: list[str]


def today(now: Time) -> str:
    """Return the ISO date of a moment, UTC."""
    return datetime.fromtimestamp(now // SECOND, UTC).date().isoformat()


def device_view(row: DeviceRow) -> DeviceView:
    """Write a row for the API."""
    return DeviceView(
        id=row.id,
        name=row.name,
        kind=row.kind,
        category=row.category,
        sensing=row.sensing,
        home=row.home,
        area=row.area,
        lon=row.lon,
        lat=row.lat,
        key_point=row.key_point,
        lifecycle=row.lifecycle,
        protocol=row.protocol,
        state=row.state,
        since=stamp(row.since),
        cause=row.cause,
        last_seen=stamp(row.last_seen),
        alarm=row.alarm,
        headline=_headline(row.headline) if row.headline else None,
        metres=row.metres,
    )


def _headline(found: Headline) -> HeadlineView:
    return HeadlineView(
        point=found.point,
        title=found.title,
        value=found.value,
        unit=found.unit,
        quality=QUALITIES[found.quality],
        time=stamp(found.time) or "",
    )


def _numbers(where: str, text: str, expected: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise Problem.bad(where, f"{text!r} holds something else than numbers", expected) from error
    if len(numbers) != expected.count(",") + 1 or not all(math.isfinite(n) for n in numbers):
        raise Problem.bad(where, f"{text!r} does not fit", expected)
    return numbers


def parse_bbox(text: str) -> tuple[float, float, float, float]:
    """Read `west,south,east,north` in degrees.

    Raises:
        Problem: it is none, or holds nothing.
    """
    west, south, east, north = _numbers("bbox", text, "west,south,east,north")
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise Problem.bad("bbox", f"{text!r} is no box", "west <= east and south <= north")
    return west, south, east, north


def parse_near(text: str) -> tuple[float, float]:
    """Read `lon,lat` in degrees.

    Raises:
        Problem: it is no place.
    """
    lon, lat = _numbers("near", text, "lon,lat")
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise Problem.bad("near", f"{text!r} is no place", "degrees, longitude first")
    return lon, lat


def parse_code(text: str) -> tuple[str, str]:
    """Read `scheme:value`.

    Raises:
        Problem: one of the two is missing.
    """
    scheme, _, value = text.partition(":")
    if not scheme or not value:
        raise Problem.bad("code", f"{text!r} is no code", "scheme:value, e.g. asset:A-17")
    return scheme, value


AreaParameter = Annotated[
    str | None,
    QueryParameter(
        pattern=r"^(\d{6}|\d{9}|\d{12})$", description="Area code; holds for all below it."
    ),
]
Limit = Annotated[int, QueryParameter(ge=1, le=10_000, description="Rows of one page.")]
After = Annotated[str | None, QueryParameter(description="`next` of the page before.")]


class DevicesController(Controller):
    """`/devices`."""

    path = "/devices"
    tags = ("devices",)

    @get(
        summary="Search devices",
        opt=PACKED,
        responses={
            200: ResponseSpec(DevicesAnswer, description="One page", generate_examples=False)
        },
    )
    async def find(
        self,
        request: Request[Any, Any, Any],
        node: Node,
        bbox: Annotated[str | None, QueryParameter(description="west,south,east,north")] = None,
        near: Annotated[
            str | None, QueryParameter(description="lon,lat; nearest first, within `radius`")
        ] = None,
        radius: Annotated[float, QueryParameter(gt=0, le=100_000, description="Metres.")] = 1_000.0,
        area: AreaParameter = None,
        kind: FromQuery[DeviceKind | None] = None,
        category: FromQuery[str | None] = None,
        device_state: Annotated[DeviceState | None, QueryParameter(name="state")] = None,
        home: Annotated[
            str | None, QueryParameter(description="Node that owns the device.")
        ] = None,
        tag: FromQuery[str | None] = None,
        key_point: FromQuery[bool | None] = None,
        lifecycle: FromQuery[Lifecycle | None] = None,
        q: Annotated[
            str | None, QueryParameter(max_length=200, description="Part of an id, name or code.")
        ] = None,
        code: Annotated[str | None, QueryParameter(description="scheme:value")] = None,
        limit: Limit = 1_000,
        after: After = None,
    ) -> Response[Any]:
        wanted = DeviceFilter(
            bbox=parse_bbox(bbox) if bbox is not None else None,
            near=parse_near(near) if near is not None else None,
            radius=radius,
            area=area,
            kind=kind,
            category=category,
            state=device_state,
            home=home,
            tag=tag,
            key_point=key_point,
            lifecycle=lifecycle,
            q=q,
            code=parse_code(code) if code is not None else None,
        )
        gzip = wants_gzip(request)

        def query(conn: sqlite3.Connection) -> tuple[bytes, bool]:
            page = search.search(conn, wanted, limit=limit, after=after)
            items = [device_view(row) for row in page.items]
            return pack(DevicesAnswer(items=items, next=page.next), gzip=gzip)

        return packed_answer(*await node.read(query))

    @get("/{device_id:str}", summary="One device in full")
    async def show(self, node: Node, device_id: FromPath[str]) -> DeviceAnswer:
        on = today(node.now())

        def query(conn: sqlite3.Connection) -> DeviceAnswer | None:
            stored = devices.get(conn, device_id)
            return None if stored is None else _answer(conn, stored, node.name, on)

        found = await node.read(query)
        if found is None:
            raise not_found("device", device_id)
        return found


def _answer(conn: sqlite3.Connection, stored: StoredDevice, here: str, on: str) -> DeviceAnswer:
    device = stored.device
    state = twin.state(conn, device.id)
    steps = areas.path(conn, device.area, on=on) if device.area else []
    live = device.lifecycle is not Lifecycle.RETIRED
    return DeviceAnswer(
        device=device,
        status=StatusView(
            state=state.state if state else DeviceState.UNKNOWN,
            since=stamp(state.since) if state else None,
            cause=state.cause if state else "",
            source=state.source if state else "",
            last_seen=stamp(state.last_seen) if state else None,
        ),
        area_path=[AreaStep(code=a.code, name=a.name, name_en=a.name_en) for a in steps],
        commandable=live and Capability.COMMAND in device.capabilities,
        path=_path(here, stored.via, device.home),
    )


def _path(here: str, via: str | None, home: str) -> list[str]:
    steps = [here]
    for step in (via, home):
        if step is not None and step not in steps:
            steps.append(step)
    return steps


async def existing(node: Node, device_id: str) -> StoredDevice:
    """Return a device.

    Raises:
        Problem: 404, there is none with this id.
    """
    found = await node.read(lambda conn: devices.get(conn, device_id))
    if found is None:
        raise not_found("device", device_id)
    return found
