"""Whole packets from a client's socket, handed to amqtt as the bytes it asks for."""

import asyncio
from collections.abc import Awaitable, Callable

from amqtt.adapters import ReaderAdapter

from gateway.broker.codec import Connect


class PacketTooLarge(ConnectionError):
    """The client sends more than it may."""


async def next_packet(reader: asyncio.StreamReader, limit: int) -> bytes:
    """Read one packet, header and all.

    Raises:
        PacketTooLarge: its body is longer than `limit` bytes.
        asyncio.IncompleteReadError: the client is gone.
    """
    head = bytearray(await reader.readexactly(2))
    while head[-1] & 0x80:
        if len(head) == 5:
            raise PacketTooLarge("a packet of impossible length")
        head += await reader.readexactly(1)
    size = sum((digit & 0x7F) << (7 * i) for i, digit in enumerate(head[1:]))
    if size > limit:
        raise PacketTooLarge(f"a packet of {size} bytes")
    return bytes(head) + (await reader.readexactly(size) if size else b"")


class PacketReader(ReaderAdapter):  # type: ignore[misc]  # amqtt ships no types
    """Enforces packet size and keepalive, and waits while the broker has too much to do.

    A client that breaks the rules or falls silent looks to amqtt as if it had hung up, so that
    its will is published.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        connect: Connect,
        first: bytes,
        limit: int,
        room: Callable[[], Awaitable[None]],
    ) -> None:
        """`first` is what amqtt shall read before anything from the socket."""
        self.connect = connect
        self.ended = ""
        self._reader = reader
        self._packet = first
        self._at = 0
        self._limit = limit
        self._room = room
        self._patience = connect.keepalive * 1.5 or None

    async def read(self, n: int = -1) -> bytes:
        """Return `n` bytes (fewer only for n = -1), none at the end of the connection."""
        if n == 0:
            return b""
        if self._at >= len(self._packet) and not await self._advance():
            return b""
        end = len(self._packet) if n < 0 else min(self._at + n, len(self._packet))
        found = self._packet[self._at : end]
        self._at = end
        return found

    async def _advance(self) -> bool:
        if self.ended:
            return False
        try:
            await self._room()
            async with asyncio.timeout(self._patience):
                self._packet = await next_packet(self._reader, self._limit)
        except TimeoutError:
            self.ended = "silent for longer than its keepalive"
        except PacketTooLarge as error:
            self.ended = f"sent {error}"
        except (asyncio.IncompleteReadError, OSError):
            self.ended = "hung up"
        else:
            self._at = 0
            return True
        return False

    def feed_eof(self) -> None:
        """Make the next read the last."""
        self._reader.feed_eof()
