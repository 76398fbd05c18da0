"""Times as the API speaks them: RFC 3339 outside, nanoseconds inside."""

import re
from typing import Final

from gateway.api.errors import Problem
from registry.model import DAY, Time, from_rfc3339, to_rfc3339

_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EXPECTED: Final = "RFC 3339 with an offset, e.g. 2026-03-18T06:26:05Z"
_LATEST: Final = 84_000 * DAY


def stamp(time: Time) -> str | None:
    """Write a time as RFC 3339, None when there is none (0)."""
    return to_rfc3339(time) if time > 0 else None


def parse_time(where: str, text: str) -> Time:
    """Read the RFC 3339 time in the parameter or field `where`.

    A `+` that a query string has turned into a space is put back.

    Raises:
        Problem: it is none, or lies before 1970 or after 2199.
    """
    text = text.strip().replace(" ", "+") if text[10:11] in "Tt" else text
    if not _RFC3339.fullmatch(text):
        raise Problem.bad(where, f"{text!r} is not a time", _EXPECTED)
    try:
        time = from_rfc3339(text.upper())
    except (ValueError, OverflowError) as error:
        raise Problem.bad(where, f"{text!r} is not a time ({error})", _EXPECTED) from error
    if not 0 <= time < _LATEST:
        raise Problem.bad(where, f"{text!r} is out of range", "a time from 1970 to 2199")
    return time


def parse_range(
    start: str | None, end: str | None, now: Time, default: Time, longest: Time
) -> tuple[Time, Time]:
    """Read `from` and `to`: [from, to), by default the `default` nanoseconds up to now.

    Raises:
        Problem: one is no time, or `to` is not after `from`, or they are too far apart.
    """
    until = parse_time("to", end) if end is not None else now + 1
    since = parse_time("from", start) if start is not None else until - default
    if since >= until:
        raise Problem.bad("from", "is not before `to`", "an earlier time")
    if until - since > longest:
        raise Problem.bad("from", "is too far from `to`", f"at most {longest // DAY} days")
    return since, until
