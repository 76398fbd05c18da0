"""Who is asking: tokens, browser sessions, and a brake on guessing."""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_MAX_SESSIONS: Final = 1_000
_MAX_ADDRESSES: Final = 10_000
_WINDOW: Final = 60.0
_GLOBAL_FACTOR: Final = 20


@dataclass(frozen=True, slots=True)
class Identity:
    """Who makes a request, and how that is known: `token`, `session` or `local`."""

    name: str
    by: str
    read_only: bool = False


class Tokens:
    """The tokens of this node; compared in constant time, kept as digests only."""

    def __init__(self, tokens: Mapping[str, str], read_only: tuple[str, ...] = ()) -> None:
        self._digests = {name: _digest(secret) for name, secret in tokens.items() if secret}
        self._read_only = frozenset(read_only)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def name_of(self, secret: str) -> str | None:
        """Return the name of the token `secret`, looking at every token whatever matches."""
        given = _digest(secret)
        found: str | None = None
        for name, digest in self._digests.items():
            if hmac.compare_digest(given, digest):
                found = name
        return found

    def identity(self, name: str, by: str) -> Identity:
        """Return who the holder of the token `name` is."""
        return Identity(name, by, name in self._read_only)


class Sessions:
    """Signed-in browsers, in memory: a restart signs everybody out."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self.seconds = seconds
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def open(self, name: str) -> str:
        """Start a session for the holder of token `name`; return the cookie's value."""
        value = secrets.token_urlsafe(32)
        self._known[_digest(value)] = (name, self._clock() + self.seconds)
        while len(self._known) > _MAX_SESSIONS:
            self._known.popitem(last=False)
        return value

    def name_of(self, value: str) -> str | None:
        """Return whose session `value` is, None when unknown or over."""
        key = _digest(value)
        found = self._known.get(key)
        if found is None:
            return None
        name, until = found
        if self._clock() >= until:
            del self._known[key]
            return None
        return name

    def close(self, value: str) -> None:
        """End a session; an unknown one is no mistake."""
        self._known.pop(_digest(value), None)


class LoginBrake:
    """Counts wrong tokens per address and in all, within a sliding minute."""

    def __init__(self, attempts: int, clock: Callable[[], float]) -> None:
        self._attempts = attempts
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Return how many seconds `address` has to wait before it may try again; 0 for none."""
        return max(
            self._wait(address, self._attempts),
            self._wait("", self._attempts * _GLOBAL_FACTOR),
        )

    def _wait(self, key: str, allowed: int) -> float:
        now = self._clock()
        recent = [t for t in self._failures.get(key, ()) if now - t < _WINDOW]
        return 0.0 if len(recent) < allowed else recent[-allowed] + _WINDOW - now

    def failed(self, address: str) -> None:
        """Take note of a wrong token."""
        now = self._clock()
        for key in (address, ""):
            recent = [t for t in self._failures.pop(key, ()) if now - t < _WINDOW]
            recent.append(now)
            self._failures[key] = recent
        while len(self._failures) > _MAX_ADDRESSES:
            self._failures.popitem(last=False)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
