"""What the upper end keeps for all its lower nodes, and what it tells about each."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct

from cascade.screening import Permits
from cascade.store import DownlinkStore
from cascade.timing import Timing
from protocols.adapter import Emit
from registry.model import DeviceState, Time


class Counters(Struct):
    """What happened with one lower node since the start, for metrics."""

    envelopes: int = 0
    readings: int = 0
    duplicates: int = 0
    gaps: int = 0
    damaged: int = 0
    unreadable: int = 0
    refused: int = 0
    unknown_kinds: int = 0
    overflowed: int = 0
    not_stored: int = 0
    declared_lost_envelopes: int = 0
    declared_lost_readings: int = 0


class Figures(Struct, frozen=True, kw_only=True):
    """A lower node at a glance: what waits in it (`oldest` is when the oldest of it was made, 0 if
    nothing waits), when it was last heard (UTC nanoseconds, 0 for not yet), what came of it."""

    counters: Counters
    epoch: str = ""
    version: str = ""
    role: str = ""
    rows: int = 0
    bytes: int = 0
    readings: int = 0
    oldest: Time = 0
    heard: Time = 0


OnLink = Callable[[str, DeviceState, str, Figures], None]
"""Told (node, state, cause for an operator, figures) at each change and each heartbeat."""


class Upstairs(Struct, frozen=True, kw_only=True):
    """What a lower node's counterpart works with, for the length of one connection."""

    name: str
    epoch: str
    publish: Callable[[str, bytes], Awaitable[None]]
    group: asyncio.TaskGroup
    emit: Emit
    store: DownlinkStore
    permits: Permits
    on_link: OnLink
    now: Callable[[], Time]
    clock: Callable[[], float]
    timing: Timing
