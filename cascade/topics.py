"""Where things are said: `ganzhi/1/<upper>/<lower>/...`, one branch per lower node.

A lower node may write `up/#` and read `ack/#` and `down` of its own branch, nothing else.
"""

from typing import Final

_ROOT: Final = "ganzhi/1"
BIRTH: Final = "birth"
HEARTBEAT: Final = "heartbeat"
FAREWELL: Final = "farewell"
DOWN_ACK: Final = "down-ack"
RESUME: Final = "resume"


def up(upper: str, lower: str, part: str) -> str:
    """Return the topic for a lane (`alarm` ...) or a control message on its way up."""
    return f"{_ROOT}/{upper}/{lower}/up/{part}"


def ack(upper: str, lower: str, part: str) -> str:
    """Return the topic for an acknowledgement of a lane, or for `resume`."""
    return f"{_ROOT}/{upper}/{lower}/ack/{part}"


def down(upper: str, lower: str) -> str:
    """Return the topic for envelopes on their way down."""
    return f"{_ROOT}/{upper}/{lower}/down"


def from_below(upper: str) -> str:
    """Return the filter for all that comes up to `upper`."""
    return f"{_ROOT}/{upper}/+/up/#"


def from_above(upper: str, lower: str) -> tuple[str, str]:
    """Return the filters for all that comes down to `lower`."""
    return f"{_ROOT}/{upper}/{lower}/ack/#", down(upper, lower)


def parse_up(upper: str, topic: str) -> tuple[str, str] | None:
    """Split a topic that came up into (lower node, part); None if it is none."""
    parts = topic.split("/")
    if len(parts) == 6 and parts[:3] == [*_ROOT.split("/"), upper] and parts[4] == "up":
        return parts[3], parts[5]
    return None
