"""Keyset paging: an opaque token that names the last row and belongs to one filter."""

import base64
import binascii
import hashlib
from typing import Final

import msgspec
from msgspec import Struct

from registry.model import Fault, Faulty

DEFAULT_LIMIT: Final = 1_000
MAX_LIMIT: Final = 10_000

Key = tuple[float | int | str, ...]


class _Token(Struct, frozen=True, array_like=True):
    digest: str
    key: Key


def clamp(limit: int) -> int:
    """Return the page size that is served for an asked one."""
    return min(max(limit, 1), MAX_LIMIT)


def seal(filter_: Struct, key: Key) -> str:
    """Return the token for the page after the row with `key`."""
    data = msgspec.json.encode(_Token(digest=_digest(filter_), key=key))
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unseal(filter_: Struct, token: str, *, width: int) -> Key:
    """Return the key in a token of `width` parts.

    Raises:
        Faulty: the token was made for another filter, or is none.
    """
    try:
        data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        read = msgspec.json.decode(data, type=_Token)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise _faulty("is not a paging token") from error
    if read.digest != _digest(filter_) or len(read.key) != width:
        raise _faulty("belongs to a search with other parameters")
    return read.key


def _digest(filter_: Struct) -> str:
    name = type(filter_).__name__.encode()
    return hashlib.blake2b(name + msgspec.json.encode(filter_), digest_size=8).hexdigest()


def _faulty(message: str) -> Faulty:
    expected = "the `next` value of the page before, with the same parameters"
    return Faulty([Fault(where="after", message=message, expected=expected)])
