"""MQTT 3.1.1 framing: cuts a byte stream into packets and decodes PUBLISH, without any I/O."""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

PINGREQ: Final = b"\xc0\x00"
_PUBLISH: Final = 3
_SAMPLE: Final = 512
_CONTROL_LIMIT: Final = 256 * 1024
_puback = struct.Struct(">BBH").pack


class Message(NamedTuple):
    """One received PUBLISH. `cut` is the payload's true size if it was over the limit, else 0."""

    topic: str
    payload: bytes
    qos: int
    mid: int
    dup: bool
    retain: bool
    cut: int = 0


class MalformedStream(ValueError):
    """What arrived is not MQTT 3.1.1."""


def pubacks(messages: Sequence[Message]) -> bytes:
    """Encode one PUBACK for each QoS 1 message, in order."""
    return b"".join([_puback(0x40, 2, m.mid) for m in messages if m.qos])


class PacketSplitter:
    """Turns pieces of the stream into messages and control packets.

    `feed` appends to `messages` and `control`; the owner takes from both. Packets other than
    PUBLISH stay whole in `control`. A PUBLISH beyond `payload_limit` bytes is not kept: its
    first 512 bytes come as a message with `cut` set, once the packet has passed.
    """

    __slots__ = ("_have", "_limit", "_need", "_oversize", "_pieces", "_skip", "control", "messages")

    def __init__(self, payload_limit: int) -> None:
        self._limit = payload_limit
        self._pieces: list[bytes] = []
        self._have = 0
        self._need = 0
        self._skip = 0
        self._oversize: Message | None = None
        self.messages: list[Message] = []
        self.control = bytearray()

    @property
    def held(self) -> int:
        """Bytes of an unfinished packet in memory."""
        return self._have

    def feed(self, data: bytes) -> None:
        """Take the next piece of the stream.

        Raises:
            MalformedStream: the stream cannot be MQTT 3.1.1; nothing after it can be read.
        """
        if self._skip:
            data = self._pass_over(data)
        if self._pieces:
            self._pieces.append(data)
            self._have += len(data)
            if self._have < self._need:
                return
            data = b"".join(self._pieces)
            self._pieces = []
            self._have = 0
        rest = self._split(data)
        if rest:
            self._pieces = [rest]
            self._have = len(rest)

    def _split(self, data: bytes) -> bytes:
        """Read all whole packets of `data` and return what is left; sets what it still needs."""
        pos, end = 0, len(data)
        messages = self.messages
        while end - pos >= 2:
            head = data[pos]
            size, body = data[pos + 1], pos + 2
            if size & 0x80:
                found = _long_size(data, pos)
                if found is None:
                    break
                size, body = found
            stop = body + size
            if head >> 4 == _PUBLISH:
                if size > self._limit + 65_540:
                    return self._begin_oversize(data, pos, body, size)
                if stop > end:
                    self._need = stop - pos
                    return data[pos:]
                messages.append(self._publish(data, head, body, stop))
            else:
                if size > _CONTROL_LIMIT or not head >> 4:
                    raise MalformedStream(f"no packet starts with byte {head:#04x}")
                if stop > end:
                    self._need = stop - pos
                    return data[pos:]
                self.control += data[pos:stop]
            pos = stop
        self._need = end - pos + 1
        return data[pos:]

    def _publish(self, data: bytes, head: int, body: int, stop: int) -> Message:
        """Decode the PUBLISH whose variable header starts at `body` and that ends at `stop`."""
        if stop - body < 2:
            raise MalformedStream("PUBLISH without a topic")
        start = body + 2 + (data[body] << 8 | data[body + 1])
        topic = data[body + 2 : start].decode("utf-8", "replace")
        qos = head >> 1 & 3
        mid = 0
        if qos:
            if qos > 1 or start + 2 > stop:
                raise MalformedStream("PUBLISH of a QoS that was not asked for, or cut short")
            mid = data[start] << 8 | data[start + 1]
            start += 2
        if start > stop:
            raise MalformedStream("PUBLISH with a topic longer than the packet")
        dup, retain = bool(head & 8), bool(head & 1)
        if stop - start > self._limit:
            sample = data[start : min(stop, start + _SAMPLE)]
            return Message(topic, sample, qos, mid, dup, retain, stop - start)
        return Message(topic, data[start:stop], qos, mid, dup, retain)

    def _begin_oversize(self, data: bytes, pos: int, body: int, size: int) -> bytes:
        """Keep the start of a packet that is too large, drop its rest; return what follows it."""
        wanted = min(size, 2 + 65_535 + 2 + _SAMPLE)
        if len(data) - body < wanted:
            self._need = body - pos + wanted
            return data[pos:]
        head = self._publish(data[pos : body + wanted], data[pos], body - pos, body - pos + wanted)
        topic_size = data[body] << 8 | data[body + 1]
        payload = size - 2 - topic_size - (2 if head.qos else 0)
        self._oversize = head._replace(payload=head.payload[:_SAMPLE], cut=payload)
        self._skip = size
        rest = self._pass_over(data[body:])
        return self._split(rest) if rest else b""

    def _pass_over(self, data: bytes) -> bytes:
        """Drop bytes of a packet that is too large; return what follows it."""
        dropped = min(self._skip, len(data))
        self._skip -= dropped
        if not self._skip and self._oversize is not None:
            self.messages.append(self._oversize)
            self._oversize = None
        return data[dropped:]


def _long_size(data: bytes, pos: int) -> tuple[int, int] | None:
    """Read a remaining length of two to four bytes; None if it has not arrived yet."""
    size, shift = 0, 0
    for at in range(pos + 1, min(pos + 5, len(data))):
        size |= (data[at] & 0x7F) << shift
        if not data[at] & 0x80:
            return size, at + 1
        shift += 7
    if len(data) >= pos + 5:
        raise MalformedStream("a packet length of more than four bytes")
    return None
