"""Series thinned for a chart: as many stretches of time as there is room for."""

from gateway.api.ports import HistoryColumns
from registry.model import Value


def thin(columns: HistoryColumns, limit: int) -> HistoryColumns:
    """Return `columns` if it has at most `limit` rows, or else about `limit` means of equal
    stretches of time, with the least and greatest value of each.

    Series of text and of truth are thinned to the first row of each stretch; nothing is
    averaged. Stretches without a row are left out, rows without a value count for quality only.
    """
    if len(columns.t) <= limit:
        return columns
    start, span = columns.t[0], columns.t[-1] - columns.t[0] + 1
    groups: dict[int, list[int]] = {}
    for i, time in enumerate(columns.t):
        groups.setdefault((time - start) * limit // span, []).append(i)
    rows = list(groups.values())
    numeric = all(
        v is None or (isinstance(v, int | float) and not isinstance(v, bool)) for v in columns.v
    )
    thinned = HistoryColumns(
        t=[columns.t[g[0]] for g in rows],
        v=[columns.v[g[0]] for g in rows],
        q=[max(columns.q[i] for i in g) for g in rows],
        aggregated=True,
    )
    if numeric:
        _average(thinned, rows, columns.v)
    return thinned


def _average(thinned: HistoryColumns, rows: list[list[int]], values: list[Value | None]) -> None:
    low: list[Value | None] = []
    high: list[Value | None] = []
    for place, group in enumerate(rows):
        found = [float(v) for i in group if (v := values[i]) is not None]
        thinned.v[place] = sum(found) / len(found) if found else None
        low.append(min(found, default=None))
        high.append(max(found, default=None))
    thinned.low, thinned.high = low, high
