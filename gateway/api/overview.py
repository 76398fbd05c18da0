"""The overview: counts, areas, and what did not fit."""

import sqlite3
from typing import Annotated

from litestar import Controller, get
from litestar.params import QueryParameter
from msgspec import Struct

from gateway.api.devices import AreaParameter, today
from gateway.api.node import LinkAnswer, Node, link_answer
from gateway.api.times import stamp
from registry.model import Area, DeviceKind, DeviceState, MisfitReason, Severity
from registry.store import areas, counters, misfits
from registry.store.summary import Summary, summary


class DeviceCounts(Struct, kw_only=True):
    """Devices by state; retired ones do not count."""

    total: int
    states: dict[DeviceState, int]


class KindCounts(Struct, kw_only=True):
    """Devices of one category and kind."""

    category: str
    kind: DeviceKind
    total: int
    online: int


class AreaCounts(Struct, kw_only=True):
    """Devices in an area and below."""

    code: str
    name: str
    name_en: str
    total: int
    online: int


class AlarmCounts(Struct, kw_only=True):
    """Open alarms."""

    open: int
    unacknowledged: int
    severities: dict[Severity, int]


class SummaryAnswer(Struct, kw_only=True):
    """The numbers of the wall screen."""

    devices: DeviceCounts
    kinds: list[KindCounts]
    areas: list[AreaCounts]
    alarms: AlarmCounts
    cascade: list[LinkAnswer]
    misfits: int
    readings_stored: int


class AreasAnswer(Struct):
    items: list[Area]


class MisfitView(Struct, kw_only=True):
    """Something that arrived and does not fit."""

    id: int
    time: str
    source: str
    device: str
    point: str
    reason: MisfitReason
    detail: str
    sample: str


class MisfitsAnswer(Struct):
    items: list[MisfitView]


class OverviewController(Controller):
    """`/summary`, `/areas`, `/misfits`."""

    tags = ("overview",)

    @get("/summary", summary="How many devices and alarms there are, and how they are")
    async def summary(self, node: Node, area: AreaParameter = None) -> SummaryAnswer:
        on = today(node.now())

        def query(conn: sqlite3.Connection) -> tuple[Summary, int, int]:
            counted = summary(conn, area, on=on)
            return counted, misfits.count(conn), counters.get(conn, "readings_stored")

        counted, odd, stored = await node.read(query)
        return _answer(counted, [link_answer(link) for link in node.cascade()], odd, stored)

    @get("/areas", summary="The areas that are valid today")
    async def areas(self, node: Node) -> AreasAnswer:
        on = today(node.now())
        return AreasAnswer(await node.read(lambda conn: areas.everything(conn, on=on)))

    @get("/misfits", summary="What arrived and did not fit, newest first")
    async def misfits(
        self,
        node: Node,
        limit: Annotated[int, QueryParameter(ge=1, le=1_000)] = 100,
        before: Annotated[
            int | None, QueryParameter(description="Last id of the page before.")
        ] = None,
    ) -> MisfitsAnswer:
        rows = await node.read(lambda conn: misfits.newest(conn, limit=limit, before=before))
        return MisfitsAnswer(
            [
                MisfitView(
                    id=number,
                    time=stamp(m.time) or "",
                    source=m.source,
                    device=m.device,
                    point=m.point,
                    reason=m.reason,
                    detail=m.detail,
                    sample=m.sample,
                )
                for number, m in rows
            ]
        )


def _answer(counted: Summary, cascade: list[LinkAnswer], odd: int, stored: int) -> SummaryAnswer:
    return SummaryAnswer(
        devices=DeviceCounts(total=counted.total, states=counted.states),
        kinds=[
            KindCounts(category=k.category, kind=k.kind, total=k.total, online=k.online)
            for k in counted.kinds
        ],
        areas=[
            AreaCounts(code=a.code, name=a.name, name_en=a.name_en, total=a.total, online=a.online)
            for a in counted.areas
        ],
        alarms=AlarmCounts(
            open=counted.open_alarms,
            unacknowledged=counted.unacknowledged,
            severities=counted.severities,
        ),
        cascade=cascade,
        misfits=odd,
        readings_stored=stored,
    )
