"""Readings, one by one for people and in columns for machines."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct

from registry.model.time import Time

Value = bool | int | float | str


class Quality(IntEnum):
    """OPC UA's three grades; anything but GOOD carries a reason."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


class Reading(Struct, frozen=True, kw_only=True):
    """One value of one point. Times are UTC nanoseconds; a BAD reading may have no value."""

    device: str
    point: str
    value: Value | None
    source_time: Time
    received_time: Time = 0
    quality: Quality = Quality.GOOD
    reason: str = ""
    historical: bool = False


class ReadingBatch(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="event",
    tag="readings",
    omit_defaults=True,
):
    """Readings in columns of equal length: what the hot path carries.

    `source_time` 0 means that the source gave none: the pipeline stamps the moment of arrival.
    `quality` and `reason` None mean all good. `historical` marks a late replay, which never
    overwrites a live value. `received_time` 0 is stamped by the pipeline of each node.
    """

    device: list[str]
    point: list[str]
    value: list[Value | None]
    source_time: list[Time]
    quality: list[int] | None = None
    reason: list[str] | None = None
    received_time: Time = 0
    historical: bool = False

    def __len__(self) -> int:
        return len(self.device)

    def rows(self) -> Iterator[Reading]:
        """Yield the batch as single readings, in order."""
        for i, device in enumerate(self.device):
            yield Reading(
                device=device,
                point=self.point[i],
                value=self.value[i],
                source_time=self.source_time[i],
                received_time=self.received_time,
                quality=Quality(self.quality[i]) if self.quality else Quality.GOOD,
                reason=self.reason[i] if self.reason else "",
                historical=self.historical,
            )

    @classmethod
    def of(cls, readings: list[Reading]) -> "ReadingBatch":
        """Gather single readings that share `received_time` and `historical` into one batch."""
        first = readings[0]
        return cls(
            device=[r.device for r in readings],
            point=[r.point for r in readings],
            value=[r.value for r in readings],
            source_time=[r.source_time for r in readings],
            quality=[int(r.quality) for r in readings],
            reason=[r.reason for r in readings],
            received_time=first.received_time,
            historical=first.historical,
        )


class Receipt(Struct, frozen=True, kw_only=True):
    """Identity of one broker delivery whose payload carries no source time.

    Stored in the commit that stores the payload, so that a redelivery after a crash is known:
    same `source` (session), same `mid`, same `digest` and DUP set means already taken.
    """

    source: str
    mid: Annotated[int, Meta(ge=0, le=65535)]
    digest: bytes
    dup: bool


class Delivery(Struct, frozen=True, kw_only=True, tag_field="event", tag="delivery"):
    """Readings that stand or fall with their receipt."""

    receipt: Receipt
    readings: ReadingBatch


class SessionStarted(Struct, frozen=True, kw_only=True, tag_field="event", tag="session_started"):
    """The broker began a new session: receipts of the old one no longer speak of anything."""

    source: str
