"""Device tables: CSV text to entries and back."""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from registry.exchange.columns import (
    ALIASES,
    COLUMNS,
    FAMILIES,
    BadCell,
    Cell,
    column_of,
    plain_keys,
    read_cell,
    write_cell,
)
from registry.exchange.entry import Entry, nearest
from registry.model import Fault, Faulty

MAX_ROWS: Final = 1_000_000


def read_table(text: str, variables: Collection[str], faults: list[Fault]) -> Iterator[Entry]:
    """Yield the rows of a table; `variables` are further columns that profiles ask for.

    What is wrong with a row is added to `faults`, and the row is still yielded if it can be
    judged further.

    Raises:
        Faulty: there is no header, or its columns are unknown or doubled.
    """
    first = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = [name.strip() for name in _next(reader, faults) or ()]
    columns = _columns(header, variables)
    line = reader.line_num + 1
    rows = 0
    while (cells := _next(reader, faults)) is not None:
        if any(cell.strip() for cell in cells):
            rows += 1
            if rows > MAX_ROWS:
                message = f"is one of more than {MAX_ROWS} rows"
                raise Faulty([Fault(where=f"line {line}", message=message, expected="split it")])
            yield from _entry(cells, header, columns, line, faults)
        line = reader.line_num + 1


def write_table(entries: Iterable[Mapping[str, Any]]) -> str:
    """Write devices as plain data into a table; columns that nobody needs are left out."""
    rows = [_cells(entry) for entry in entries]
    used = {name for row in rows for name in row}
    fixed = [name for name in COLUMNS if name in used or name in _ALWAYS]
    names = fixed + sorted(used - set(fixed))
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(names)
    writer.writerows([row.get(name, "") for name in names] for row in rows)
    return out.getvalue()


_ALWAYS: Final = frozenset(("id", "home", "name", "kind", "lon", "lat", "area"))
_Columns = Sequence[tuple[str, Cell]]


def _next(reader: Iterator[list[str]], faults: list[Fault]) -> list[str] | None:
    try:
        return next(reader, None)
    except csv.Error as error:
        line = getattr(reader, "line_num", 0)
        message = f"cannot be read any further: {error}"
        expected = 'cells in "…" with inner quotes doubled'
        faults.append(Fault(where=f"line {line}", message=message, expected=expected))
        return None


def _columns(header: Sequence[str], variables: Collection[str]) -> _Columns:
    faults, columns = [], []
    known = {*COLUMNS, *variables, *ALIASES, *(f"{family}…" for family in FAMILIES)}
    taken: dict[str, str] = {}
    for name in header:
        column = column_of(name)
        if column is None and name in variables:
            column = (f"with.{name}", Cell.SCALAR)
        if column is None:
            expected = nearest(name, known - set(ALIASES))
            faults.append(_in_header(name, "is unknown", expected))
            continue
        if column[0] in taken:
            faults.append(_in_header(name, f"says the same as {taken[column[0]]}", "one of them"))
        taken[column[0]] = name
        columns.append(column)
    if not header:
        faults.append(Fault(where="line 1", message="holds no header", expected="id, name, kind …"))
    if faults:
        raise Faulty(faults)
    return columns


def _in_header(name: str, message: str, expected: str) -> Fault:
    return Fault(where=f"line 1, column {name}", message=message, expected=expected)


def _entry(
    cells: Sequence[str],
    header: Sequence[str],
    columns: _Columns,
    line: int,
    faults: list[Fault],
) -> Iterator[Entry]:
    value: dict[str, Any] = {}
    good = True
    for number, cell in enumerate(cells):
        if number >= len(columns):
            if cell.strip():
                message = f"has a cell {cell[:40]!r} beyond the {len(header)} columns"
                faults.append(Fault(where=f"line {line}", message=message))
                good = False
            continue
        path, kind = columns[number]
        if not cell or (kind is not Cell.TEXT and not cell.strip()):
            continue
        try:
            _set(value, path, read_cell(kind, cell))
        except BadCell as bad:
            where = f"line {line}, column {header[number]}"
            faults.append(Fault(where=where, message=str(bad), expected=bad.expected))
            good = False
    if good:
        names = {path: name for (path, _), name in zip(columns, header, strict=True)}
        yield Entry(value=value, line=line, locate=partial(_locate, names, line))


def _set(value: dict[str, Any], path: str, cell: object) -> None:
    for prefix in ("link.address", "codes", "with"):
        if path.startswith(f"{prefix}."):
            steps = [*prefix.split("."), path[len(prefix) + 1 :]]
            break
    else:
        steps = path.split(".")
    for step in steps[:-1]:
        value = value.setdefault(step, {})
        if not isinstance(value, dict):
            raise BadCell("is given twice", f"a JSON object in column {steps[0]}, or none there")
    old = value.get(steps[-1])
    if isinstance(old, dict) and isinstance(cell, dict):
        cell = {**old, **cell}
    value[steps[-1]] = cell


def _locate(columns: Mapping[str, str], line: int, path: str) -> str:
    if path in columns:
        return f"line {line}, column {columns[path]}"
    if path.startswith("with."):
        return f"line {line}, column {path[len('with.') :]}"
    for end in range(len(path) - 1, 0, -1):
        if path[end] in ".[" and path[:end] in columns:
            return f"line {line}, column {columns[path[:end]]}, {path}"
    name = next((name for name, (at, _) in COLUMNS.items() if at == path), None)
    return f"line {line}, column {name}" if name else f"line {line}, {path or 'row'}"


def _cells(entry: Mapping[str, Any]) -> dict[str, str]:
    row: dict[str, str] = {}
    for name, (path, cell) in COLUMNS.items():
        value: Any = entry
        for step in path.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is not None and not (cell is Cell.TEXT and value == ""):
            row[name] = write_cell(cell, value)
    for prefix, (path, cell) in FAMILIES.items():
        whole = path.rpartition(".")[2]
        mapping = (entry.get("link") or {}).get(whole) if "." in path else entry.get(whole)
        if mapping is not None and plain_keys(mapping, cell):
            del row[whole]
            row.update({f"{prefix}{key}": write_cell(cell, v) for key, v in mapping.items()})
    return row
