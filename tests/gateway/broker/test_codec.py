"""The first packet: paho's own is read right, anything else is refused without harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.codec import BadConnect, packet, read_connect

GOOD = b"\x00\x04MQTT\x04\xe6\x00\x3c\x00\x03dev\x00\x03a/b\x00\x04gone\x00\x04lena\x00\x06s3cret"


def test_every_field_is_read() -> None:
    found = read_connect(GOOD)
    assert (found.client_id, found.clean, found.keepalive) == ("dev", True, 60)
    assert (found.username, found.password) == ("lena", b"s3cret")
    assert (found.will_topic, found.will_retain) == ("a/b", True)
    assert read_connect(found.body).keepalive == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 0),
        (b"GET / HTTP/1.1\r\n", 0),
        (b"\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01a", 1),
        (GOOD.replace(b"MQTT\x04", b"MQTT\x05"), 1),
        (b"\x00\x04MQTT\x04\x42\x00\x3c\x00\x01a\x00\x01b", 4),
        (b"\x00\x04MQTT\x04\x00\x00\x3c\x00\x00", 2),
        (GOOD[:-1], 0),
        (GOOD + b"x", 0),
        (GOOD.replace(b"dev", b"d\x00v"), 0),
        (GOOD.replace(b"dev", b"d\xffv"), 0),
        (GOOD.replace(b"\xe6", b"\xe7"), 0),
    ],
)
def test_what_is_no_connect_is_refused(body: bytes, code: int) -> None:
    with pytest.raises(BadConnect) as caught:
        read_connect(body)
    assert caught.value.code == code


@given(st.binary(max_size=64), st.integers(0, len(GOOD)))
def test_no_bytes_do_harm(noise: bytes, at: int) -> None:
    for body in (noise, GOOD[:at] + noise, GOOD[:at] + noise + GOOD[at + len(noise) :]):
        try:
            read_connect(body)
        except BadConnect:
            continue


@given(st.integers(0, 300_000))
def test_packet_lengths(size: int) -> None:
    framed = packet(1, bytes(size))
    length, shift, at = 0, 0, 1
    while True:
        length |= (framed[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not framed[at - 1] & 0x80:
            break
    assert length == size == len(framed) - at
