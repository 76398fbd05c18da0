"""Who may publish and subscribe to what."""

from collections.abc import Callable, Mapping
from typing import Final, Literal

from msgspec import Struct

Action = Literal["publish", "subscribe", "receive"]
Access = Callable[[str, str, Action], bool]
"""(user, topic or topic filter, action) -> allowed. Asked for every message: keep it cheap."""


class Rights(Struct, frozen=True, kw_only=True):
    """Topic filters a user may publish and subscribe within; `without` takes some away again."""

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


CASCADE: Final = "ganzhi/#"
"""The topics in which nodes speak with one another."""

EVERYTHING: Final = Rights(publish=("#",), subscribe=("#",))
"""The node that runs the broker."""

DEVICES: Final = Rights(publish=("#",), subscribe=("#",), without=(CASCADE,))
"""Devices and their gateways: all topics but those of the cascade."""


def lower_node(this: str, child: str) -> Rights:
    """Return what the lower node `child` needs at the broker of node `this`."""
    root = f"ganzhi/1/{this}/{child}"
    return Rights(publish=(f"{root}/up/#",), subscribe=(f"{root}/ack/#", f"{root}/down"))


def table(rights: Mapping[str, Rights]) -> Access:
    """Make the access function of a table user -> rights; who is not in it may nothing.

    The mapping is looked into at every question, so that it may change.
    """

    def allowed(user: str, topic: str, action: Action) -> bool:
        found = rights.get(user)
        if found is None or not topic:
            return False
        within = found.publish if action == "publish" else found.subscribe
        if not any(covers(outer, topic) for outer in within):
            return False
        return not any(overlaps(closed, topic) for closed in found.without)

    return allowed


def covers(outer: str, inner: str) -> bool:
    """Tell whether every topic that `inner` (topic or filter) matches is matched by `outer`."""
    if outer == inner:
        return True
    if inner.startswith("$") and outer[:1] in ("#", "+"):
        return False
    wide, narrow = outer.split("/"), inner.split("/")
    for i, level in enumerate(wide):
        if level == "#":
            return True
        if i >= len(narrow) or narrow[i] == "#":
            return False
        if level not in ("+", narrow[i]):
            return False
    return len(wide) == len(narrow)


def overlaps(one: str, other: str) -> bool:
    """Tell whether some topic is matched by both (topics or filters)."""
    left, right = one.split("/"), other.split("/")
    for a, b in zip(left, right, strict=False):
        if "#" in (a, b):
            return True
        if a != b and "+" not in (a, b):
            return False
    if len(left) == len(right):
        return True
    longer, shorter = (left, right) if len(left) > len(right) else (right, left)
    return len(longer) == len(shorter) + 1 and longer[-1] == "#"
