"""The supervisor: one task for each endpoint, each behind its own bulkhead.

It groups the node's own devices by endpoint, runs one adapter for each, hands it its devices
and every change after, and writes retry, back-off and health once for all protocols. Nothing
here knows a protocol. The tree's only `except Exception` is here.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from gateway.commit import StoreFailed
from gateway.metrics import Metrics
from protocols.adapter import Adapter, Commandable, Emit, LinkLost, Refused
from registry.model import (
    Command,
    Device,
    DeviceState,
    Event,
    Faulty,
    Outcome,
    OutcomeState,
    StatusChange,
    Time,
    to_rfc3339,
)

log = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
PARKED_PAUSE: Final = 600.0
"""Seconds after which even a refused endpoint is tried again."""


class EndpointState(StrEnum):
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RETRYING = "retrying"
    PARKED = "parked"


@dataclass(slots=True)
class Health:
    """What an operator sees of an endpoint; times are UTC nanoseconds."""

    endpoint: str
    protocol: str
    state: EndpointState
    since: Time
    detail: str = ""
    devices: int = 0
    next_try: Time = 0


class Feed:
    """The devices of one endpoint (`protocols.adapter.DeviceFeed`)."""

    def __init__(self) -> None:
        self._devices: dict[str, Device] = {}
        self._changed = asyncio.Event()

    def take(self) -> Mapping[str, Device]:
        self._changed.clear()
        return dict(self._devices)

    async def changed(self) -> None:
        await self._changed.wait()

    def put(self, device: Device) -> None:
        if self._devices.get(device.id) != device:
            self._devices[device.id] = device
            self._changed.set()

    def drop(self, device: str) -> None:
        if self._devices.pop(device, None) is not None:
            self._changed.set()

    def __len__(self) -> int:
        return len(self._devices)


class OpenAdapter(Protocol):
    """Makes the adapter of an endpoint; may raise Faulty."""

    def __call__(self, device: Device, connected: Callable[[], None]) -> Adapter: ...


Service = Callable[[Callable[[], None]], Awaitable[None]]
"""A conversation without devices (a tier): runs until cancelled, is handed `connected`."""


@dataclass(slots=True)
class _Link:
    """One endpoint and everything that belongs to it."""

    feed: Feed
    health: Health
    task: asyncio.Task[None] | None = None
    adapter: Adapter | None = None
    service: Service | None = None
    retry_now: asyncio.Event = field(default_factory=asyncio.Event)
    failures: int = 0
    told_offline: bool = False


class Supervisor:
    """Runs the adapters of the devices whose home is this node."""

    def __init__(
        self,
        *,
        open_adapter: OpenAdapter,
        emit: Callable[[Sequence[Event], str], Awaitable[None]],
        now: Callable[[], int],
        metrics: Metrics,
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        self._open = open_adapter
        self._emit = emit
        self._now = now
        self._first_pause = first_pause
        self._links: dict[str, _Link] = {}
        self._group: asyncio.TaskGroup | None = None
        self._up = metrics.gauge(
            "endpoint_up", "1 while the endpoint's link is up.", labels=("endpoint", "protocol")
        )
        self._failures = metrics.counter(
            "endpoint_failures_total",
            "Ends of an adapter, by kind (lost, refused, store, defect).",
            labels=("endpoint", "kind"),
        )

    async def run(self) -> None:
        """Run until cancelled; adapters of devices told before and after are all served."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for link in self._links.values():
                self._start(link)
            await asyncio.Event().wait()

    def host(self, name: str, kind: str, service: Service) -> None:
        """Run a conversation that has no devices behind a bulkhead of its own."""
        health = Health(name, kind, EndpointState.CONNECTING, self._now())
        link = self._links[name] = _Link(Feed(), health, service=service)
        if self._group is not None:
            self._start(link)

    def changed(self, before: Device | None, after: Device | None) -> None:
        """Take a change of one of the node's own devices (a `roster.Listener`)."""
        old = before.link.endpoint if before and before.link else None
        new = after.link.endpoint if after and after.link else None
        if before and old is not None and old != new:
            self._drop(old, before.id)
        if after is not None and after.link is not None and new is not None:
            self._put(new, after)

    def health(self) -> list[Health]:
        """Return the state of every endpoint."""
        for link in self._links.values():
            link.health.devices = len(link.feed)
        return [link.health for link in self._links.values()]

    async def command(self, device: Device, order: Command) -> Outcome:
        """Hand an order to the adapter that holds the device's link; never raises.

        A defect of the adapter ends as a failed order, not as the end of the node.
        """
        link = self._links.get(device.link.endpoint) if device.link else None
        if link is None or link.adapter is None or link.health.state is not EndpointState.CONNECTED:
            detail = link.health.detail if link else "the device has no link"
            return self._outcome(order, OutcomeState.NOT_CONNECTED, detail or "not connected")
        if not isinstance(link.adapter, Commandable):
            return self._outcome(order, OutcomeState.REFUSED, "this link takes no commands")
        try:
            return await link.adapter.command(order)
        except Exception as error:
            name = link.health.endpoint
            log.exception("order %s failed", order.id, extra={"device": device.id, "adapter": name})
            detail = f"the adapter failed: {type(error).__name__}: {error}"[:300]
            return self._outcome(order, OutcomeState.FAILED, detail)

    def _outcome(self, order: Command, state: OutcomeState, detail: str) -> Outcome:
        return Outcome(
            command=order.id, device=order.device, state=state, time=self._now(), detail=detail
        )

    def _put(self, endpoint: str, device: Device) -> None:
        link = self._links.get(endpoint)
        if link is None:
            assert device.link is not None  # noqa: S101 - the caller looked
            health = Health(endpoint, device.link.protocol, EndpointState.CONNECTING, self._now())
            link = self._links[endpoint] = _Link(Feed(), health)
            link.feed.put(device)
            if self._group is not None:
                self._start(link)
            return
        link.feed.put(device)
        if link.health.state is EndpointState.PARKED:
            link.retry_now.set()

    def _drop(self, endpoint: str, device: str) -> None:
        link = self._links.get(endpoint)
        if link is None:
            return
        link.feed.drop(device)
        if len(link.feed) == 0:
            del self._links[endpoint]
            if link.task is not None:
                link.task.cancel()
            self._up.remove(endpoint=endpoint, protocol=link.health.protocol)

    def _start(self, link: _Link) -> None:
        assert self._group is not None  # noqa: S101 - only called while running
        link.task = self._group.create_task(self._serve(link), name=link.health.endpoint)

    async def _serve(self, link: _Link) -> None:
        """The bulkhead: whatever happens to this endpoint stays here."""
        name = link.health.endpoint
        while True:
            kind, detail = "lost", ""
            try:
                await self._converse(link)
                detail = "the adapter ended"
            except LinkLost as error:
                detail = str(error) or "link lost"
            except Refused as error:
                kind, detail = "refused", str(error)
            except Faulty as error:
                kind, detail = "refused", str(error)
            except StoreFailed as error:
                kind, detail = "store", str(error)
            except Exception as error:
                kind, detail = "defect", f"{type(error).__name__}: {error}"
                log.exception("adapter failed", extra={"adapter": name})
            link.adapter = None
            self._failures.inc(endpoint=name, kind=kind)
            await self._pause(link, kind, detail)

    async def _converse(self, link: _Link) -> None:
        if link.service is not None:
            await link.service(lambda: self._connected(link))
            return
        devices = link.feed.take()
        sample = next(iter(devices.values()))
        adapter = link.adapter = self._open(sample, lambda: self._connected(link))
        await adapter.run(link.feed, self._emitter(link))

    def _emitter(self, link: _Link) -> Emit:
        name = link.health.endpoint

        async def emit(events: Sequence[Event]) -> None:
            await self._emit(events, name)

        return emit

    def _connected(self, link: _Link) -> None:
        link.failures = 0
        link.told_offline = False
        self._set(link, EndpointState.CONNECTED, "")
        log.info("connected", extra={"adapter": link.health.endpoint})

    def _set(self, link: _Link, state: EndpointState, detail: str, next_try: Time = 0) -> None:
        health = link.health
        if health.state is not state:
            health.since = self._now()
        health.state, health.detail, health.next_try = state, detail, next_try
        self._up.set(
            1 if state is EndpointState.CONNECTED else 0,
            endpoint=health.endpoint,
            protocol=health.protocol,
        )

    async def _pause(self, link: _Link, kind: str, detail: str) -> None:
        """Say what happened, once, and wait with full jitter before the next try.

        A store that refuses says nothing of the devices.
        """
        link.retry_now.clear()
        refused = kind == "refused"
        longest = PARKED_PAUSE if refused else _LONGEST_PAUSE
        ceiling = PARKED_PAUSE if refused else self._first_pause * 2 ** min(link.failures, 10)
        pause = min(longest, ceiling) * (1.0 if refused else random.uniform(0.5, 1.0))
        first = link.failures == 0
        link.failures += 1
        state = EndpointState.PARKED if refused else EndpointState.RETRYING
        self._set(link, state, detail, self._now() + int(pause * 1e9))
        if first:
            log.warning(
                "link down (%s): %s; next try %s",
                kind,
                detail,
                to_rfc3339(link.health.next_try),
                extra={"adapter": link.health.endpoint},
            )
        if kind != "store" and not link.told_offline:
            link.told_offline = await self._tell_offline(link, detail)
        try:
            async with asyncio.timeout(pause):
                await link.retry_now.wait()
        except TimeoutError:
            pass
        self._set(link, EndpointState.CONNECTING, detail)

    async def _tell_offline(self, link: _Link, detail: str) -> bool:
        """Tell the link's devices offline; False: it could not be stored."""
        if len(link.feed) == 0:
            return True
        now = self._now()
        cause = f"{link.health.endpoint}: {detail}"[:300]
        changes: list[Event] = [
            StatusChange(
                device=device, state=DeviceState.OFFLINE, since=now, cause=cause, source="link"
            )
            for device in link.feed.take()
        ]
        try:
            await self._emit(changes, link.health.endpoint)
        except StoreFailed as error:
            log.error("states not stored: %s", error, extra={"adapter": link.health.endpoint})
            return False
        return True
