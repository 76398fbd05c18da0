"""Administrative areas, each code with its time of validity."""

import sqlite3
from collections.abc import Iterable, Sequence

from registry.model import Area, AreaKind
from registry.model.area import subtree_prefix
from registry.store.transaction import Transaction

_COLUMNS = "code, valid_from, valid_to, name, name_en, kind, parent"


def put(tx: Transaction, area: Area) -> bool:
    """Store an area under its code and first day; False if it was there as it is."""
    return (
        tx.execute(
            f"INSERT INTO area({_COLUMNS}) VALUES(?,?,?,?,?,?,?)"
            " ON CONFLICT(code, valid_from) DO UPDATE SET valid_to=excluded.valid_to,"
            " name=excluded.name, name_en=excluded.name_en, kind=excluded.kind,"
            " parent=excluded.parent"
            " WHERE (valid_to, name, name_en, kind, parent) IS NOT (excluded.valid_to,"
            " excluded.name, excluded.name_en, excluded.kind, excluded.parent)",
            (
                area.code,
                area.valid_from or "",
                area.valid_to,
                area.name,
                area.name_en,
                area.kind.value,
                area.parent,
            ),
        ).rowcount
        > 0
    )


def everything(conn: sqlite3.Connection, *, on: str | None = None) -> list[Area]:
    """Return all areas by code; `on` (an ISO date) leaves those that are valid that day.

    Without `on` the result also holds past and coming validities of a code, oldest first.
    """
    rows = conn.execute(f"SELECT {_COLUMNS} FROM area ORDER BY code, valid_from")  # noqa: S608
    areas = [_area(row) for row in rows]
    return areas if on is None else [area for area in areas if valid(area, on)]


def named(
    conn: sqlite3.Connection, codes: Iterable[str], *, on: str | None = None
) -> dict[str, Area]:
    """Return the areas of the given codes as valid `on` a day, or else their newest version."""
    found: dict[str, Area] = {}
    for code in set(codes):
        rows = conn.execute(
            f"SELECT {_COLUMNS} FROM area WHERE code=? ORDER BY valid_from",  # noqa: S608
            (code,),
        ).fetchall()
        for row in rows:
            area = _area(row)
            if on is None or valid(area, on) or code not in found:
                found[code] = area
    return found


def path(conn: sqlite3.Connection, code: str, *, on: str | None = None) -> list[Area]:
    """Return the areas that contain `code` from the outermost to its own, as far as known."""
    chain: list[Area] = []
    seen: set[str] = set()
    at: str | None = code
    while at is not None and at not in seen:
        seen.add(at)
        area = named(conn, [at], on=on).get(at)
        if area is not None:
            chain.append(area)
        at = area.parent if area is not None and area.parent else enclosing(at)
    return chain[::-1]


def valid(area: Area, on: str) -> bool:
    """Tell whether an area's code stands on an ISO date; the last day is excluded."""
    return (area.valid_from or "") <= on and (area.valid_to is None or on < area.valid_to)


def enclosing(code: str) -> str | None:
    """Return the code one level up by its digits: village, town, county, city, province."""
    if len(code) > 6:
        return code[: len(code) - 3]
    if code.endswith("0000"):
        return None
    return f"{code[:2]}0000" if code.endswith("00") else f"{code[:4]}00"


def inside(column: str, codes: Sequence[str]) -> tuple[str, list[str]]:
    """Return SQL and parameters that hold where `column` lies in the subtree of any code."""
    terms, parameters = [], []
    for code in codes:
        prefix = subtree_prefix(code)
        terms.append(f"({column} >= ? AND {column} < ?)")
        parameters += [prefix, prefix + ":"]  # ":" follows "9"
    return (f"({' OR '.join(terms)})" if terms else "0", parameters)


def _area(row: tuple[str, str, str | None, str, str, str, str | None]) -> Area:
    return Area(
        code=row[0],
        valid_from=row[1] or None,
        valid_to=row[2],
        name=row[3],
        name_en=row[4],
        kind=AreaKind(row[5]),
        parent=row[6],
    )
