"""Counts for an overview: how many devices there are, of what kind, where, and how they are."""

import sqlite3
from collections.abc import Sequence

from msgspec import Struct

from registry.model import Area, DeviceKind, DeviceState, Severity
from registry.store import areas
from registry.store.areas import enclosing, inside


class KindCount(Struct, frozen=True, kw_only=True):
    """Devices of one category and kind."""

    category: str
    kind: DeviceKind
    total: int
    online: int


class AreaCount(Struct, frozen=True, kw_only=True):
    """Devices in one area and everything below it."""

    code: str
    name: str
    name_en: str
    total: int
    online: int


class Summary(Struct, frozen=True, kw_only=True):
    """Devices that are not retired, and open alarms; every state and severity is present."""

    total: int
    states: dict[DeviceState, int]
    kinds: list[KindCount]
    areas: list[AreaCount]
    open_alarms: int
    unacknowledged: int
    severities: dict[Severity, int]


def summary(
    conn: sqlite3.Connection,
    area: str | None = None,
    *,
    within: tuple[str, ...] | None = None,
    on: str | None = None,
) -> Summary:
    """Count what lies in the subtree of `area`, listing the areas directly below it.

    `within` is what the asker may see (None: everything); `on` (ISO date) picks the valid areas.
    """
    where, parameters = _scope("area", area, within)
    rows = conn.execute(
        "SELECT category, kind, area, state, number FROM device_count"  # noqa: S608
        f" WHERE number > 0 AND {where}",
        parameters,
    ).fetchall()
    states = dict.fromkeys(DeviceState, 0)
    for _, _, _, state, number in rows:
        states[DeviceState(state)] += number
    open_alarms, unacknowledged, severities = _alarms(conn, area, within)
    return Summary(
        total=sum(states.values()),
        states=states,
        kinds=_kinds(rows),
        areas=_areas(rows, areas.everything(conn), area, on),
        open_alarms=open_alarms,
        unacknowledged=unacknowledged,
        severities=severities,
    )


def drift(conn: sqlite3.Connection) -> list[tuple[str, str, str, str, int, int]]:
    """Return where the counts differ from a recount: (area, category, kind, state, kept, true).

    Empty unless someone wrote to the tables past the triggers; costs a scan.
    """
    return conn.execute(
        "WITH true(area, category, kind, state, number) AS ("
        " SELECT COALESCE(d.area, ''), d.category, d.kind, s.state, count(*) FROM device d"
        " JOIN device_state s ON s.device=d.id WHERE d.lifecycle <> 'retired' GROUP BY 1, 2, 3, 4)"
        " SELECT area, category, kind, state, sum(kept), sum(number) FROM ("
        "  SELECT area, category, kind, state, number AS kept, 0 AS number FROM device_count"
        "  UNION ALL SELECT area, category, kind, state, 0, number FROM true)"
        " GROUP BY 1, 2, 3, 4 HAVING sum(kept) <> sum(number)"
    ).fetchall()


_Row = tuple[str, str, str, str, int]


def _scope(column: str, area: str | None, within: tuple[str, ...] | None) -> tuple[str, list[str]]:
    terms, parameters = ["1"], []
    for codes in ((area,) if area else None, within):
        if codes is not None:
            sql, more = inside(column, codes)
            terms.append(sql)
            parameters += more
    return " AND ".join(terms), parameters


def _kinds(rows: Sequence[_Row]) -> list[KindCount]:
    counts: dict[tuple[str, str], list[int]] = {}
    for category, kind, _, state, number in rows:
        both = counts.setdefault((category, kind), [0, 0])
        both[0] += number
        both[1] += number if state == DeviceState.ONLINE else 0
    return [
        KindCount(category=category, kind=DeviceKind(kind), total=total, online=online)
        for (category, kind), (total, online) in sorted(counts.items())
    ]


def _areas(
    rows: Sequence[_Row], known: Sequence[Area], area: str | None, on: str | None
) -> list[AreaCount]:
    current = {item.code: item for item in known if on is None or areas.valid(item, on)}
    shown = _children(current, area)
    counts = {code: [0, 0] for code in shown}
    for _, _, code, state, number in rows:
        home = _first_shown(code, current, counts)
        if home is not None:
            counts[home][0] += number
            counts[home][1] += number if state == DeviceState.ONLINE else 0
    return [
        AreaCount(
            code=code,
            name=current[code].name,
            name_en=current[code].name_en,
            total=total,
            online=online,
        )
        for code, (total, online) in counts.items()
    ]


def _children(current: dict[str, Area], area: str | None) -> list[str]:
    def parent(item: Area) -> str | None:
        up = item.parent or enclosing(item.code)
        return up if up in current else None

    roots = [code for code, item in current.items() if parent(item) is None]
    if area is None and len(roots) == 1:
        area = roots[0]
    below = [code for code, item in current.items() if area is not None and parent(item) == area]
    if area is None:
        return roots
    return below or [code for code in (area,) if code in current]


def _first_shown(start: str, current: dict[str, Area], shown: dict[str, list[int]]) -> str | None:
    seen: set[str] = set()
    code: str | None = start or None
    while code is not None and code not in shown and code not in seen:
        seen.add(code)
        item = current.get(code)
        code = item.parent if item is not None and item.parent else enclosing(code)
    return code if code in shown else None


def _alarms(
    conn: sqlite3.Connection, area: str | None, within: tuple[str, ...] | None
) -> tuple[int, int, dict[Severity, int]]:
    where, parameters = _scope("area", area, within)
    rows = conn.execute(
        "SELECT severity, count(*), sum(acknowledged_by IS NULL) FROM alarm"  # noqa: S608
        f" WHERE state <> 'cleared' AND {where} GROUP BY severity",
        parameters,
    ).fetchall()
    severities = dict.fromkeys(Severity, 0)
    severities.update({Severity(severity): number for severity, number, _ in rows})
    return sum(row[1] for row in rows), sum(row[2] for row in rows), severities
