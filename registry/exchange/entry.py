"""What a file says of one thing, and where in the file each part of it stands."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from registry.model import Fault


class Entry(Struct, frozen=True, kw_only=True):
    """One row or one list item as plain data in the shape of its Struct.

    `locate` turns a dotted path (`place.lon`, `points[0].name`) into words for the reader of the
    file. `texts` holds what was literally written where plain data lost it (`010` read as 8).
    """

    value: dict[str, Any]
    line: int
    locate: Callable[[str], str]
    texts: Mapping[str, str] = {}

    def fault(self, path: str, message: str, expected: str = "") -> Fault:
        """Return a fault at a path of this entry."""
        return Fault(where=self.locate(path), message=message, expected=expected)


def join(path: str, name: str) -> str:
    """Return the path of a field of what stands at `path`."""
    return f"{path}.{name}" if path else name


def nearest(name: str, known: Iterable[str]) -> str:
    """Return advice for an unknown name: the known one most like it, or all of them."""
    names = sorted(known)
    if not names:
        return "none: nothing of the kind is known"
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    return f"{close[0]} (did you mean that?)" if close else f"one of {', '.join(names)}"
