"""Live changes as Server-Sent Events."""

from typing import Final

TOPICS: Final = ("status", "latest", "alarms", "moved", "devices", "outcomes")
QUALITIES: Final = ("good", "uncertain", "bad")

_PING: Final = b": ping\n\n"


def encode_event(name: str, data: bytes, event_id: str = "") -> bytes:
    """Frame one event; `data` is JSON as msgspec writes it, on one line."""
    head = f"id: {event_id}\nevent: {name}\ndata: " if event_id else f"event: {name}\ndata: "
    return head.encode() + data + b"\n\n"
