"""Counters and gauges of one node, written out in the Prometheus text format.

A thin typed layer over prometheus_client with a registry of its own: nothing is global, so
several nodes may live in one process. Asking twice for a name gives the same instrument.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client import Counter as _Counter
from prometheus_client import Gauge as _Gauge
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
PREFIX: Final = "ganzhi_"
_Instrument = TypeVar("_Instrument", "Counter", "Gauge")


class Counter:
    """A total that only grows; labels are given by name with each increment."""

    def __init__(self, inner: _Counter, labels: tuple[str, ...]) -> None:
        self._inner = inner
        self._children: dict[tuple[str, ...], _Counter] = {}
        self.labels = labels

    def inc(self, amount: float = 1, **labels: str) -> None:
        """Add `amount` (not negative) to the series of `labels`.

        Raises:
            ValueError: the label names are not those the counter was made with.
        """
        if not self.labels and not labels:
            self._inner.inc(amount)
            return
        key = tuple(labels.values())
        child = self._children.get(key) if tuple(labels) == self.labels else None
        if child is None:
            child = self._inner.labels(**labels)
            if tuple(labels) == self.labels:
                self._children[key] = child
        child.inc(amount)


class Gauge:
    """A value that goes up and down."""

    def __init__(self, inner: _Gauge, labels: tuple[str, ...]) -> None:
        self._inner = inner
        self.labels = labels

    def _of(self, labels: dict[str, str]) -> _Gauge:
        return self._inner.labels(**labels) if labels or self.labels else self._inner

    def set(self, value: float, **labels: str) -> None:
        """Set the series of `labels` to `value`."""
        self._of(labels).set(value)

    def inc(self, amount: float = 1, **labels: str) -> None:
        """Add `amount`, which may be negative, to the series of `labels`."""
        self._of(labels).inc(amount)

    def remove(self, **labels: str) -> None:
        """Forget the series of `labels`, e.g. of an endpoint that is gone."""
        self._inner.remove_by_labels(labels)


class _PlainRegistry(CollectorRegistry):
    """A registry whose counters carry no `_created` sample."""

    def collect(self) -> Iterator[Metric]:
        for metric in super().collect():
            if metric.type == "counter":
                yield _without_created(metric)
            else:
                yield metric


def _without_created(metric: Metric) -> Metric:
    plain = CounterMetricFamily(metric.name, metric.documentation)
    plain.samples = [s for s in metric.samples if not s.name.endswith("_created")]
    return plain


class Metrics:
    """All instruments of one node. Names get the prefix `ganzhi_`, counters the suffix `_total`."""

    def __init__(self) -> None:
        self._registry = _PlainRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:
        """Return the counter `ganzhi_<name>_total`, made now or before.

        Raises:
            ValueError: the counter exists with other labels, or the name is taken by a gauge.
        """
        name = name.removeprefix(PREFIX).removesuffix("_total")
        known = self._counters.get(name)
        if known is None:
            inner = _Counter(PREFIX + name, help, tuple(labels), registry=self._registry)
            known = self._counters[name] = Counter(inner, tuple(labels))
        return _same_labels(name, known, labels)

    def gauge(self, name: str, help: str, labels: Sequence[str] = ()) -> Gauge:
        """Return the gauge `ganzhi_<name>`, made now or before.

        Raises:
            ValueError: the gauge exists with other labels, or the name is taken by a counter.
        """
        name = name.removeprefix(PREFIX)
        known = self._gauges.get(name)
        if known is None:
            inner = _Gauge(PREFIX + name, help, tuple(labels), registry=self._registry)
            known = self._gauges[name] = Gauge(inner, tuple(labels))
        return _same_labels(name, known, labels)

    def value(self, name: str, **labels: str) -> float:
        """Return a series' present value by its full sample name; 0 when it has none yet."""
        full = name if name.startswith(PREFIX) else PREFIX + name
        return self._registry.get_sample_value(full, labels) or 0.0

    def exposition(self) -> bytes:
        """Return everything in the Prometheus text format (`CONTENT_TYPE`)."""
        return generate_latest(self._registry)


def _same_labels(name: str, known: _Instrument, labels: Sequence[str]) -> _Instrument:
    if known.labels != tuple(labels):
        raise ValueError(f"metric {name} has the labels {known.labels}, not {tuple(labels)}")
    return known
