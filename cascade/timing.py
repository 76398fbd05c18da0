"""How long each end of a cascade waits before it says something again."""

from typing import Annotated

from msgspec import Meta, Struct

from cascade.outbox import MAX_WINDOW


class Timing(Struct, frozen=True, kw_only=True):
    """Seconds, except where said; both tiers keep their own."""

    window: Annotated[int, Meta(ge=1, le=MAX_WINDOW, description="Envelopes per lane.")] = 16
    flights: Annotated[int, Meta(ge=1, description="Commits under way per lane.")] = 8
    resend: float = 5.0
    birth: float = 5.0
    heartbeat: float = 10.0
    silence: float = 35.0
    complaint: float = 1.0
    retry: Annotated[float, Meta(description="After a batch that could not be stored.")] = 5.0
    tick: float = 0.5
