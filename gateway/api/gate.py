"""The gate every request passes: host, origin, identity. Decisions only, no sockets.

Open on loopback means open to whoever sits at this computer, not to whichever web page they
have open elsewhere: therefore the Host header is checked (DNS rebinding) and unsafe methods must
not come from another site (CSRF), with a token or without.
"""

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from gateway.api.sessions import Identity, LoginBrake, Sessions, Tokens
from gateway.api.settings import ApiSettings

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_OPEN: Final = Identity("local", "local")


class Refusal(Struct, frozen=True, kw_only=True):
    """Why a request goes no further."""

    status: int
    code: str
    message: str
    retry_after: int = 0


class Gate:
    """Judges requests by their headers."""

    def __init__(
        self,
        settings: ApiSettings,
        tokens: Tokens,
        sessions: Sessions,
        brake: LoginBrake,
        node: str,
    ) -> None:
        self.settings = settings
        self.tokens = tokens
        self.sessions = sessions
        self.brake = brake
        self.cookie = f"ganzhi_{node}"
        own = {settings.bind.strip("[]").lower()} if settings.loopback else set()
        self._hosts = _LOCAL_HOSTS | own | {h.lower() for h in settings.allowed_hosts}

    def foreign(self, method: str, headers: Mapping[str, str]) -> Refusal | None:
        """Refuse a request that was made under a foreign name or by a foreign page."""
        if not self._host_known(headers.get("host", "")):
            return Refusal(
                status=421,
                code="unknown_host",
                message="This node is not reached under that name; to allow it, add the name to"
                " api.allowed_hosts.",
            )
        if method not in SAFE and "authorization" not in headers and self._cross_site(headers):
            return Refusal(
                status=403,
                code="cross_site",
                message="Another web site may not change anything here.",
            )
        return None

    def _host_known(self, host: str) -> bool:
        if self.settings.token_required and not self.settings.allowed_hosts:
            return True
        return _hostname(host) in self._hosts

    def _cross_site(self, headers: Mapping[str, str]) -> bool:
        site = headers.get("sec-fetch-site")
        if site is not None and site not in ("same-origin", "none"):
            return True
        origin = headers.get("origin")
        if origin is None:
            return False
        try:
            return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
        except ValueError:
            return True

    def identify(self, address: str, headers: Mapping[str, str]) -> Identity | Refusal | None:
        """Tell who is asking; None when nobody in particular and that is not enough.

        A wrong bearer token is a refusal even where none is needed.
        """
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        if scheme:
            return self.bearer(address, secret.strip() if scheme.lower() == "bearer" else "")
        value = self.cookie_value(headers)
        name = self.sessions.name_of(value) if value else None
        if name is not None:
            return self.tokens.identity(name, "session")
        return None if self.settings.token_required else _OPEN

    def bearer(self, address: str, secret: str) -> Identity | Refusal:
        """Return whose token `secret` is, or why it is not taken."""
        wait = self.brake.wait(address)
        if wait > 0:
            return Refusal(
                status=429,
                code="too_many_attempts",
                message="Too many wrong tokens; try again later.",
                retry_after=int(wait) + 1,
            )
        name = self.tokens.name_of(secret)
        if name is None:
            self.brake.failed(address)
            return Refusal(status=401, code="wrong_token", message="This token is not known here.")
        return self.tokens.identity(name, "token")

    def cookie_value(self, headers: Mapping[str, str]) -> str:
        """Return the session cookie's value, empty when there is none."""
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return ""
        return morsel.value if morsel is not None else ""


def _hostname(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
