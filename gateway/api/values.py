"""What a device measures: live values, history, and the states it went through."""

import sqlite3
from typing import Annotated, Final

from litestar import Controller, get
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import Struct

from edge_ai.threshold import applies
from gateway.api.devices import QUALITIES, existing
from gateway.api.errors import Problem, not_found
from gateway.api.node import Node
from gateway.api.times import parse_range, stamp
from registry.model import (
    DAY,
    MILLISECOND,
    MINUTE,
    SECOND,
    Comparison,
    Device,
    DeviceState,
    Point,
    Severity,
    ThresholdRule,
    Time,
    Value,
    ValueType,
)
from registry.store import devices, rules, twin
from registry.store.twin import LatestRow, StateRow

_STALE_AFTER: Final = 3
_STALE_SLACK: Final = 5 * SECOND
_LONGEST: Final = 400 * DAY


class LimitView(Struct, kw_only=True):
    """A threshold at which a value becomes an alarm."""

    severity: Severity
    comparison: Comparison
    limit: float
    title: str


class LatestView(Struct, kw_only=True):
    """The live value of one point; `stale` when more should have come since."""

    point: str
    title: str
    unit: str
    type: ValueType
    value: Value | None
    quality: str
    reason: str
    time: str
    received: str
    stale: bool
    writable: bool
    limits: list[LimitView]


class LatestAnswer(Struct):
    items: list[LatestView]


class HistoryAnswer(Struct, kw_only=True):
    """Columns of equal length: `t` in milliseconds since 1970, `q` 0 good, 1 uncertain, 2 bad."""

    point: str
    unit: str
    type: ValueType
    t: list[int]
    v: list[Value | None]
    q: list[int]
    aggregated: bool
    min: list[Value | None] | None
    max: list[Value | None] | None


class StateView(Struct, kw_only=True):
    """A state a device took; it lasts until the next one."""

    state: DeviceState
    since: str
    cause: str


class StatesAnswer(Struct):
    items: list[StateView]


def _stale(row: LatestRow, point: Point, state: StateRow | None, now: Time) -> bool:
    if state is not None and state.state is DeviceState.OFFLINE:
        return True
    if point.cadence is None:
        return False
    return now - row.received_time > _STALE_AFTER * point.cadence * SECOND + _STALE_SLACK


def _latest(
    device: Device,
    row: LatestRow,
    state: StateRow | None,
    all_rules: list[ThresholdRule],
    now: Time,
) -> LatestView:
    point = device.point(row.point) or Point(name=row.point)
    return LatestView(
        point=row.point,
        title=point.title,
        unit=point.unit,
        type=point.type,
        value=row.value,
        quality=QUALITIES[row.quality],
        reason=row.reason,
        time=stamp(row.source_time) or "",
        received=stamp(row.received_time) or "",
        stale=_stale(row, point, state, now),
        writable=point.writable,
        limits=[
            LimitView(severity=r.severity, comparison=r.comparison, limit=r.limit, title=r.title)
            for r in all_rules
            if r.point == row.point and applies(r, device)
        ],
    )


class ValuesController(Controller):
    """`/devices/{id}/latest`, `/history`, `/states`."""

    path = "/devices/{device_id:str}"
    tags = ("values",)

    @get("/latest", summary="The live values of a device, in the order of its points")
    async def latest(self, node: Node, device_id: FromPath[str]) -> LatestAnswer:
        now = node.now()

        def query(conn: sqlite3.Connection) -> LatestAnswer | None:
            stored = devices.get(conn, device_id)
            if stored is None:
                return None
            order = {p.name: i for i, p in enumerate(stored.device.points)}
            rows = twin.latest(conn, device_id)
            rows.sort(key=lambda row: order.get(row.point, len(order)))
            state, known = twin.state(conn, device_id), rules.everything(conn)
            return LatestAnswer([_latest(stored.device, r, state, known, now) for r in rows])

        found = await node.read(query)
        if found is None:
            raise not_found("device", device_id)
        return found

    @get("/history", summary="One point over time, by default its last hour")
    async def history(
        self,
        node: Node,
        device_id: FromPath[str],
        point: FromQuery[str],
        start: Annotated[str | None, QueryParameter(name="from", description="RFC 3339")] = None,
        end: Annotated[
            str | None, QueryParameter(name="to", description="RFC 3339, excluded")
        ] = None,
        limit: Annotated[
            int,
            QueryParameter(ge=2, le=20_000, description="More rows than this are averaged to fit."),
        ] = 2_000,
    ) -> HistoryAnswer:
        since, until = parse_range(start, end, node.now(), 60 * MINUTE, _LONGEST)
        spec = (await existing(node, device_id)).device.point(point)
        if spec is None:
            raise Problem(404, f"Device {device_id!r} has no point {point!r}.")
        found = await node.history(device_id, point, since, until, limit)
        truth = spec.type is ValueType.BOOL
        return HistoryAnswer(
            point=point,
            unit=spec.unit,
            type=spec.type,
            t=[time // MILLISECOND for time in found.t],
            v=[bool(v) if truth and isinstance(v, int) else v for v in found.v],
            q=found.q,
            aggregated=found.aggregated,
            min=found.low,
            max=found.high,
        )

    @get("/states", summary="The states a device went through, by default within a day")
    async def states(
        self,
        node: Node,
        device_id: FromPath[str],
        start: Annotated[str | None, QueryParameter(name="from", description="RFC 3339")] = None,
        end: Annotated[
            str | None, QueryParameter(name="to", description="RFC 3339, excluded")
        ] = None,
    ) -> StatesAnswer:
        since, until = parse_range(start, end, node.now(), DAY, _LONGEST)
        await existing(node, device_id)
        found = await node.read(lambda conn: twin.states(conn, device_id, since, until))
        return StatesAnswer(
            [StateView(state=s.state, since=stamp(s.since) or "", cause=s.cause) for s in found]
        )
