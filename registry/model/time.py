"""Time as the house keeps it: integers, nanoseconds since 1970-01-01 UTC."""

from datetime import UTC, datetime
from typing import Annotated, Final

from msgspec import Meta

Time = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""Nanoseconds since 1970-01-01 UTC, what 64 bits hold."""

SECOND: Final = 1_000_000_000
MILLISECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
DAY: Final = 86_400 * SECOND


def to_rfc3339(time: Time) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds, e.g. `2026-03-18T06:26:05.000Z`."""
    seconds, rest = divmod(time, SECOND)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // MILLISECOND:03d}Z"


def from_rfc3339(text: str) -> Time:
    """Read an RFC 3339 time; without an offset it is taken as UTC.

    Raises:
        ValueError: the text is no RFC 3339 time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * SECOND + moment.microsecond * 1_000
