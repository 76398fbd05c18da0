"""The secrets a simulator needs, each from a file that a node may write only later."""

from pathlib import Path

from msgspec import Struct


class Login(Struct, frozen=True):
    """A user name and a password; its repr never shows the password."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.username!r})"


def read_secret(path: Path) -> str | None:
    """Return what the file holds, stripped, or None while there is no such file or it is empty."""
    try:
        return path.read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None


def read_login(path: Path, username: str) -> Login | None:
    """Read `user:password`, or the password alone for `username`; None while it is not there."""
    text = read_secret(path)
    if text is None:
        return None
    name, colon, password = text.partition(":")
    return Login(name, password) if colon else Login(username, text)
