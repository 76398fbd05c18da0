"""Addresses: every mistake is found, with its place."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.mqtt import check
from protocols.mqtt.address import expand, parse_endpoint, pointer_keys, topic_filter
from registry.model import Point, ValueType
from tests.protocols.mqtt.devices import sensor


def wheres(*points: Point, **address: Any) -> set[str]:
    endpoint = address.pop("endpoint", "mqtt://h:1884")
    return {f.where for f in check(sensor(1, *points, endpoint=endpoint, **address))}


def test_a_good_device_has_no_faults() -> None:
    assert not wheres(
        command_topic="city/{local}/cmd",
        reply_topic="city/{local}/cmd/reply",
        status_topic="city/{id}/status",
        time="/ts",
        time_format="ms",
    )


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ({"topic": ""}, "link.address.topic"),
        ({"topic": 5}, "link.address.topic"),
        ({"topic": "city/+"}, "link.address.topic"),
        ({"topic": "city/{name}"}, "link.address.topic"),
        ({"status_topic": "a/#"}, "link.address.status_topic"),
        ({"reply_topic": "a/{local}"}, "link.address.command_topic"),
        ({"time": "ts"}, "link.address.time"),
        ({"time_format": "minutes"}, "link.address.time_format"),
        ({"topik": "x"}, "link.address.topik"),
        ({"endpoint": "mqtt://u:p@h"}, "link.endpoint"),
        ({"endpoint": "mqtt://h:99999"}, "link.endpoint"),
    ],
)
def test_link_faults(address: dict[str, Any], where: str) -> None:
    assert wheres(**address) == {where}


@pytest.mark.parametrize(
    ("point", "where"),
    [
        (Point(name="a", address={"pointer": "a"}), "points[a].address.pointer"),
        (Point(name="a", address={"pointer": "/a~2"}), "points[a].address.pointer"),
        (Point(name="a", address={"pointer": 1}), "points[a].address.pointer"),
        (Point(name="a", address={"register": 1}), "points[a].address.register"),
        (Point(name="a", scale=0), "points[a].scale"),
        (Point(name="a", type=ValueType.INT, scale=0.1), "points[a].scale"),
        (Point(name="a", type=ValueType.STR, offset=1), "points[a].scale"),
    ],
)
def test_point_faults(point: Point, where: str) -> None:
    assert wheres(point) == {where}


def test_all_faults_at_once() -> None:
    bad = Point(name="a", address={"pointer": "a"})
    assert wheres(bad, topic="#", time="x", colour="red") == {
        "link.address.topic",
        "link.address.time",
        "link.address.colour",
        "points[a].address.pointer",
    }


def test_templates() -> None:
    assert expand("a/{local}/{id}", "city~d1") == "a/d1/city~d1"
    assert topic_filter("a/x-{local}/b/{id}") == "a/+/b/+"


def test_endpoints() -> None:
    assert parse_endpoint("mqtt://h") == ("h", 1883, False)
    assert parse_endpoint("mqtts://[::1]") == ("::1", 8883, True)


def test_pointers() -> None:
    assert pointer_keys("") == ()
    assert pointer_keys("/a~1b/~0/") == ("a/b", "~", "")
    assert pointer_keys("/~01") == ("~1",)


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=20))
def test_any_text_is_judged(text: str) -> None:
    wheres(topic=text, time=text, status_topic=text, endpoint=text)
