"""Alarms: what is wrong, and who took note of it."""

import sqlite3
from typing import Annotated, Any, Final

from litestar import Controller, Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta, Struct

from gateway.api.devices import After, AreaParameter, Limit
from gateway.api.errors import Problem, not_found
from gateway.api.node import Node
from gateway.api.packing import PACKED, pack, packed_answer, wants_gzip
from gateway.api.security import identity_of
from gateway.api.times import parse_time, stamp
from registry.model import SECOND, Acknowledgement, AlarmState, Severity, Value
from registry.store import alarms
from registry.store.alarms import AlarmFilter, AlarmRow

_MAX_BINS: Final = 2_000


class AcknowledgementView(Struct, kw_only=True):
    """Who took note of an alarm."""

    by: str
    time: str
    comment: str


class AlarmView(Struct, kw_only=True):
    """One alarm as it stands, with what a list shows beside it."""

    id: str
    device: str
    device_name: str
    area: str | None
    area_name: str
    lon: float | None
    lat: float | None
    point: str
    type: str
    severity: Severity
    state: AlarmState
    message: str
    value: Value | None
    unit: str
    limit: float | None
    count: int
    reopened: int
    raised: str
    updated: str
    cleared: str | None
    acknowledged: AcknowledgementView | None
    source: str
    rule: str


class AlarmsAnswer(Struct, kw_only=True):
    """One page, newest first; `next` goes into `after` for the page behind it."""

    items: list[AlarmView]
    next: str | None


class HistogramBin(Struct, kw_only=True):
    """Alarms raised within one step."""

    critical: int
    major: int
    minor: int
    notice: int


class HistogramAnswer(Struct, kw_only=True):
    """Alarms by the time of raising: steps of `step_s` seconds from `start`."""

    start: str
    step_s: int
    items: list[HistogramBin]


class Comment(Struct, kw_only=True, forbid_unknown_fields=True):
    """What the person who acknowledges has to say."""

    comment: Annotated[str, Meta(max_length=2_000)] = ""


def alarm_view(row: AlarmRow) -> AlarmView:
    """Write a row for the API."""
    alarm, noted = row.alarm, row.alarm.acknowledged
    return AlarmView(
        id=alarm.id,
        device=alarm.device,
        device_name=row.device_name,
        area=row.area,
        area_name=row.area_name,
        lon=row.lon,
        lat=row.lat,
        point=alarm.point,
        type=alarm.type,
        severity=alarm.severity,
        state=alarm.state,
        message=alarm.message,
        value=alarm.value,
        unit=row.unit,
        limit=alarm.limit,
        count=alarm.count,
        reopened=alarm.reopened,
        raised=stamp(alarm.raised_time) or "",
        updated=stamp(alarm.updated_time) or "",
        cleared=stamp(alarm.cleared_time),
        acknowledged=AcknowledgementView(
            by=noted.by, time=stamp(noted.time) or "", comment=noted.comment
        )
        if noted is not None
        else None,
        source=alarm.source,
        rule=alarm.rule,
    )


async def load(node: Node, alarm_id: str) -> AlarmView:
    """Return one alarm.

    Raises:
        Problem: 404, there is none with this id.
    """
    row = await node.read(lambda conn: alarms.get_row(conn, alarm_id))
    if row is None:
        raise not_found("alarm", alarm_id)
    return alarm_view(row)


class AlarmsController(Controller):
    """`/alarms`."""

    path = "/alarms"
    tags = ("alarms",)

    @get(
        summary="Search alarms, newest first",
        opt=PACKED,
        responses={
            200: ResponseSpec(AlarmsAnswer, description="One page", generate_examples=False)
        },
    )
    async def find(
        self,
        request: Request[Any, Any, Any],
        node: Node,
        is_open: Annotated[bool | None, QueryParameter(name="open")] = None,
        severity: FromQuery[Severity | None] = None,
        device: FromQuery[str | None] = None,
        type_: Annotated[str | None, QueryParameter(name="type")] = None,
        area: AreaParameter = None,
        acknowledged: FromQuery[bool | None] = None,
        since: Annotated[str | None, QueryParameter(description="Raised then or later.")] = None,
        until: Annotated[str | None, QueryParameter(description="Raised before.")] = None,
        limit: Limit = 1_000,
        after: After = None,
    ) -> Response[Any]:
        wanted = AlarmFilter(
            open=is_open,
            severity=severity,
            device=device,
            type=type_,
            area=area,
            acknowledged=acknowledged,
            since=parse_time("since", since) if since is not None else None,
            until=parse_time("until", until) if until is not None else None,
        )
        gzip = wants_gzip(request)

        def query(conn: sqlite3.Connection) -> tuple[bytes, bool]:
            page = alarms.search(conn, wanted, limit=limit, after=after)
            items = [alarm_view(row) for row in page.items]
            return pack(AlarmsAnswer(items=items, next=page.next), gzip=gzip)

        return packed_answer(*await node.read(query))

    @get("/histogram", summary="How many alarms were raised, over time")
    async def histogram(
        self,
        node: Node,
        hours: Annotated[int, QueryParameter(ge=1, le=24 * 31)] = 24,
        step: Annotated[int, QueryParameter(ge=60, le=86_400, description="Seconds.")] = 900,
        area: AreaParameter = None,
    ) -> HistogramAnswer:
        bins = -(-hours * 3_600 // step)
        if bins > _MAX_BINS:
            raise Problem.bad("step", f"{bins} steps are too many", f"at most {_MAX_BINS}")
        width = step * SECOND
        start = (node.now() // width + 1 - bins) * width
        wanted = AlarmFilter(area=area)
        counts = await node.read(lambda conn: alarms.histogram(conn, start, width, bins, wanted))
        return HistogramAnswer(
            start=stamp(start) or "",
            step_s=step,
            items=[HistogramBin(**{s.value: n for s, n in found.items()}) for found in counts],
        )

    @get("/{alarm_id:str}", summary="One alarm")
    async def show(self, node: Node, alarm_id: FromPath[str]) -> AlarmView:
        return await load(node, alarm_id)

    @post(
        "/{alarm_id:str}/acknowledge",
        status_code=200,
        summary="Take note of an alarm; the first one to do so stands",
    )
    async def acknowledge(
        self,
        request: Request[Any, Any, Any],
        node: Node,
        alarm_id: FromPath[str],
        data: JSONBody[Comment],
    ) -> AlarmView:
        noted = Acknowledgement(
            by=identity_of(request).name, time=node.now(), comment=data.comment.strip()
        )
        if await node.acknowledge(alarm_id, noted) is None:
            raise not_found("alarm", alarm_id)
        return await load(node, alarm_id)
