"""Alarms as rows; what they mean is the alarm book's business."""

import sqlite3
from typing import Any, Final

from msgspec import Struct

from registry.model import Alarm, AlarmState, Severity, Time
from registry.store import areas, paging
from registry.store.areas import inside
from registry.store.codec import face, pack_checked, unpack
from registry.store.transaction import Transaction


class AlarmFilter(Struct, frozen=True, kw_only=True):
    """What alarms are asked for; every given condition must hold. Newest raised come first.

    `since` and `until` bound the time of raising: [since, until). `area` and `within` hold for
    whole subtrees; `within` is what the asker may see (None: everything).
    """

    open: bool | None = None
    severity: Severity | None = None
    device: str | None = None
    type: str | None = None
    area: str | None = None
    within: tuple[str, ...] | None = None
    since: Time | None = None
    until: Time | None = None
    acknowledged: bool | None = None


class AlarmRow(Struct, frozen=True, kw_only=True):
    """An alarm with what a list shows beside it; the place is the alarm's or its device's."""

    alarm: Alarm
    device_name: str
    area: str | None
    area_name: str
    lon: float | None
    lat: float | None
    unit: str


class AlarmPage(Struct, frozen=True, kw_only=True):
    """Some rows and the token for those after them, None at the end."""

    items: list[AlarmRow]
    next: str | None


def put(tx: Transaction, alarm: Alarm) -> None:
    """Insert or replace an alarm by id; an alarm without an area takes its device's.

    Raises:
        sqlite3.IntegrityError: another alarm with this key is open: merge into `get_open` first.
        Faulty: a field holds what cannot be read back.
    """
    acknowledged = alarm.acknowledged
    tx.execute(
        "INSERT INTO alarm(id, key, device, point, type, severity, state, message, area,"
        " raised_time, updated_time, cleared_time, acknowledged_by, acknowledged_time, count,"
        " body) VALUES(?,?,?,?,?,?,?,?, COALESCE(?, (SELECT area FROM device WHERE id=?)),"
        "?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET key=excluded.key, device=excluded.device,"
        " point=excluded.point, type=excluded.type, severity=excluded.severity,"
        " state=excluded.state, message=excluded.message, area=excluded.area,"
        " raised_time=excluded.raised_time, updated_time=excluded.updated_time,"
        " cleared_time=excluded.cleared_time, acknowledged_by=excluded.acknowledged_by,"
        " acknowledged_time=excluded.acknowledged_time, count=excluded.count,"
        " body=excluded.body",
        (
            alarm.id,
            alarm.key,
            alarm.device,
            alarm.point,
            alarm.type,
            alarm.severity.value,
            alarm.state.value,
            alarm.message,
            alarm.area,
            alarm.device,
            alarm.raised_time,
            alarm.updated_time,
            alarm.cleared_time,
            acknowledged.by if acknowledged else None,
            acknowledged.time if acknowledged else None,
            alarm.count,
            pack_checked(alarm),
        ),
    )


def get(conn: Transaction, alarm: str) -> Alarm | None:
    """Return one alarm by id, or None."""
    row = conn.execute("SELECT body FROM alarm WHERE id=?", (alarm,)).fetchone()
    return None if row is None else unpack(row[0], Alarm)


def get_row(conn: sqlite3.Connection, alarm: str) -> AlarmRow | None:
    """Return one alarm by id with what a list shows, or None."""
    rows = conn.execute(f"{_SELECT} WHERE a.id=?", (alarm,)).fetchall()
    return _rows(conn, rows)[0] if rows else None


def get_open(conn: Transaction, key: str) -> Alarm | None:
    """Return the open alarm with a key, or None: there is one at most."""
    row = conn.execute(
        "SELECT body FROM alarm WHERE key=? AND state <> 'cleared'", (key,)
    ).fetchone()
    return None if row is None else unpack(row[0], Alarm)


def last_cleared(conn: Transaction, key: str, since: Time) -> Alarm | None:
    """Return the alarm with a key that was cleared last, if that was not before `since`."""
    row = conn.execute(
        "SELECT body FROM alarm WHERE key=? AND state='cleared' AND cleared_time>=?"
        " ORDER BY cleared_time DESC LIMIT 1",
        (key, since),
    ).fetchone()
    return None if row is None else unpack(row[0], Alarm)


def all_open(conn: Transaction) -> list[Alarm]:
    """Return every open alarm."""
    rows = conn.execute("SELECT body FROM alarm WHERE state <> 'cleared'").fetchall()
    return [unpack(body, Alarm) for (body,) in rows]


def search(
    conn: sqlite3.Connection,
    wanted: AlarmFilter,
    *,
    limit: int = paging.DEFAULT_LIMIT,
    after: str | None = None,
) -> AlarmPage:
    """Return one page, newest first.

    Raises:
        Faulty: `after` belongs to another search.
    """
    limit = paging.clamp(limit)
    where, parameters = _conditions(wanted)
    if after is not None:
        where.append("(a.raised_time, a.id) < (?, ?)")
        parameters += paging.unseal(wanted, after, width=2)
    rows = conn.execute(
        f"{_SELECT} WHERE {' AND '.join(where) or '1'}"
        " ORDER BY a.raised_time DESC, a.id DESC LIMIT ?",
        (*parameters, limit + 1),
    ).fetchall()
    items = _rows(conn, rows[:limit])
    if len(rows) <= limit:
        return AlarmPage(items=items, next=None)
    last = items[-1].alarm
    return AlarmPage(items=items, next=paging.seal(wanted, (last.raised_time, last.id)))


def histogram(
    conn: sqlite3.Connection, start: Time, step: int, bins: int, wanted: AlarmFilter | None = None
) -> list[dict[Severity, int]]:
    """Count alarms by the time of raising: `bins` steps of `step` nanoseconds from `start`."""
    where, parameters = _conditions(wanted or AlarmFilter())
    counts = [dict.fromkeys(Severity, 0) for _ in range(bins)]
    rows = conn.execute(
        "SELECT (a.raised_time - ?) / ?, a.severity, count(*) FROM alarm a"  # noqa: S608
        f" WHERE {' AND '.join([*where, 'a.raised_time >= ?', 'a.raised_time < ?'])}"
        " GROUP BY 1, 2",
        (start, step, *parameters, start, start + bins * step),
    )
    for place, severity, number in rows:
        counts[place][Severity(severity)] = number
    return counts


def prune(tx: Transaction, before: Time, *, limit: int = 500) -> int:
    """Drop up to `limit` alarms cleared before `before`; return how many."""
    return tx.execute(
        "DELETE FROM alarm WHERE id IN (SELECT id FROM alarm WHERE state='cleared'"
        " AND cleared_time<? LIMIT ?)",
        (before, limit),
    ).rowcount


_SELECT: Final = (
    "SELECT a.body, a.area, d.name, d.lon, d.lat,"
    " CASE WHEN a.point='' THEN NULL ELSE d.body END"
    " FROM alarm a LEFT JOIN device d ON d.id=a.device"
)


def _conditions(wanted: AlarmFilter) -> tuple[list[str], list[Any]]:
    columns = {
        "a.severity=?": wanted.severity,
        "a.device=?": wanted.device,
        "a.type=?": wanted.type,
        "a.raised_time>=?": wanted.since,
        "a.raised_time<?": wanted.until,
    }
    given = {sql: value for sql, value in columns.items() if value is not None}
    where, parameters = list(given), list(given.values())
    if wanted.open is not None:
        where.append(f"a.state {'<>' if wanted.open else '='} '{AlarmState.CLEARED}'")
    if wanted.acknowledged is not None:
        where.append(f"a.acknowledged_by IS {'NOT ' if wanted.acknowledged else ''}NULL")
    for codes in ((wanted.area,) if wanted.area else None, wanted.within):
        if codes is not None:
            sql, more = inside("a.area", codes)
            where.append(sql)
            parameters += more
    return where, parameters


def _rows(conn: sqlite3.Connection, rows: list[Any]) -> list[AlarmRow]:
    names = areas.named(conn, {row[1] for row in rows if row[1]})
    return [
        _row(unpack(body, Alarm), area, names[area].name if area in names else "", *rest)
        for body, area, *rest in rows
    ]


def _row(
    alarm: Alarm,
    area: str | None,
    area_name: str,
    device_name: str | None,
    lon: float | None,
    lat: float | None,
    device_body: str | None,
) -> AlarmRow:
    points = face(device_body).points if device_body else ()
    return AlarmRow(
        alarm=alarm,
        device_name=device_name or "",
        area=area,
        area_name=area_name,
        lon=alarm.place.lon if alarm.place else lon,
        lat=alarm.place.lat if alarm.place else lat,
        unit=next((point.unit for point in points if point.name == alarm.point), ""),
    )
