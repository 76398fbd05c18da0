"""The access list: a filter is allowed only if every topic it matches is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.access import DEVICES, EVERYTHING, covers, lower_node, overlaps, table

LEVEL = st.sampled_from(["a", "b", "", "$x"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join)


@st.composite
def filters(draw: st.DrawFn) -> str:
    levels = draw(st.lists(st.sampled_from(["a", "b", "", "+"]), min_size=1, max_size=4))
    return "/".join([*levels, "#"] if draw(st.booleans()) else levels)


def matches(topic: str, wanted: str) -> bool:
    """Match by the words of MQTT 3.1.1, section 4.7, written independently."""
    if topic.startswith("$") and wanted[:1] in "#+":
        return False
    levels, pattern = topic.split("/"), wanted.split("/")
    if pattern[-1] == "#":
        head = pattern[:-1]
        if len(levels) < len(head):
            return False
        return all(p in ("+", t) for p, t in zip(head, levels, strict=False))
    return len(levels) == len(pattern) and all(
        p in ("+", t) for p, t in zip(pattern, levels, strict=True)
    )


@given(filters(), filters(), TOPIC)
def test_what_is_covered_gives_nothing_more(outer: str, inner: str, topic: str) -> None:
    if covers(outer, inner) and matches(topic, inner):
        assert matches(topic, outer)


@given(filters(), TOPIC)
def test_covering_a_topic_is_matching_it(outer: str, topic: str) -> None:
    assert covers(outer, topic) == matches(topic, outer)


@given(filters(), filters(), TOPIC)
def test_what_matches_both_is_an_overlap(one: str, other: str, topic: str) -> None:
    if matches(topic, one) and matches(topic, other):
        assert overlaps(one, other)


ACCESS = table({"city": EVERYTHING, "edge-1": lower_node("city", "edge-1"), "devices": DEVICES})


@pytest.mark.parametrize(
    ("user", "topic", "action", "allowed"),
    [
        ("edge-1", "ganzhi/1/city/edge-1/up/alarm", "publish", True),
        ("edge-1", "ganzhi/1/city/edge-2/up/alarm", "publish", False),
        ("edge-1", "ganzhi/1/city/edge-1/down", "publish", False),
        ("edge-1", "ganzhi/1/city/edge-1/down", "subscribe", True),
        ("edge-1", "ganzhi/1/city/edge-1/ack/#", "subscribe", True),
        ("edge-1", "ganzhi/1/city/edge-1/ack/alarm", "receive", True),
        ("edge-1", "ganzhi/1/city/edge-1/#", "subscribe", False),
        ("edge-1", "ganzhi/1/city/+/down", "subscribe", False),
        ("edge-1", "#", "subscribe", False),
        ("devices", "plant/well-1/telemetry", "publish", True),
        ("devices", "ganzhi/1/city/edge-1/up/alarm", "publish", False),
        ("devices", "#", "subscribe", False),
        ("devices", "+/1/city/edge-1/down", "subscribe", False),
        ("devices", "plant/#", "subscribe", True),
        ("devices", "$SYS/x", "subscribe", False),
        ("city", "#", "subscribe", True),
        ("city", "ganzhi/1/city/edge-1/down", "publish", True),
        ("nobody", "plant/x", "publish", False),
        ("", "plant/x", "publish", False),
        ("devices", "", "publish", False),
    ],
)
def test_the_rights_of_this_house(user: str, topic: str, action: str, allowed: bool) -> None:
    assert ACCESS(user, topic, action) is allowed  # type: ignore[arg-type]
