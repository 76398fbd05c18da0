"""Searching devices: what a list, a map and a table ask."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct, structs

from registry.coordinates import Bounds, Pair, box_around, distance
from registry.model import (
    DeviceKind,
    DeviceState,
    Fault,
    Faulty,
    Lifecycle,
    Quality,
    Severity,
    Time,
    Value,
)
from registry.store import paging
from registry.store.areas import inside
from registry.store.codec import face, typed

MAX_RADIUS: Final = 100_000.0
_CROWD: Final = 20_000
_CHUNK: Final = 500


class DeviceFilter(Struct, frozen=True, kw_only=True):
    """What devices are asked for; every given condition must hold.

    `bbox` is west, south, east, north; `near` (lon, lat) with `radius` metres sorts by distance,
    otherwise results come by id. `area` and `within` hold for whole subtrees; `within` is what
    the asker may see (None: everything). `q` is looked for in id, name and codes. Retired
    devices are found only by `lifecycle`.
    """

    bbox: Bounds | None = None
    near: Pair | None = None
    radius: float = 1_000.0
    area: str | None = None
    within: tuple[str, ...] | None = None
    kind: DeviceKind | None = None
    category: str | None = None
    state: DeviceState | None = None
    home: str | None = None
    tag: str | None = None
    key_point: bool | None = None
    q: str | None = None
    code: tuple[str, str] | None = None
    lifecycle: Lifecycle | None = None


class Headline(Struct, frozen=True, kw_only=True):
    """The live value of a device's first point."""

    point: str
    title: str
    value: Value | None
    unit: str
    quality: Quality
    time: Time


class DeviceRow(Struct, frozen=True, kw_only=True):
    """A device in a list; `metres` is its distance where `near` was asked."""

    id: str
    name: str
    kind: DeviceKind
    category: str
    sensing: str
    home: str
    area: str | None
    lon: float | None
    lat: float | None
    key_point: bool
    lifecycle: Lifecycle
    protocol: str | None
    parent: str | None
    via: str | None
    state: DeviceState
    since: Time
    cause: str
    last_seen: Time
    alarm: Severity | None
    headline: Headline | None
    metres: float | None = None


class DevicePage(Struct, frozen=True, kw_only=True):
    """Some rows and the token for those after them, None at the end."""

    items: list[DeviceRow]
    next: str | None


def search(
    conn: sqlite3.Connection,
    wanted: DeviceFilter,
    *,
    limit: int = paging.DEFAULT_LIMIT,
    after: str | None = None,
) -> DevicePage:
    """Return one page; a `limit` beyond 10,000 is served as 10,000.

    Raises:
        Faulty: `after` belongs to another search, or the radius is above 100 km.
    """
    limit = paging.clamp(limit)
    if wanted.near is not None:
        return _nearest(conn, wanted, wanted.near, limit, after)
    where, parameters = _conditions(wanted)
    if after is not None:
        where.append("d.id > ?")
        parameters += paging.unseal(wanted, after, width=1)
    _narrow(conn, wanted.bbox, where, parameters)
    chosen = (
        "SELECT d.serial FROM device d JOIN device_state s ON s.device=d.id"  # noqa: S608
        f" WHERE {' AND '.join(where) or '1'} ORDER BY d.id LIMIT ?"
    )
    rows = conn.execute(
        f"{_SELECT} FROM {_TABLES} WHERE d.serial IN ({chosen}) ORDER BY d.id",
        (*parameters, limit + 1),
    ).fetchall()
    more = len(rows) > limit
    items = [_row(row) for row in rows[:limit]]
    return DevicePage(items=items, next=paging.seal(wanted, (items[-1].id,)) if more else None)


def rows_of(conn: sqlite3.Connection, devices: Sequence[str]) -> list[DeviceRow]:
    """Return the rows of the given ids, in that order; unknown ids are left out."""
    found: dict[str, DeviceRow] = {}
    for start in range(0, len(devices), _CHUNK):
        chunk = devices[start : start + _CHUNK]
        marks = ",".join("?" * len(chunk))
        rows = conn.execute(f"{_SELECT} FROM {_TABLES} WHERE d.id IN ({marks})", chunk)
        found.update((row[0], _row(row)) for row in rows)
    return [found[device] for device in devices if device in found]


def count(conn: sqlite3.Connection, wanted: DeviceFilter) -> int:
    """Return how many devices match; costs a scan of what the filter leaves."""
    if wanted.near is not None:
        return len(_candidates(conn, wanted, wanted.near))
    where, parameters = _conditions(wanted)
    _narrow(conn, wanted.bbox, where, parameters)
    row = conn.execute(
        f"SELECT count(*) FROM {_TABLES} WHERE {' AND '.join(where) or '1'}",  # noqa: S608
        parameters,
    ).fetchone()
    return int(row[0])


_TABLES: Final = (
    "device d JOIN device_state s ON s.device=d.id"
    " LEFT JOIN latest l ON l.device=d.id AND l.point=d.headline"
)
_SELECT: Final = (
    "SELECT d.id, d.name, d.kind, d.category, d.sensing, d.home, d.area, d.lon, d.lat,"
    " d.key_point, d.lifecycle, d.protocol, d.parent, d.via,"
    " s.state, s.since, s.cause, s.last_seen,"
    " (SELECT min(CASE a.severity WHEN 'critical' THEN 0 WHEN 'major' THEN 1 WHEN 'minor' THEN 2"
    " ELSE 3 END) FROM alarm a WHERE a.device=d.id AND a.state <> 'cleared'),"
    " l.point, l.value, l.quality, l.source_time,"
    " CASE WHEN l.point IS NULL THEN NULL ELSE d.body END"
)
_SEVERITIES: Final = tuple(Severity)


def _conditions(wanted: DeviceFilter) -> tuple[list[str], list[Any]]:
    where, parameters = _plain(wanted)
    if wanted.lifecycle is None:
        where.append("d.lifecycle <> 'retired'")
    for codes in ((wanted.area,) if wanted.area else None, wanted.within):
        if codes is not None:
            sql, more = inside("d.area", codes)
            where.append(sql)
            parameters += more
    if wanted.bbox is not None:
        where.append("d.lon BETWEEN ? AND ? AND d.lat BETWEEN ? AND ?")
        west, south, east, north = wanted.bbox
        parameters += [west, east, south, north]
    if wanted.tag is not None:
        where.append("d.id IN (SELECT device FROM device_tag WHERE tag=?)")
        parameters.append(wanted.tag)
    if wanted.code is not None:
        where.append("d.id IN (SELECT device FROM device_code WHERE scheme=? AND value=?)")
        parameters += wanted.code
    if wanted.q:
        where.append(
            "(d.id LIKE ? ESCAPE '\\' OR d.name LIKE ? ESCAPE '\\'"
            " OR d.id IN (SELECT device FROM device_code WHERE value LIKE ? ESCAPE '\\'))"
        )
        parameters += [_pattern(wanted.q)] * 3
    return where, parameters


def _plain(wanted: DeviceFilter) -> tuple[list[str], list[Any]]:
    columns = {
        "d.kind": wanted.kind,
        "d.category": wanted.category,
        "d.home": wanted.home,
        "d.key_point": wanted.key_point,
        "d.lifecycle": wanted.lifecycle,
        "s.state": wanted.state,
    }
    given = {column: value for column, value in columns.items() if value is not None}
    return [f"{column}=?" for column in given], list(given.values())


def _pattern(text: str) -> str:
    for special in "\\%_":
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


def _narrow(
    conn: sqlite3.Connection, bbox: Bounds | None, where: list[str], parameters: list[Any]
) -> None:
    """Let the tree find a box, unless it is crowded: then reading in order of id is faster."""
    if bbox is None:
        return
    west, south, east, north = bbox
    tree = "west <= ? AND east >= ? AND south <= ? AND north >= ?"
    box = (east, west, north, south)
    crowd = conn.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM device_tree WHERE {tree} LIMIT ?)",  # noqa: S608
        (*box, _CROWD),
    ).fetchone()[0]
    if crowd < _CROWD:
        where.append(f"d.serial IN (SELECT serial FROM device_tree WHERE {tree})")  # noqa: S608
        parameters += box


def _candidates(
    conn: sqlite3.Connection, wanted: DeviceFilter, near: Pair
) -> list[tuple[float, str]]:
    if not 0 < wanted.radius <= MAX_RADIUS:
        raise Faulty(
            [
                Fault(
                    where="radius",
                    message=f"{wanted.radius:g} m",
                    expected=f"more than 0, at most {MAX_RADIUS:g}",
                )
            ]
        )
    where, parameters = _conditions(wanted)
    west, south, east, north = box_around(near, wanted.radius)
    rows = conn.execute(
        "SELECT d.id, d.lon, d.lat FROM device_tree t JOIN device d ON d.serial=t.serial"  # noqa: S608
        " JOIN device_state s ON s.device=d.id"
        " WHERE t.west <= ? AND t.east >= ? AND t.south <= ? AND t.north >= ?"
        f" AND {' AND '.join(where) or '1'}",
        (east, west, north, south, *parameters),
    )
    measured = ((distance(near, (lon, lat)), device) for device, lon, lat in rows)
    return sorted(pair for pair in measured if pair[0] <= wanted.radius)


def _nearest(
    conn: sqlite3.Connection, wanted: DeviceFilter, near: Pair, limit: int, after: str | None
) -> DevicePage:
    found = _candidates(conn, wanted, near)
    if after is not None:
        last = paging.unseal(wanted, after, width=2)
        found = [pair for pair in found if pair > last]
    page = found[:limit]
    metres = {device: far for far, device in page}
    rows = rows_of(conn, [device for _, device in page])
    items = [structs.replace(row, metres=metres[row.id]) for row in rows]
    more = len(found) > limit
    return DevicePage(items=items, next=paging.seal(wanted, page[-1]) if more else None)


def _row(row: Sequence[Any]) -> DeviceRow:
    return DeviceRow(
        id=row[0],
        name=row[1],
        kind=DeviceKind(row[2]),
        category=row[3],
        sensing=row[4],
        home=row[5],
        area=row[6],
        lon=row[7],
        lat=row[8],
        key_point=bool(row[9]),
        lifecycle=Lifecycle(row[10]),
        protocol=row[11],
        parent=row[12],
        via=row[13],
        state=DeviceState(row[14]),
        since=row[15],
        cause=row[16],
        last_seen=row[17],
        alarm=None if row[18] is None else _SEVERITIES[row[18]],
        headline=None if row[19] is None else _headline(*row[19:24]),
    )


def _headline(point: str, value: Value | None, quality: int, time: Time, body: str) -> Headline:
    shown = next(p for p in face(body).points if p.name == point)
    return Headline(
        point=point,
        title=shown.title,
        value=typed(value, shown.type),
        unit=shown.unit,
        quality=Quality(quality),
        time=time,
    )
