"""What the two ends of a cascade tell each other beside the envelopes. Maps in MessagePack: a
newer tier may add fields, which are ignored."""

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from cascade.faults import BadEnvelope
from cascade.outbox import Backlog
from cascade.parcel import ODD

MAX_CONTROL: Final = 64 * 1024


class LaneStanding(Struct, frozen=True, kw_only=True):
    """Of one lane: the first number that can still be sent, and the next one to be given."""

    first: int
    next: int


class Birth(Struct, frozen=True, kw_only=True):
    """A lower node begins: where may it go on? `birth` counts within a `session` (connection);
    `envelope` is the highest envelope version it writes."""

    node: str
    epoch: str
    session: str
    birth: int
    version: str
    envelope: int
    role: str
    lanes: dict[str, LaneStanding]


class Resume(Struct, frozen=True, kw_only=True):
    """The answer to a birth or a heartbeat, which it names: committed up to here, by lane.

    An empty `session` says that the upper tier began anew and asks for a birth.
    """

    upper: str
    upper_epoch: str
    epoch: str
    session: str
    birth: int
    positions: dict[str, int]


class Ack(Struct, frozen=True, kw_only=True):
    """Committed up to `sequence`; `resend` says that what follows did not arrive."""

    epoch: str
    sequence: int
    resend: bool = False


class Heartbeat(Struct, frozen=True, kw_only=True):
    """A lower node lives, and this is what waits in it, by lane."""

    node: str
    epoch: str
    session: str
    birth: int
    backlog: dict[str, Backlog]


class Farewell(Struct, frozen=True, kw_only=True):
    """A lower node left (or, as the broker's last will, was lost)."""

    node: str
    session: str
    cause: str


class DownAck(Struct, frozen=True, kw_only=True):
    """A lower node has stored what came down in `epoch` of the upper one, up to `sequence`."""

    epoch: str
    sequence: Annotated[int, Meta(ge=0, le=2**62)]
    resend: bool = False


Control = Birth | Resume | Ack | Heartbeat | Farewell | DownAck
C = TypeVar("C", Birth, Resume, Ack, Heartbeat, Farewell, DownAck)


def write(message: Control) -> bytes:
    """Return the bytes of a control message."""
    return msgspec.msgpack.encode(message)


def read(payload: bytes, kind: type[C]) -> C:
    """Read a control message of the kind its topic promises.

    Raises:
        BadEnvelope: it is something else, or longer than 64 kB.
    """
    if len(payload) > MAX_CONTROL:
        raise BadEnvelope("size", f"is {len(payload)} bytes, allowed are {MAX_CONTROL}")
    try:
        return msgspec.msgpack.decode(payload, type=kind)
    except ODD as error:
        raise BadEnvelope(kind.__name__.lower(), f"cannot be read: {error}") from error
