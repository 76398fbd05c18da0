"""The packet splitter: any cut of the stream gives the same packets, any bytes are survived."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.mqtt.codec_packet import MalformedStream, Message, PacketSplitter, pubacks

LIMIT = 200


def varint(size: int) -> bytes:
    out = bytearray()
    while True:
        size, digit = divmod(size, 128)
        out.append(digit | 0x80 if size else digit)
        if not size:
            return bytes(out)


def packet(message: Message) -> bytes:
    """Encode a PUBLISH."""
    topic = message.topic.encode()
    body = len(topic).to_bytes(2, "big") + topic
    if message.qos:
        body += message.mid.to_bytes(2, "big")
    body += message.payload
    head = 0x30 | message.dup << 3 | message.qos << 1 | message.retain
    return bytes([head]) + varint(len(body)) + body


messages = st.builds(
    Message,
    topic=st.text(min_size=1, max_size=20).filter(lambda t: t.isprintable()),
    payload=st.binary(max_size=2 * LIMIT),
    qos=st.integers(0, 1),
    mid=st.integers(1, 65535),
    dup=st.booleans(),
    retain=st.booleans(),
    cut=st.just(0),
)
controls = st.binary(max_size=300).map(lambda body: b"\x90" + varint(len(body)) + body)


def expected(message: Message) -> Message:
    """Return what the splitter must hand out for a message."""
    if not message.qos:
        message = message._replace(mid=0)
    if len(message.payload) > LIMIT:
        return message._replace(payload=message.payload[:512], cut=len(message.payload))
    return message


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(messages, controls), max_size=12), st.data())
def test_every_cut_of_the_stream_gives_the_same(
    packets: list[Message | bytes], data: st.DataObject
) -> None:
    stream = b"".join(p if isinstance(p, bytes) else packet(p) for p in packets)
    splitter = PacketSplitter(LIMIT)
    while stream:
        size = data.draw(st.integers(1, max(1, len(stream))))
        splitter.feed(stream[:size])
        stream = stream[size:]
    assert splitter.messages == [expected(p) for p in packets if isinstance(p, Message)]
    assert splitter.control == b"".join(p for p in packets if isinstance(p, bytes))
    assert splitter.held == 0


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=400), max_size=10))
def test_any_bytes_are_survived(pieces: list[bytes]) -> None:
    splitter = PacketSplitter(LIMIT)
    try:
        for piece in pieces:
            splitter.feed(piece)
    except MalformedStream:
        pass
    assert all(len(m.payload) <= max(LIMIT, 512) for m in splitter.messages)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300_000), messages, st.booleans())
def test_a_huge_packet_passes_through_little_memory(
    size: int, after: Message, confirmed: bool
) -> None:
    huge = Message("a/b", bytes(size), int(confirmed), 7, False, False)
    stream = packet(huge) + packet(after)
    splitter = PacketSplitter(LIMIT)
    most = 0
    for start in range(0, len(stream), 4096):
        splitter.feed(stream[start : start + 4096])
        most = max(most, splitter.held)
    assert most <= LIMIT + 66_200 + 4096
    assert splitter.messages == [expected(huge), expected(after)]


@pytest.mark.parametrize(
    "stream",
    [
        b"\x00\x00",
        b"HTTP/1.1 400 Bad Request",
        b"\x30\xff\xff\xff\xff\x01",
        b"\x30\x01a",
        b"\x30\x04\x00\x09ab",
        b"\x34\x06\x00\x01a\x00\x01x",
        b"\x90\xff\xff\xff\x7f",
    ],
)
def test_what_is_no_mqtt_is_refused(stream: bytes) -> None:
    splitter = PacketSplitter(LIMIT)
    with pytest.raises(MalformedStream):
        splitter.feed(stream + bytes(400))


def test_acknowledgements_in_order_and_for_qos_1_only() -> None:
    made = [Message("a", b"", q, m, False, False) for q, m in ((1, 5), (0, 0), (1, 258))]
    assert pubacks(made) == b"\x40\x02\x00\x05\x40\x02\x01\x02"
