"""The tiers next to this node: the link up, the link down, and what they mean for the devices."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast

from msgspec.structs import asdict

from cascade import outbox
from cascade.downlink import Downlink
from cascade.faults import OutboxFull
from cascade.parcel import pack
from cascade.store import SqlStore
from cascade.uplink import Node as Self
from cascade.uplink import Uplink
from cascade.upstairs import Figures
from gateway.api.ports import LinkView
from gateway.bus import mqtt_bus
from gateway.commit import StoreFailed
from gateway.config import Settings
from gateway.core import Core
from gateway.grants import Grants
from gateway.history import Sample
from gateway.sinks import READINGS_UNSENT
from gateway.stores import Stores
from gateway.supervisor import Supervisor
from gateway.version import VERSION
from protocols.adapter import Credential, LinkLost, Refused
from registry.model import (
    SECOND,
    Alarm,
    AlarmAcknowledged,
    Command,
    DeviceState,
    Discovered,
    Event,
    Mark,
    Misfit,
    StatusChange,
    Time,
)
from registry.store import alarms, counters, devices, twin
from registry.store.transaction import Transaction

log = logging.getLogger(__name__)

_REFRESH: Final = 3.0
_AGAIN: Final = 1.0
"""Seconds until what could not be stored or read is tried once more."""


def cut_by(node: str) -> str:
    """Return the source of the states that a link cut below `node` implies; it travels up."""
    return f"cut:{node}"


@dataclass(slots=True)
class _Link:
    state: DeviceState
    since: Time
    cause: str = ""
    figures: Figures | None = None


class _Store(SqlStore):
    """The store of both links, which keeps the epoch that the node shows up to date."""

    def __init__(self, core: Core) -> None:
        super().__init__(write=core.write, read=core.stores.readers.read, now=core.now)
        self._stores: Stores = core.stores

    async def renew_epoch(self) -> None:
        await super().renew_epoch()
        self._stores.epoch = (await self.identity()).epoch


class Tiers:
    """Runs the uplink and the downlink of a node (a `pipeline.Listener`)."""

    def __init__(self, settings: Settings, core: Core, broker_secret: str) -> None:
        self._settings = settings
        self._core = core
        self._me = settings.node.name
        self._upper = _Link(DeviceState.UNKNOWN, core.now())
        self._happened = core.metrics.gauge(
            "lower_counts",
            "What happened with a lower node since this node connected, by counter.",
            labels=("node", "what"),
        )
        self._lower: dict[str, _Link] = {}
        self._news: dict[str, tuple[DeviceState, str]] = {}
        self._told = asyncio.Event()
        self._wake = asyncio.Event()
        self._backlog: dict[str, outbox.Backlog] = {}
        self._uplink_up: Callable[[], None] = lambda: None
        self._downlink_up: Callable[[], None] = lambda: None
        store = _Store(core)
        self._uplink = self._make_uplink(store) if settings.upper else None
        self._downlink = self._make_downlink(store, broker_secret) if settings.lower else None

    def host(self, supervisor: Supervisor) -> None:
        """Give both links a bulkhead and the retry of the house."""
        if self._uplink is not None and self._settings.upper is not None:
            supervisor.host(f"upper:{self._settings.upper.name}", "cascade", self._run_uplink)
        if self._downlink is not None:
            supervisor.host("lower", "cascade", self._run_downlink)

    async def run(self) -> None:
        """Draw the consequences of links that come and go, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_links())
            if self._uplink is not None:
                group.create_task(self._measure())

    def committed(self, samples: Sequence[Sample], events: Sequence[Event]) -> None:
        """Wake the links that have something to bring."""
        if samples or events:
            self._wake.set()
        if self._downlink is None:
            return
        for event in events:
            if isinstance(event, Command | Alarm):
                known = self._core.roster.get(event.device)
                if known is not None and known.via is not None:
                    self._downlink.wake(known.via)

    def views(self) -> list[LinkView]:
        """Return how the links stand, for the screen."""
        found = [self._lower_view(name, link) for name, link in sorted(self._lower.items())]
        if self._settings.upper is not None:
            oldest = min((b.oldest for b in self._backlog.values() if b.oldest), default=0)
            found.append(
                LinkView(
                    node=self._me,
                    upper=self._settings.upper.name,
                    state=self._upper.state.value,
                    since=self._upper.since,
                    backlog=sum(b.rows for b in self._backlog.values()),
                    oldest_unsent_s=self._age(oldest),
                )
            )
        return found

    def _lower_view(self, name: str, link: _Link) -> LinkView:
        figures = link.figures
        return LinkView(
            node=name,
            upper=self._me,
            state=link.state.value,
            since=link.since,
            backlog=figures.rows if figures else 0,
            oldest_unsent_s=_waited(figures) if figures else 0.0,
            received=figures.counters.readings if figures else 0,
        )

    def _age(self, moment: Time) -> float:
        return max(0.0, (self._core.now() - moment) / SECOND) if moment else 0.0

    def _make_uplink(self, store: SqlStore) -> Uplink:
        upper = self._settings.upper
        assert upper is not None  # noqa: S101 - the caller looked
        node = self._settings.node

        return Uplink(
            Self(name=node.name, upper=upper.name, role=node.role.value, version=VERSION),
            open_bus=mqtt_bus(
                upper.url,
                node.name,
                self._settings.credentials[upper.credential],
                lambda: self._uplink.will() if self._uplink else None,
            ),
            store=store,
            deliver=self._deliver,
            republish=self._republish,
            wake=self._wake,
            now=self._core.now,
            on_upper=self._on_upper,
        )

    def _make_downlink(self, store: SqlStore, broker_secret: str) -> Downlink:
        lower = self._settings.lower
        assert lower is not None  # noqa: S101 - the caller looked
        url, credential = lower.url, Credential(username=self._me, password=broker_secret)
        if lower.credential is not None:
            credential = self._settings.credentials[lower.credential]
        elif self._settings.broker is not None and not url:
            url = self._settings.broker.url
        grants = Grants(self._me, lower.nodes, self._core.roster)
        self._lower = {
            child.name: _Link(DeviceState.UNKNOWN, self._core.now()) for child in lower.nodes
        }
        return Downlink(
            node=self._me,
            open_bus=mqtt_bus(url, self._me, credential),
            store=store,
            permits=grants.permits,
            on_link=self._on_lower,
            now=self._core.now,
            admits=grants.admits,
            expected=lambda: [child.name for child in lower.nodes],
            connected=lambda: self._downlink_up(),
        )

    async def _run_uplink(self, connected: Callable[[], None]) -> None:
        self._uplink_up = connected
        if self._uplink is not None:
            await self._uplink.run()

    async def _run_downlink(self, connected: Callable[[], None]) -> None:
        self._downlink_up = connected
        if self._downlink is None:
            return
        try:
            await self._downlink.run(self._take)
        except (LinkLost, Refused) as error:
            for name in list(self._lower):
                self._on_lower(name, DeviceState.OFFLINE, f"its broker is gone: {error}")
            raise

    async def _take(self, events: Sequence[Event]) -> None:
        mark = events[0]
        source = mark.source if isinstance(mark, Mark) else self._me
        await self._core.pipeline.emit(events, f"lower:{source}")

    async def _deliver(self, events: Sequence[Event], mark: Mark) -> None:
        """From above come orders, acknowledgements, and what could not be read of them."""
        orders = [e for e in events if isinstance(e, Command | AlarmAcknowledged | Misfit)]
        await self._core.pipeline.emit([mark, *orders], f"upper:{mark.source}")

    async def _republish(self) -> None:
        """Append everything the upper tier must know to the outbox, once more.

        Read and appended in one transaction: what is newer gets a higher number.
        """
        quota = outbox.Quota(limit=self._settings.data.outbox_megabytes * 1024 * 1024)

        def append(tx: Transaction) -> None:
            try:
                done = outbox.append(tx, pack(_everything(tx)), now=self._core.now(), quota=quota)
            except OutboxFull as error:
                raise StoreFailed(str(error)) from error
            counters.add(tx, READINGS_UNSENT, done.dropped.readings)

        await self._core.write(append)
        self._wake.set()

    def _on_upper(self, upper: str, state: DeviceState, cause: str) -> None:
        if state is not self._upper.state:
            log.info("upper tier %s is %s: %s", upper, state, cause)
            self._upper = _Link(state, self._core.now(), cause)
        if state is DeviceState.ONLINE:
            self._uplink_up()

    def _on_lower(
        self, name: str, state: DeviceState, cause: str, figures: Figures | None = None
    ) -> None:
        link = self._lower.setdefault(name, _Link(DeviceState.UNKNOWN, self._core.now()))
        link.figures = figures or link.figures
        if figures is not None:
            for what, count in asdict(figures.counters).items():
                self._happened.set(count, node=name, what=what)
        if state is link.state:
            return
        log.info("lower node %s is %s: %s", name, state, cause)
        link.state, link.since, link.cause = state, self._core.now(), cause
        if state in (DeviceState.OFFLINE, DeviceState.ONLINE):
            self._news.pop(name, None)
            self._news[name] = (state, cause)
            self._told.set()

    async def _follow_links(self) -> None:
        """Draw the consequences of the last news of each node, until they are stored."""
        while True:
            await self._told.wait()
            self._told.clear()
            while self._news:
                name = next(iter(self._news))
                state, cause = self._news.pop(name)
                try:
                    if state is DeviceState.OFFLINE:
                        await self._cut(name, cause)
                    else:
                        await self._restore(name)
                except (StoreFailed, sqlite3.Error) as error:
                    log.error("that node %s is %s is not stored yet: %s", name, state, error)
                    self._news.setdefault(name, (state, cause))
                    await asyncio.sleep(_AGAIN)

    async def _cut(self, child: str, cause: str) -> None:
        """What came by a node that is gone is unknown from now on; the node itself is offline."""
        now = self._core.now()
        changes = [
            StatusChange(
                device=device,
                state=DeviceState.OFFLINE if device == child else DeviceState.UNKNOWN,
                since=now,
                cause=cause if device == child else f"node {child} is not connected: {cause}",
                source=cut_by(self._me),
            )
            for device in self._core.roster.under(child)
        ]
        await self._core.pipeline.statuses(changes)

    async def _restore(self, child: str) -> None:
        """The node is back: its devices are again what they last said, until they say more."""
        under = set(self._core.roster.under(child))
        now = self._core.now()

        def restore(tx: Transaction) -> Sequence[Event]:
            changes = [
                StatusChange(device=device, state=state, since=now, cause=cause, source=child)
                for device, state, cause in _before_the_cut(tx, cut_by(self._me))
                if device in under
            ]
            return twin.put_status(tx, changes)

        await self._core.pipeline.apply(restore)

    async def _measure(self) -> None:
        gauge = self._core.metrics.gauge(
            "outbox_envelopes", "Envelopes that wait for the upper tier.", labels=("lane",)
        )
        while True:
            try:
                found = await self._core.stores.readers.read(outbox.backlog)
            except sqlite3.Error as error:
                log.error("the outbox cannot be measured: %s", error)
                await asyncio.sleep(_AGAIN)
                continue
            self._backlog = {lane.value: backlog for lane, backlog in found.items()}
            for lane, backlog in self._backlog.items():
                gauge.set(backlog.rows, lane=lane)
            await asyncio.sleep(_REFRESH)


def _waited(figures: Figures) -> float:
    """How long the oldest of a lower node waited when it was last heard, in seconds."""
    return max(0.0, (figures.heard - figures.oldest) / SECOND) if figures.oldest else 0.0


def _everything(tx: Transaction) -> list[Event]:
    """Return all devices, their states and the open alarms."""
    connection = cast(sqlite3.Connection, tx)
    known: list[Event] = [Discovered(device=device) for device, _ in devices.load(connection)]
    states = [
        StatusChange(
            device=row.device,
            state=row.state,
            since=row.since,
            cause=row.cause,
            source=row.source,
        )
        for row in twin.load_states(connection)
    ]
    return [*known, *states, *alarms.all_open(connection)]


def _before_the_cut(tx: Transaction, cut: str) -> list[tuple[str, DeviceState, str]]:
    """Return what the devices whose state comes of the source `cut` were before."""
    rows = tx.execute(
        "SELECT s.device, h.state, h.cause FROM device_state s LEFT JOIN state_history h"
        " ON h.device = s.device AND h.since = (SELECT max(x.since) FROM state_history x"
        "  WHERE x.device = s.device AND x.source <> ?) WHERE s.source = ?",
        (cut, cut),
    ).fetchall()
    return [
        (device, DeviceState(state or "unknown"), cause or "no data yet")
        for device, state, cause in rows
    ]
