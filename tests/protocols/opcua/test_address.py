import sys
from subprocess import run
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import opcua
from protocols.opcua.address import Settings, parse_node, parse_settings, slots_of
from registry.model import Device, Faulty, Point, ValueType
from tests.protocols.opcua.peer import device, point

END = "opc.tcp://plc:4840/path"


def wrongs(target: Device) -> list[str]:
    return [fault.where for fault in opcua.check(target)]


@pytest.mark.parametrize(
    ("text", "uri", "identifier"),
    [
        ("nsu=urn:demo;s=Pump1.Flow", "urn:demo", "Pump1.Flow"),
        ("nsu=http://a/b;s=x;y=z", "http://a/b", "x;y=z"),
        ("nsu=urn:demo;i=42", "urn:demo", 42),
        ("ns=0;i=2258", "", 2258),
        ("i=2258", "", 2258),
        ("nsu=u;b=AQI=", "u", b"\x01\x02"),
        ("nsu=u;g=00000000-0000-0000-0000-000000000001", "u", UUID(int=1)),
    ],
)
def test_node_ids(text: str, uri: str, identifier: object) -> None:
    node = parse_node(text)
    assert (node.uri, node.identifier, str(node)) == (uri, identifier, text)


@pytest.mark.parametrize(
    "text",
    ["ns=2;s=Pump", "Pump", "nsu=;s=x", "nsu=u;s=", "i=-1", "i=4294967296", "g=xyz", "b=*", "i=²"],
)
def test_what_is_no_node_id(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_node(text)


@given(st.one_of(st.text(), st.from_regex(r"(nsu=[^;]*;|ns=\d*;)?[isgb]=.*")))
def test_any_text_is_a_node_id_or_refused(text: str) -> None:
    try:
        node = parse_node(text)
    except ValueError:
        return
    assert node.text == text


def test_a_good_device_has_no_faults() -> None:
    good = device(
        END,
        "d",
        point("flow", address={"period": 0.5, "queue": 5, "sampling": 0.1}),
        point("reset", address={"object": "nsu=urn:demo;s=Pump"}, writable=True),
        credential="plc",
        security="Basic256Sha256_SignAndEncrypt",
        period=2,
    )
    assert wrongs(good) == []


def test_every_mistake_is_named_with_its_place() -> None:
    bad = device(
        "opc.tcp://user:secret@plc",
        "d",
        Point(name="a", address={"node": "ns=3;s=x", "queue": 0, "sped": 1}),
        Point(name="b", type=ValueType.INT, scale=0.5, address={}),
        Point(name="c", scale=0, address={"node": "i=1", "object": "?"}),
        security="Basic128",
    )
    assert set(wrongs(bad)) == {
        "link.endpoint",
        "link.address.security",
        "points[a].address.node",
        "points[a].address.queue",
        "points[a].address.sped",
        "points[b].address.node",
        "points[b].type",
        "points[c].scale",
        "points[c].address.object",
    }
    assert "secret" not in "".join(f.message for f in opcua.check(bad) if "user" in f.message)


def test_signing_needs_a_credential() -> None:
    assert wrongs(device(END, "d", security="Basic256Sha256_Sign")) == ["link.credential"]


@pytest.mark.parametrize("url", ["http://plc", "opc.tcp://", "opc.tcp://plc:99999"])
def test_endpoints_that_cannot_be_used(url: str) -> None:
    assert "link.endpoint" in wrongs(device(url, "d"))


def test_settings_name_their_mistakes() -> None:
    with pytest.raises(Faulty) as caught:
        parse_settings({"timeout": 0, "watchdogs": 3})
    assert {f.where for f in caught.value.faults} == {"settings.timeout", "settings.watchdogs"}


def test_the_closest_period_counts() -> None:
    def periods(**address: Any) -> dict[str, float]:
        points = [
            point("own", address={"period": 2.0}, cadence=9),
            point("expected", cadence=9),
            point("plain"),
        ]
        target = device(END, "d", *points, **address)
        return {s.point: s.period for s in slots_of(target, Settings(period=7))}

    assert periods() == {"own": 2.0, "expected": 9.0, "plain": 7.0}
    assert periods(period=4.0) == {"own": 2.0, "expected": 4.0, "plain": 4.0}


def test_the_folder_is_cheap_to_import() -> None:
    code = "import protocols.opcua, sys; sys.exit('asyncua' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
