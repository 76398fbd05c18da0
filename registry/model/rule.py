"""Rules: when a value becomes an alarm."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from registry.model.alarm import Severity


class Comparison(StrEnum):
    ABOVE = "above"
    BELOW = "below"


class ThresholdRule(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Raise when a value passes `limit`, clear when it is back past `limit` by `hysteresis`.

    Applies to every device that matches all the given selectors (an empty one matches any).
    """

    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    point: str
    comparison: Comparison
    limit: float
    severity: Severity
    hysteresis: Annotated[float, Meta(ge=0)] = 0.0
    title: str = ""
    device: str | None = None
    category: str | None = None
    tag: str | None = None
    enabled: bool = True
