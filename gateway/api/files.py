"""Files served from memory with an entity tag, packed once: the screen and the map."""

import gzip
import hashlib
import mimetypes
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response
from msgspec import Struct

_PACKED: Final = frozenset({".js", ".css", ".html", ".json", ".geojson", ".svg", ".map", ".txt"})
_TYPES: Final = {
    ".js": "text/javascript",
    ".geojson": "application/geo+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
    ".pmtiles": "application/vnd.pmtiles",
}
_MIN_PACKED: Final = 1_024


class _Held(Struct):
    stamp: tuple[int, int]
    etag: str
    body: bytes
    packed: bytes | None


class FileShelf:
    """Hands out the files below one folder; whoever calls decides which names are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._held: dict[str, _Held] = {}

    def names(self) -> set[str]:
        """Return the relative names of all files that are there now."""
        if not self.folder.is_dir():
            return set()
        return {
            p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*") if p.is_file()
        }

    def load(self, name: str) -> _Held | None:
        """Read a file (blocking), None when it is not there or lies outside the folder."""
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder):
            return None
        try:
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            held = self._held.get(name)
            if held is None or held.stamp != stamp:
                held = self._held[name] = _hold(path.read_bytes(), stamp, path.suffix)
        except OSError:
            return None
        return held


def _hold(body: bytes, stamp: tuple[int, int], suffix: str) -> _Held:
    packed = None
    if suffix in _PACKED and len(body) >= _MIN_PACKED:
        packed = gzip.compress(body, 6, mtime=0)
    return _Held(stamp, f'"{hashlib.sha256(body).hexdigest()[:32]}"', body, packed)


def answer(request: Request[Any, Any, Any], name: str, held: _Held, cache: str) -> Response[bytes]:
    """Make the answer for one file: 304 when the caller has it, packed when the caller can."""
    headers = {"Cache-Control": cache, "ETag": held.etag, "Vary": "Accept-Encoding"}
    if held.etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type=media_type(name))
    body = held.body
    if held.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body = held.packed
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type=media_type(name))


def media_type(name: str) -> str:
    """Return the media type for a file's name."""
    suffix = Path(name).suffix.lower()
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
