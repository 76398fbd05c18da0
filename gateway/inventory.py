"""Taking a document of devices, areas, profiles and rules into a node's registry."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from gateway.config import Settings
from gateway.core import Core
from protocols import catalogue
from registry.exchange.document import Document, read_devices
from registry.exchange.plan import Difference, difference
from registry.model import Device, Discovered, Event, Fault, Faulty, Lifecycle
from registry.store import areas, devices, profiles, rules
from registry.store.database import open_reader
from registry.store.transaction import Transaction

_CHUNK: Final = 500
Format = Literal["csv", "yaml"]


class Taken(Struct, frozen=True, kw_only=True):
    """What a document changes, or would change."""

    new: int
    changed: int
    same: int
    retired: int
    areas: int = 0
    profiles: int = 0
    rules: int = 0

    def __str__(self) -> str:
        parts = [
            f"{self.new} new, {self.changed} changed, {self.same} the same, {self.retired} retired"
        ]
        parts += [
            f"{count} {name}"
            for name, count in (
                ("areas", self.areas),
                ("profiles", self.profiles),
                ("rules", self.rules),
            )
            if count
        ]
        return "; ".join(parts)


async def read(core: Core, data: bytes, format: Format) -> Document:
    """Read a file against what the node's registry knows.

    Raises:
        Faulty: with everything that is wrong in it.
    """
    known = await core.stores.readers.read(profiles.everything)
    node = core.settings.node.name
    return await asyncio.to_thread(
        read_devices, data, format, node=node, profiles=known, check=catalogue.check
    )


def compare(core: Core, document: Document, *, complete: bool) -> Difference:
    """Compare the node's own devices with a document.

    `complete` says that the document holds all of them: those missing are to be retired. The
    node itself, which is a device too, may be changed by a document and is never missing.

    Raises:
        Faulty: the registry would refuse something, or a device could not work here: it has
            another home, or its credential is not for it; nothing is changed.
    """
    me = core.settings.node.name
    named = {device.id for device in document.devices}
    own = [d for d in core.roster.own().values() if d.id != me or me in named]
    own += _tombstones(core, document)
    found = difference(own, document.devices, retire_missing_of=me if complete else None)
    faults = [
        replace(fault, where=f"{_place(document, device)}: {fault.where}")
        for device in document.devices
        for fault in _unfit(core.settings, device)
    ]
    if faults := [*faults, *found.faults]:
        raise Faulty(faults)
    return found


def _tombstones(core: Core, document: Document) -> list[Device]:
    """Return what is stored of the document's retired devices; the roster knows none."""
    gone = [
        device.id
        for device in document.devices
        if _is_retired(device) and core.roster.get(device.id) is None
    ]
    if not gone:
        return []
    connection = open_reader(Path(core.settings.data.folder) / "main.db")
    try:
        stored = [devices.get(connection, device) for device in gone]
    finally:
        connection.close()
    return [row.device for row in stored if row is not None]


def _place(document: Document, device: Device) -> str:
    line = document.lines.get(device.id)
    return device.id if line is None else f"line {line}, {device.id}"


def _unfit(settings: Settings, device: Device) -> Iterator[Fault]:
    me = settings.node.name
    if device.home != me:
        yield Fault(
            where="home",
            message=f"home is {device.home}, this node is {me}",
            expected=f"home: {me}, or no home at all",
        )
    elif not _is_retired(device):
        yield from credential_faults(settings, device)


def credential_faults(settings: Settings, device: Device) -> Iterator[Fault]:
    """Yield why the device's link may not use the credential it names; nothing if it may."""
    link = device.link
    if link is None or link.credential is None:
        return
    name = link.credential
    tiers = {tier.credential for tier in (settings.upper, settings.lower) if tier is not None}
    known = sorted(settings.credentials.keys() - tiers)
    credential = settings.credentials.get(name)
    if credential is None or name in tiers:
        what = "signs in at another tier" if name in tiers else "is not in the configuration"
        wanted = "an entry of `credentials` of its own" if name in tiers else f"credentials.{name}"
        expected = f"one of {', '.join(known)}" if known else wanted
        yield Fault(where="link.credential", message=f"{name!r} {what}", expected=expected)
        return
    host = urlsplit(link.endpoint).hostname or link.endpoint
    if link.protocol != catalogue.PUSHED and host not in credential.hosts:
        yield Fault(
            where="link.credential",
            message=f"credentials.{name}.hosts does not list {host}",
            expected=f"[{', '.join([*credential.hosts, host])}] there",
        )


async def take_in(core: Core, document: Document, *, complete: bool = False) -> Taken:
    """Store a document: nothing changes when it is taken in again.

    Raises:
        Faulty: the registry would refuse something; nothing was stored.
        StoreFailed: the disk refused; what was stored by then stays.
    """
    found = compare(core, document, complete=complete)
    edited = await core.write(lambda tx: _tables(tx, document, found))
    changed = [Discovered(device=device) for device in found.devices]
    for start in range(0, len(changed), _CHUNK):
        chunk: Sequence[Event] = changed[start : start + _CHUNK]
        await core.pipeline.emit(chunk, "import")
    if edited[2]:
        await core.load_rules()
    return _taken(found, edited)


def preview(core: Core, document: Document, *, complete: bool = False) -> Taken:
    """Say what `take_in` would change.

    Raises:
        Faulty: the registry would refuse something.
    """
    return _taken(compare(core, document, complete=complete), (0, 0, 0))


def _tables(tx: Transaction, document: Document, found: Difference) -> tuple[int, int, int]:
    devices.release(tx, found.devices)
    return (
        sum(areas.put(tx, area) for area in document.areas),
        sum(profiles.put(tx, profile) for profile in document.profiles),
        sum(rules.put(tx, rule) for rule in document.rules),
    )


def _is_retired(device: Device) -> bool:
    return device.lifecycle is Lifecycle.RETIRED


def _taken(found: Difference, edited: tuple[int, int, int]) -> Taken:
    ended = sum("lifecycle" in e.fields and _is_retired(e.after) for e in found.changed)
    return Taken(
        new=len(found.new),
        changed=len(found.changed) - ended,
        same=len(found.same),
        retired=len(found.retired) + ended,
        areas=edited[0],
        profiles=edited[1],
        rules=edited[2],
    )
