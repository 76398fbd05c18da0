"""Devices: the registry proper."""

import sqlite3
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from registry.changes import refusals
from registry.model import Device, Fault, Faulty, Lifecycle, Moved, Time
from registry.store.codec import headline, pack, pack_checked, unpack
from registry.store.transaction import Transaction

_COLUMNS: Final = (
    "home, name, kind, category, sensing, area, lon, lat, key_point, lifecycle, protocol,"
    " endpoint, parent, headline, via, body, updated"
)
_INSERT: Final = (
    f"INSERT INTO device({_COLUMNS}, id, revision, created)"
    " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,1,?)"
)
_UPDATE: Final = (
    f"UPDATE device SET {_COLUMNS.replace(',', '=?,')}=?, revision=revision+1 WHERE id=?"  # noqa: S608
)


class Change(StrEnum):
    """What an upsert did."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"


class StoredDevice(Struct, frozen=True, kw_only=True):
    """A device as stored; `via` is the child node that delivered it, None for an own device."""

    device: Device
    via: str | None
    revision: int
    created: Time
    updated: Time


def upsert(tx: Transaction, device: Device, *, via: str | None, now: Time) -> Change:
    """Store a device; storing it again as it is changes nothing.

    A retired device gives up its codes, so that its successor may carry them.

    Raises:
        Faulty: another device has one of its codes, a point would change its type, the id
            belongs to another home, or a number is not finite. Nothing was written.
    """
    row = tx.execute("SELECT serial, body, via FROM device WHERE id=?", (device.id,)).fetchone()
    if row is not None and row[2] == via and _same(row[1], device):
        return Change.SAME
    body = pack_checked(device)
    old = None if row is None else unpack(row[1], Device)
    faults = [] if old is None else refusals(old, device)
    if faults := faults + _taken_codes(tx, device):
        raise Faulty(faults)
    columns = _columns(device, via, body, now)
    if row is None:
        tx.execute(_INSERT, (*columns, device.id, now))
        row = tx.execute("SELECT serial FROM device WHERE id=?", (device.id,)).fetchone()
        tx.execute(
            "INSERT INTO device_state(device, state, since) VALUES(?, 'unknown', ?)"
            " ON CONFLICT(device) DO NOTHING",
            (device.id, now),
        )
    else:
        tx.execute(_UPDATE, (*columns, device.id))
    _index(tx, row[0], old, device)
    return Change.NEW if old is None else Change.CHANGED


def release(tx: Transaction, devices: Iterable[Device]) -> None:
    """Free the codes that these devices carry no more; precedes the upserts of an import.

    Two devices may so exchange their codes. A device that is then not upserted has lost them.
    """
    for device in devices:
        codes = _live_codes(device)
        rows = tx.execute(
            "SELECT scheme, value FROM device_code WHERE device=?", (device.id,)
        ).fetchall()
        gone = [(scheme, value) for scheme, value in rows if codes.get(scheme) != value]
        tx.executemany("DELETE FROM device_code WHERE scheme=? AND value=?", gone)


def retire(tx: Transaction, device: str, *, now: Time) -> Change:
    """Retire a device: it stays as a tombstone and gives up its codes; unknown ids are SAME."""
    row = tx.execute("SELECT body, via FROM device WHERE id=?", (device,)).fetchone()
    if row is None:
        return Change.SAME
    gone = msgspec.structs.replace(unpack(row[0], Device), lifecycle=Lifecycle.RETIRED)
    return upsert(tx, gone, via=row[1], now=now)


def remove(tx: Transaction, device: str) -> bool:
    """Forget a device with its live values and state; its alarms and state history stay."""
    row = tx.execute("SELECT serial FROM device WHERE id=?", (device,)).fetchone()
    if row is None:
        return False
    tx.execute("DELETE FROM device_tree WHERE serial=?", row)
    tx.execute("DELETE FROM device WHERE id=?", (device,))
    tx.execute("DELETE FROM latest WHERE device=?", (device,))
    tx.execute("DELETE FROM device_state WHERE device=?", (device,))
    return True


def remove_retired(tx: Transaction, before: Time, *, limit: int = 500) -> int:
    """Remove up to `limit` devices that were retired before `before`; return how many."""
    rows = tx.execute(
        "SELECT id FROM device WHERE lifecycle='retired' AND updated<? LIMIT ?", (before, limit)
    ).fetchall()
    return sum(remove(tx, device) for (device,) in rows)


def move(tx: Transaction, moved: Moved) -> bool:
    """Give a mobile device its new place; this is no new revision. False: unknown or same.

    Raises:
        Faulty: the place is none.
    """
    row = tx.execute("SELECT serial, body FROM device WHERE id=?", (moved.device,)).fetchone()
    if row is None:
        return False
    old = unpack(row[1], Device)
    if old.place == moved.place:
        return False
    new = msgspec.structs.replace(old, place=moved.place)
    body = pack_checked(new)
    tx.execute(
        "UPDATE device SET lon=?, lat=?, body=? WHERE serial=?",
        (moved.place.lon, moved.place.lat, body, row[0]),
    )
    _index_place(tx, row[0], new)
    return True


def load(conn: sqlite3.Connection) -> Iterator[tuple[Device, str | None]]:
    """Yield every device, retired ones too, with the child node that delivered it."""
    decoder = msgspec.json.Decoder(Device)
    for body, via in conn.execute("SELECT body, via FROM device ORDER BY serial"):
        yield decoder.decode(body), via


def get(conn: sqlite3.Connection, device: str) -> StoredDevice | None:
    """Return one device as stored, or None."""
    row = conn.execute(
        "SELECT body, via, revision, created, updated FROM device WHERE id=?", (device,)
    ).fetchone()
    if row is None:
        return None
    return StoredDevice(
        device=unpack(row[0], Device), via=row[1], revision=row[2], created=row[3], updated=row[4]
    )


def by_code(conn: sqlite3.Connection, scheme: str, value: str) -> str | None:
    """Return the id of the device that carries a code, or None."""
    row = conn.execute(
        "SELECT device FROM device_code WHERE scheme=? AND value=?", (scheme, value)
    ).fetchone()
    return None if row is None else str(row[0])


def _same(stored: str, device: Device) -> bool:
    # A float given as an int (lon=112) is written differently but is the same device.
    body = pack(device)
    return stored == body or stored == pack(unpack(pack_checked(device), Device))


def _columns(device: Device, via: str | None, body: str, now: Time) -> tuple[object, ...]:
    place, link = device.place, device.link
    return (
        device.home,
        device.name,
        device.kind.value,
        device.category,
        device.sensing.value,
        device.area,
        place.lon if place else None,
        place.lat if place else None,
        device.key_point,
        device.lifecycle.value,
        link.protocol if link else None,
        link.endpoint if link else None,
        device.parent,
        headline(device.points),
        via,
        body,
        now,
    )


def _live_codes(device: Device | None) -> dict[str, str]:
    if device is None or device.lifecycle is Lifecycle.RETIRED:
        return {}
    return device.codes


def _taken_codes(tx: Transaction, device: Device) -> list[Fault]:
    faults = []
    for scheme, value in _live_codes(device).items():
        row = tx.execute(
            "SELECT device FROM device_code WHERE scheme=? AND value=?", (scheme, value)
        ).fetchone()
        if row is not None and row[0] != device.id:
            faults.append(
                Fault(
                    where=f"codes.{scheme}",
                    message=f"{value} of device {device.id} already belongs to device {row[0]}",
                    expected="a code of its own, or retire the other device first",
                )
            )
    return faults


def _index(tx: Transaction, serial: int, old: Device | None, new: Device) -> None:
    codes = _live_codes(new)
    if _live_codes(old) != codes:
        tx.execute("DELETE FROM device_code WHERE device=?", (new.id,))
        tx.executemany(
            "INSERT INTO device_code(scheme, value, device) VALUES(?,?,?)",
            [(scheme, value, new.id) for scheme, value in codes.items()],
        )
    if (old.tags if old else ()) != new.tags:
        tx.execute("DELETE FROM device_tag WHERE device=?", (new.id,))
        tx.executemany(
            "INSERT OR IGNORE INTO device_tag(tag, device) VALUES(?,?)",
            [(tag, new.id) for tag in new.tags],
        )
    if (old.place if old else None) != new.place:
        _index_place(tx, serial, new)


def _index_place(tx: Transaction, serial: int, device: Device) -> None:
    if device.place is None:
        tx.execute("DELETE FROM device_tree WHERE serial=?", (serial,))
        return
    lon, lat = device.place.lon, device.place.lat
    tx.execute(
        "INSERT OR REPLACE INTO device_tree(serial, west, east, south, north) VALUES(?,?,?,?,?)",
        (serial, lon, lon, lat, lat),
    )
