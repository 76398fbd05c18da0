"""What a model saw in one picture."""

from msgspec import Struct

from registry.model.time import Time


class Box(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One found object; corners as fractions of width and height, 0 to 1, y down."""

    label: str
    score: float
    x1: float
    y1: float
    x2: float
    y2: float
    track: int | None = None


class Detection(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="event",
    tag="detection",
    omit_defaults=True,
):
    """All objects that `model` found in the picture a camera took at `time`."""

    device: str
    model: str
    time: Time
    boxes: tuple[Box, ...] = ()
