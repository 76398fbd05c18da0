"""Commands to devices and what became of them."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from registry.model.point import Scalar
from registry.model.reading import Value
from registry.model.time import Time


class Command(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="event",
    tag="command",
    omit_defaults=True,
):
    """An order to a device. `id` is a ULID: giving it twice does it once."""

    id: str
    device: str
    action: Annotated[str, Meta(description="write, call, publish, ptz ...")]
    deadline: Time
    asked_by: str
    asked_time: Time
    point: str = ""
    value: Value | None = None
    params: dict[str, Scalar] = {}


class OutcomeState(StrEnum):
    """Where a command stands; the first three are under way, the others final."""

    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    EXPIRED = "expired"
    NOT_CONNECTED = "not_connected"
    SENT_NO_ANSWER = "sent_no_answer"

    @property
    def final(self) -> bool:
        return self not in (
            OutcomeState.ACCEPTED,
            OutcomeState.SENT,
            OutcomeState.DELIVERED,
        )


class Outcome(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="event",
    tag="outcome",
    omit_defaults=True,
):
    """What became of a command, with a sentence for the operator."""

    command: str
    device: str
    state: OutcomeState
    time: Time
    detail: str = ""
    value: Value | None = None
