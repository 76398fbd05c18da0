"""Taking a document of devices, areas, profiles and rules into a node's registry."""

import asyncio
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from gateway.core import Core
from protocols import catalogue
from registry.exchange.document import Document, read_devices
from registry.exchange.plan import Difference, difference
from registry.model import Discovered, Event, Faulty
from registry.store import areas, devices, profiles, rules
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

    `complete` says that the document holds all of them: those missing are to be retired.

    Raises:
        Faulty: the registry would refuse something; nothing is changed.
    """
    me = core.settings.node.name
    own = [d for d in core.roster.own().values() if d.id != me]
    found = difference(own, document.devices, retire_missing_of=me if complete else None)
    if found.faults:
        raise Faulty(found.faults)
    return found


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


def _taken(found: Difference, edited: tuple[int, int, int]) -> Taken:
    return Taken(
        new=len(found.new),
        changed=len(found.changed),
        same=len(found.same),
        retired=len(found.retired),
        areas=edited[0],
        profiles=edited[1],
        rules=edited[2],
    )
