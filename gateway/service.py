"""The node as the API sees it (`gateway.api.ports.NodePort`)."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway.api.changelog import ChangeLog
from gateway.api.ports import EndpointView, HistoryColumns, LinkView
from gateway.core import Core
from gateway.inventory import Format, Taken, preview, read, take_in
from gateway.metrics import Metrics
from gateway.orders import Orders
from gateway.supervisor import Supervisor
from gateway.tiers import Tiers
from gateway.version import VERSION
from registry.model import (
    Acknowledgement,
    Alarm,
    AlarmAcknowledged,
    Command,
    Event,
    ThresholdRule,
    Time,
    ValueType,
)
from registry.store import alarms

T = TypeVar("T")


class Service:
    """Answers the API from the parts of one node."""

    def __init__(
        self, core: Core, changes: ChangeLog, orders: Orders, supervisor: Supervisor, tiers: Tiers
    ) -> None:
        self._core = core
        self._changes = changes
        self._orders = orders
        self._supervisor = supervisor
        self._tiers = tiers

    @property
    def name(self) -> str:
        return self._core.settings.node.name

    @property
    def role(self) -> str:
        return self._core.settings.node.role.value

    @property
    def title(self) -> str:
        return self._core.settings.node.title or self.name

    @property
    def title_en(self) -> str:
        return self._core.settings.node.title_en or self.title

    @property
    def version(self) -> str:
        return VERSION

    @property
    def epoch(self) -> str:
        return self._core.stores.epoch

    @property
    def changes(self) -> ChangeLog:
        return self._changes

    @property
    def metrics(self) -> Metrics:
        return self._core.metrics

    def now(self) -> Time:
        return self._core.now()

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        return await self._core.stores.readers.read(query)

    async def history(
        self, device: str, point: str, start: Time, end: Time, limit: int
    ) -> HistoryColumns:
        history = self._core.stores.history
        known = self._core.roster.get(device)
        spec = known.device.point(point) if known else None
        averaged = spec is None or spec.type is not ValueType.BOOL
        series = await self._core.stores.readers.call(
            lambda: history.read(device, point, start, end, limit, averaged=averaged)
        )
        return HistoryColumns(
            t=series.time,
            v=series.value,
            q=series.quality,
            aggregated=series.aggregated,
            low=series.low,
            high=series.high,
        )

    async def emit(self, events: Sequence[Event]) -> None:
        await self._core.pipeline.emit(events, "api")

    async def dispatch(self, command: Command) -> None:
        await self._orders.dispatch(command)

    async def acknowledge(self, alarm_id: str, acknowledgement: Acknowledgement) -> Alarm | None:
        word = AlarmAcknowledged(alarm=alarm_id, acknowledgement=acknowledgement)
        await self._core.pipeline.emit([word], "api")
        return await self.read(lambda connection: alarms.get(connection, alarm_id))

    async def put_rule(self, rule: ThresholdRule) -> None:
        await self._core.put_rule(rule)

    async def delete_rule(self, rule_id: str) -> bool:
        return await self._core.delete_rule(rule_id)

    async def take_in(self, data: bytes, format: Format, *, dry_run: bool, complete: bool) -> Taken:
        document = await read(self._core, data, format)
        if dry_run:
            return preview(self._core, document, complete=complete)
        return await take_in(self._core, document, complete=complete)

    def endpoints(self) -> Sequence[EndpointView]:
        return [
            EndpointView(
                endpoint=health.endpoint,
                protocol=health.protocol,
                state=health.state.value,
                since=health.since,
                detail=health.detail,
                devices=health.devices,
                next_try=health.next_try,
            )
            for health in self._supervisor.health()
        ]

    def cascade(self) -> Sequence[LinkView]:
        return self._tiers.views()
