"""Readings as columns: dictionaries for names, steps for times, typed columns for values.

Columns of numbers are little-endian arrays, whatever the machine.
"""

import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby, islice, repeat
from math import gcd, inf
from operator import mul, sub
from typing import Any, Final

from msgspec import Struct

from cascade.faults import BadEnvelope
from registry.model import ReadingBatch, Time, Value

MAX_ROWS: Final = 10_000
_INT_LOW: Final = -(2**63)
_INT_HIGH: Final = 2**63 - 1
_SWAP: Final = sys.byteorder == "big"


class Table(Struct, array_like=True, frozen=True):
    """Readings of one commit. Row i is `devices[device[i]]`, `points[point[i]]` and so on.

    `device` and `point` are uint16 arrays, `floats` a float64 array, `bools` a byte per value.
    `kinds` is one letter for all rows or one per row: f(loat), i(nt), b(ool), s(tr), n(one).
    Time 0 is `base`, each later one is the one before plus `steps[i] * unit` ns; no steps at
    all means that every row has the time `base`.
    `runs` of (rows, quality, index into `reasons`) are None when every row is good.
    """

    historical: bool
    devices: list[str]
    points: list[str]
    device: bytes
    point: bytes
    base: int
    unit: int
    steps: list[int]
    kinds: bytes
    floats: bytes
    ints: list[int]
    bools: bytes
    strings: list[str]
    runs: list[tuple[int, int, int]] | None
    reasons: list[str]


def merge(batches: Iterable[ReadingBatch]) -> list[ReadingBatch]:
    """Join batches into at most two (live, historical); a missing source time becomes the
    received time, which itself does not travel."""
    live: list[ReadingBatch] = []
    late: list[ReadingBatch] = []
    for batch in batches:
        if batch.device:
            (late if batch.historical else live).append(batch)
    return [_join(group) for group in (live, late) if group]


def slice_batch(batch: ReadingBatch, start: int, stop: int) -> ReadingBatch:
    """Return rows `start` to `stop` (exclusive) of a batch."""
    return ReadingBatch(
        device=batch.device[start:stop],
        point=batch.point[start:stop],
        value=batch.value[start:stop],
        source_time=batch.source_time[start:stop],
        quality=None if batch.quality is None else batch.quality[start:stop],
        reason=None if batch.reason is None else batch.reason[start:stop],
        received_time=batch.received_time,
        historical=batch.historical,
    )


def to_table(batch: ReadingBatch) -> Table:
    """Turn a batch of 1 to 10,000 rows into columns."""
    devices, device = _dictionary(batch.device)
    points, point = _dictionary(batch.point)
    base, unit, steps = _times(batch.source_time)
    kinds, floats, ints, bools, strings = _values(batch.value)
    runs, reasons = _runs(batch)
    return Table(
        historical=batch.historical,
        devices=devices,
        points=points,
        device=device,
        point=point,
        base=base,
        unit=unit,
        steps=steps,
        kinds=kinds,
        floats=floats,
        ints=ints,
        bools=bools,
        strings=strings,
        runs=runs,
        reasons=reasons,
    )


def from_table(table: Table) -> ReadingBatch:
    """Turn columns back into a batch.

    Raises:
        BadEnvelope: a column has another length than the rest, or points outside its dictionary.
    """
    device = _look_up(table.devices, table.device, "device")
    rows = len(device)
    if not 0 < rows <= MAX_ROWS:
        raise BadEnvelope("tables.device", f"has {rows} rows, allowed are 1 to {MAX_ROWS}")
    point = _look_up(table.points, table.point, "point")
    _expect("point", len(point), rows)
    quality, reason = _grades(table, rows)
    return ReadingBatch(
        device=device,
        point=point,
        value=_read_values(table, rows),
        source_time=_read_times(table, rows),
        quality=quality,
        reason=reason,
        historical=table.historical,
    )


def _join(group: list[ReadingBatch]) -> ReadingBatch:
    if len(group) == 1 and not (group[0].received_time and 0 in group[0].source_time):
        return group[0]
    graded = any(b.quality is not None or b.reason is not None for b in group)
    device: list[str] = []
    point: list[str] = []
    value: list[Value | None] = []
    times: list[Time] = []
    quality: list[int] = []
    reason: list[str] = []
    for batch in group:
        device += batch.device
        point += batch.point
        value += batch.value
        missing = batch.received_time and 0 in batch.source_time
        times += (
            [t or batch.received_time for t in batch.source_time] if missing else batch.source_time
        )
        if graded:
            quality += batch.quality if batch.quality is not None else [0] * len(batch)
            reason += batch.reason if batch.reason is not None else [""] * len(batch)
    return ReadingBatch(
        device=device,
        point=point,
        value=value,
        source_time=times,
        quality=quality if graded else None,
        reason=reason if graded else None,
        historical=group[0].historical,
    )


def _pack(code: str, numbers: Iterable[float]) -> bytes:
    column = array(code, numbers)
    if _SWAP:
        column.byteswap()
    return column.tobytes()


def _unpack(code: str, raw: bytes, field: str) -> "array[Any]":
    column: array[Any] = array(code)
    if len(raw) % column.itemsize:
        raise BadEnvelope(f"tables.{field}", "ends within a number")
    column.frombytes(raw)
    if _SWAP:
        column.byteswap()
    return column


def _dictionary(names: list[str]) -> tuple[list[str], bytes]:
    index = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return list(index), _pack("H", map(index.__getitem__, names))


def _look_up(names: list[str], raw: bytes, field: str) -> list[str]:
    column = _unpack("H", raw, field)
    try:
        return list(map(names.__getitem__, column))
    except IndexError:
        raise BadEnvelope(f"tables.{field}", "points outside its dictionary") from None


def _expect(field: str, length: int, rows: int) -> None:
    if length != rows:
        raise BadEnvelope(f"tables.{field}", f"has {length} entries for {rows} rows")


def _times(times: list[Time]) -> tuple[int, int, list[int]]:
    base = times[0]
    steps = list(map(sub, islice(times, 1, None), times))
    unit = gcd(*steps)
    if unit == 0:
        return base, 1, []
    return base, unit, steps if unit == 1 else [step // unit for step in steps]


def _read_times(table: Table, rows: int) -> list[Time]:
    if not table.steps:
        times = [table.base] * rows
    else:
        _expect("steps", len(table.steps) + 1, rows)
        steps = table.steps if table.unit == 1 else map(mul, table.steps, repeat(table.unit))
        times = list(accumulate(steps, initial=table.base))
    if min(times) < _INT_LOW or max(times) > _INT_HIGH:
        raise BadEnvelope("tables.steps", "lead to a time outside 64 bits")
    return times


_Columns = tuple[bytes, bytes, list[int], bytes, list[str]]


def _values(values: Sequence[Value | None]) -> _Columns:
    if set(map(type, values)) == {float}:
        return b"f", _pack("d", values), [], b"", []  # type: ignore[arg-type]
    kinds = "".join(map(_kind, values))
    columns: dict[str, list[Any]] = {letter: [] for letter in "fibsn"}
    for letter, value in zip(kinds, values, strict=True):
        columns[letter].append(value)
    return (
        (kinds[:1] if len(set(kinds)) == 1 else kinds).encode(),
        _pack("d", map(_float, columns["f"])),
        columns["i"],
        bytes(columns["b"]),
        columns["s"],
    )


def _kind(value: Value | None) -> str:
    match value:
        case bool():
            return "b"
        case int() if _INT_LOW <= value <= _INT_HIGH:
            return "i"
        case int() | float():  # an int beyond 64 bits travels as a float
            return "f"
        case str():
            return "s"
    return "n"


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def _read_values(table: Table, rows: int) -> list[Value | None]:
    floats = _unpack("d", table.floats, "floats").tolist()
    if table.ints and (min(table.ints) < _INT_LOW or max(table.ints) > _INT_HIGH):
        raise BadEnvelope("tables.ints", "holds a number outside 64 bits")
    kinds = table.kinds * rows if len(table.kinds) == 1 else table.kinds
    _expect("kinds", len(kinds), rows)
    columns: dict[str, Sequence[Value | None]] = {
        "f": floats,
        "i": table.ints,
        "b": [byte != 0 for byte in table.bools],
        "s": table.strings,
        "n": [None] * kinds.count(b"n"),
    }
    for letter, column in columns.items():
        _expect(f"values[{letter}]", len(column), kinds.count(letter.encode()))
    if sum(map(len, columns.values())) != rows:
        raise BadEnvelope("tables.kinds", "names an unknown value type")
    if len(table.kinds) == 1:
        return list(columns[table.kinds.decode()])
    readers = {ord(letter): iter(column) for letter, column in columns.items()}
    return [next(readers[letter]) for letter in kinds]


def _runs(batch: ReadingBatch) -> tuple[list[tuple[int, int, int]] | None, list[str]]:
    quality, reason = batch.quality, batch.reason
    if not (quality and any(quality)) and not (reason and any(reason)):
        return None, []
    rows = len(batch)
    reasons: dict[str, int] = {}
    runs = []
    for (grade, text), group in groupby(
        zip(quality or [0] * rows, reason or [""] * rows, strict=True)
    ):
        length = sum(1 for _ in group)
        runs.append((length, int(grade), reasons.setdefault(text, len(reasons))))
    return runs, list(reasons)


def _grades(table: Table, rows: int) -> tuple[list[int] | None, list[str] | None]:
    if table.runs is None:
        return None, None
    if any(length <= 0 for length, _, _ in table.runs):
        raise BadEnvelope("tables.runs", "holds an empty run")
    _expect("runs", sum(length for length, _, _ in table.runs), rows)
    quality: list[int] = []
    reason: list[str] = []
    for length, grade, index in table.runs:
        if not 0 <= grade <= 2:
            raise BadEnvelope("tables.runs", f"has the unknown quality {grade}")
        if not 0 <= index < len(table.reasons):
            raise BadEnvelope("tables.runs", "points outside the reasons")
        quality += [grade] * length
        reason += [table.reasons[index]] * length
    return quality, reason
