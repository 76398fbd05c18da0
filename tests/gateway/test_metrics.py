"""The exposition must be readable by Prometheus, and counters exact."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import Metrics


def test_exposition_is_read_back_with_escaped_labels() -> None:
    metrics = Metrics()
    endpoint = 'mqtt://a"b\\c\nd'
    metrics.counter("taken", "Readings taken.", ("endpoint",)).inc(3, endpoint=endpoint)
    metrics.counter("taken", "Readings taken.", ("endpoint",)).inc(endpoint=endpoint)
    metrics.gauge("queue", "Events waiting.").set(7)
    text = metrics.exposition().decode()
    families = {f.name: f for f in text_string_to_metric_families(text)}
    sample = families["ganzhi_taken"].samples[0]
    assert (sample.name, sample.labels, sample.value) == (
        "ganzhi_taken_total",
        {"endpoint": endpoint},
        4,
    )
    assert families["ganzhi_queue"].samples[0].value == 7
    assert "# HELP ganzhi_taken_total Readings taken." in text
    assert "# TYPE ganzhi_queue gauge" in text
    assert "_created" not in text


def test_two_nodes_in_one_process_do_not_share_numbers() -> None:
    one, other = Metrics(), Metrics()
    one.counter("commits", "Commits.").inc()
    assert one.value("commits_total") == 1
    assert other.value("commits_total") == 0


def test_wrong_labels_are_refused() -> None:
    metrics = Metrics()
    counter = metrics.counter("misfits", "Misfits.", ("reason",))
    with pytest.raises(ValueError, match="label"):
        counter.inc(cause="x")
    with pytest.raises(ValueError, match="labels"):
        metrics.counter("misfits", "Misfits.", ("source",))


def test_label_order_does_not_matter() -> None:
    metrics = Metrics()
    counter = metrics.counter("moved", "Moved.", ("a", "b"))
    counter.inc(a="1", b="2")
    counter.inc(b="2", a="1")
    assert metrics.value("moved_total", a="1", b="2") == 2


def test_a_gone_endpoint_leaves_no_series() -> None:
    metrics = Metrics()
    gauge = metrics.gauge("up", "Up.", ("endpoint",))
    gauge.set(1, endpoint="x")
    gauge.remove(endpoint="x")
    assert b'endpoint="x"' not in metrics.exposition()
