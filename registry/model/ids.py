"""Identifiers: device ids, node names and the sortable ids of alarms and commands."""

import re
import secrets
from typing import Annotated, Final

from msgspec import Meta

DEVICE_ID_PATTERN: Final = r"^[A-Za-z0-9._~-]{1,96}$"
NODE_NAME_PATTERN: Final = r"^[A-Za-z0-9._-]{1,48}$"

DeviceId = Annotated[
    str,
    Meta(
        pattern=DEVICE_ID_PATTERN,
        description="Opaque, immutable, unique in the province.",
    ),
]
NodeName = Annotated[str, Meta(pattern=NODE_NAME_PATTERN, description="Name of a Ganzhi node.")]

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DEVICE_ID: Final = re.compile(DEVICE_ID_PATTERN)


def is_device_id(text: str) -> bool:
    """Tell whether `text` may be a device id."""
    return _DEVICE_ID.match(text) is not None


def device_id(home: str, local: str) -> str:
    """Build the default id of a device: `<home>~<local>`."""
    return f"{home}~{local}"


def local_part(device: str) -> str:
    """Return what a device is called at its home: the part after the first `~`."""
    return device.partition("~")[2] or device


def ulid(now_ns: int) -> str:
    """Make a ULID (26 characters, sortable by time) for the moment `now_ns` (UTC nanoseconds)."""
    number = (now_ns // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))
