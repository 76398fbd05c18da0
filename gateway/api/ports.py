"""What the API asks of the node: everything it may touch, and nothing else."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from msgspec import Struct

from gateway.api.changelog import ChangeLog
from gateway.inventory import Format, Taken
from gateway.metrics import Metrics
from registry.model import (
    Acknowledgement,
    Alarm,
    Command,
    Event,
    ThresholdRule,
    Time,
    Value,
)

T = TypeVar("T")


class HistoryColumns(Struct, kw_only=True):
    """One point's samples in columns of equal length, oldest first; `t` in UTC nanoseconds.

    With `aggregated` each row stands for a stretch of time, `q` is its worst quality. Of numbers
    `v` is the mean, `low` and `high` the extremes, `t` the start of the stretch; of anything else
    `v` and `t` are its newest row.
    """

    t: list[Time]
    v: list[Value | None]
    q: list[int]
    aggregated: bool = False
    low: list[Value | None] | None = None
    high: list[Value | None] | None = None


class EndpointView(Struct, frozen=True, kw_only=True):
    """How the conversation with one endpoint stands; times are UTC nanoseconds, 0 when none."""

    endpoint: str
    protocol: str
    state: str
    """connecting, connected, retrying or parked."""
    since: Time
    detail: str = ""
    devices: int = 0
    next_try: Time = 0


class LinkView(Struct, frozen=True, kw_only=True):
    """How the exchange between this node and one other tier stands."""

    node: str
    upper: str
    state: str
    since: Time
    backlog: int = 0
    oldest_unsent_s: float = 0.0
    received: int = 0


class NodePort(Protocol):
    """The node as the API sees it. All methods are called on the node's event loop."""

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def title_en(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def epoch(self) -> str: ...
    @property
    def changes(self) -> ChangeLog: ...
    @property
    def metrics(self) -> Metrics: ...

    def now(self) -> Time:
        """Return the node's time, UTC nanoseconds."""
        ...

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query` on a reader thread with a read-only connection to the main database."""
        ...

    async def history(
        self, device: str, point: str, start: Time, end: Time, limit: int
    ) -> HistoryColumns:
        """Return one point's samples with start <= t < end, at most `limit` of them.

        If there are more, they are thinned and `aggregated` is set.
        """
        ...

    async def emit(self, events: Sequence[Event]) -> None:
        """Hand events to the pipeline; returns after the durable commit."""
        ...

    async def dispatch(self, command: Command) -> None:
        """Accept and store `command`, and carry it out in the background.

        Raises:
            Faulty: the device cannot take this command; nothing was stored.
        """
        ...

    async def acknowledge(self, alarm_id: str, acknowledgement: Acknowledgement) -> Alarm | None:
        """Store who took note of an alarm; None when there is no such alarm."""
        ...

    async def put_rule(self, rule: ThresholdRule) -> None:
        """Store a rule, new or in place of the one with its id; it holds from the next reading on.

        Raises:
            Faulty: the rule cannot work here.
        """
        ...

    async def delete_rule(self, rule_id: str) -> bool:
        """Remove a rule; False when there is none with this id."""
        ...

    async def take_in(self, data: bytes, format: Format, *, dry_run: bool, complete: bool) -> Taken:
        """Take a file of devices into the registry, or say what it would change.

        Raises:
            Faulty: with everything that is wrong in it; nothing was changed.
        """
        ...

    def endpoints(self) -> Sequence[EndpointView]: ...

    def cascade(self) -> Sequence[LinkView]: ...
