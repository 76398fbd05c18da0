"""The one list of device protocols; a protocol's code is imported when a device needs it."""

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Final, cast
from urllib.parse import urlsplit

from msgspec import Struct

from protocols.adapter import ProtocolModule
from registry.model import Device, Fault


class Entry(Struct, frozen=True, kw_only=True):
    """One protocol: the folder that speaks it and the URL schemes of its endpoints."""

    kind: str
    module: str
    schemes: tuple[str, ...]


CATALOGUE: Final[Sequence[Entry]] = (
    Entry(kind="mqtt", module="protocols.mqtt", schemes=("mqtt", "mqtts")),
    Entry(
        kind="modbus",
        module="protocols.modbus",
        schemes=("modbus+tcp", "modbus+rtu+tcp", "modbus+serial"),
    ),
    Entry(kind="opcua", module="protocols.opcua", schemes=("opc.tcp",)),
)

PUSHED: Final = "http"
"""Protocol of passive devices, whose data is pushed to the node's own API: no adapter."""


def find(kind: str) -> Entry | None:
    """Return the entry of a protocol, or None."""
    return next((entry for entry in CATALOGUE if entry.kind == kind), None)


def load(entry: Entry) -> ProtocolModule:
    """Import a protocol's folder."""
    return cast(ProtocolModule, import_module(entry.module))


def check(device: Device) -> Iterable[Fault]:
    """Return every mistake in a device's link: unknown protocol, wrong scheme, bad addresses."""
    link = device.link
    if link is None or link.protocol == PUSHED:
        return []
    entry = find(link.protocol)
    if entry is None:
        known = ", ".join([*(e.kind for e in CATALOGUE), PUSHED])
        return [Fault(where="link.protocol", message=f"unknown: {link.protocol!r}", expected=known)]
    if urlsplit(link.endpoint).scheme not in entry.schemes:
        expected = " or ".join(f"{scheme}://..." for scheme in entry.schemes)
        return [
            Fault(
                where="link.endpoint",
                message=f"{link.endpoint!r} is no {entry.kind} URL",
                expected=expected,
            )
        ]
    return load(entry).check(device)
