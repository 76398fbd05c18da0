"""The first packet of an MQTT 3.1.1 connection, read before anything else is believed."""

from typing import Final, NamedTuple

ACCEPTED: Final = 0
BAD_VERSION: Final = 1
BAD_IDENTIFIER: Final = 2
BAD_LOGIN: Final = 4
NOT_ALLOWED: Final = 5

CONNECT: Final = 1
_PROTOCOL: Final = b"\x00\x04MQTT"
_KEEPALIVE_AT: Final = 8


class BadConnect(ValueError):
    """The packet is no CONNECT that can be answered; `code` is the CONNACK's, 0 for none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Connect(NamedTuple):
    """What a client says of itself. `body` is the packet's body with the keepalive set to 0."""

    client_id: str
    clean: bool
    keepalive: int
    username: str
    password: bytes
    will_topic: str | None
    will_retain: bool
    body: bytes


def read_connect(body: bytes) -> Connect:
    """Read the body of a CONNECT packet.

    Raises:
        BadConnect: it is malformed, of another version, or names no client.
    """
    level_at = len(_PROTOCOL)
    if body[:level_at] != _PROTOCOL or len(body) < _KEEPALIVE_AT + 2:
        code = BAD_VERSION if body[:level_at] == b"\x00\x06MQIs" else 0
        raise BadConnect("not the beginning of an MQTT 3.1.1 connection", code)
    if body[level_at] != 4:
        raise BadConnect(f"protocol level {body[level_at]}, only 3.1.1 (4) is served", BAD_VERSION)
    flags = body[level_at + 1]
    will = bool(flags & 4)
    if flags & 1 or (not will and flags & 0x38) or (flags >> 3 & 3) == 3:
        raise BadConnect("impossible connect flags")
    if flags & 0x40 and not flags & 0x80:
        raise BadConnect("a password without a user name", BAD_LOGIN)
    fields = _Fields(body, _KEEPALIVE_AT + 2)
    client_id = fields.text()
    will_topic = fields.text() if will else None
    if will:
        fields.data()
    username = fields.text() if flags & 0x80 else ""
    password = fields.data() if flags & 0x40 else b""
    fields.end()
    clean = bool(flags & 2)
    if not client_id and not clean:
        raise BadConnect("a session to keep needs a client id", BAD_IDENTIFIER)
    return Connect(
        client_id,
        clean,
        int.from_bytes(body[_KEEPALIVE_AT : _KEEPALIVE_AT + 2], "big"),
        username,
        password,
        will_topic,
        bool(flags & 0x20),
        body[:_KEEPALIVE_AT] + b"\x00\x00" + body[_KEEPALIVE_AT + 2 :],
    )


class _Fields:
    """Length-prefixed fields, one after the other."""

    def __init__(self, body: bytes, start: int) -> None:
        self._body = body
        self._at = start

    def data(self) -> bytes:
        start = self._at + 2
        end = start + int.from_bytes(self._body[self._at : start], "big")
        if start > len(self._body) or end > len(self._body):
            raise BadConnect("the packet is cut off")
        self._at = end
        return self._body[start:end]

    def text(self) -> str:
        try:
            found = self.data().decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadConnect("a text is not UTF-8") from error
        if "\x00" in found:
            raise BadConnect("a text contains U+0000")
        return found

    def end(self) -> None:
        if self._at != len(self._body):
            raise BadConnect("there is something behind the last field")


def connack(code: int) -> bytes:
    """Write a CONNACK without a session."""
    return bytes((0x20, 2, 0, code))


def packet(kind: int, body: bytes) -> bytes:
    """Write a packet of `kind` with no flags."""
    length, size = bytearray(), len(body)
    while True:
        size, digit = size >> 7, size & 0x7F
        length.append(digit | (0x80 if size else 0))
        if not size:
            return bytes((kind << 4,)) + bytes(length) + body
