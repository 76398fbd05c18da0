"""The operator's map: `map.json` and exactly the files it names."""

import asyncio
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from gateway.api.errors import not_found
from gateway.api.files import FileShelf, answer
from gateway.api.packing import PACKED
from registry.model import Fault, Faulty

_BLANK: Final = b'{"kind":"blank"}'
_CACHE: Final = "private, no-cache"


class MapFolder:
    """One map folder; nothing in it is served that map.json does not name."""

    def __init__(self, folder: Path | None) -> None:
        """Read which files map.json names.

        Raises:
            Faulty: map.json is missing or no JSON object.
        """
        self._shelf = FileShelf(folder) if folder is not None else None
        self._names = self._read_names() if folder is not None else frozenset[str]()

    def _read_names(self) -> frozenset[str]:
        held = self._shelf.load("map.json") if self._shelf else None
        if held is None:
            raise Faulty([self._fault("has no readable map.json")])
        try:
            document = msgspec.json.decode(held.body, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise Faulty([self._fault(f"map.json is not readable: {error}")]) from error
        return frozenset(_file_names(document))

    def _fault(self, message: str) -> Fault:
        folder = self._shelf.folder if self._shelf else ""
        return Fault(where="api.map", message=f"{folder} {message}", expected="a map folder")

    async def document(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """Answer with map.json, or with the blank map."""
        held = await asyncio.to_thread(self._shelf.load, "map.json") if self._shelf else None
        if held is None:
            return Response(_BLANK, media_type="application/json")
        return answer(request, "map.json", held, _CACHE)

    async def file(self, request: Request[Any, Any, Any], name: str) -> Response[bytes]:
        """Answer with one file that map.json names."""
        if self._shelf is not None and name in self._names:
            held = await asyncio.to_thread(self._shelf.load, name)
            if held is not None:
                return answer(request, name, held, _CACHE)
        raise not_found("map file", name)


def _file_names(value: object) -> list[str]:
    """Collect the strings of a map document that look like file names."""
    if isinstance(value, str):
        plain = "." in value and "/" not in value and "\\" not in value and len(value) < 128
        return [value] if plain and not value.startswith(".") else []
    if isinstance(value, dict):
        return [name for inner in value.values() for name in _file_names(inner)]
    if isinstance(value, list):
        return [name for inner in value for name in _file_names(inner)]
    return []


def map_handlers(folder: Path | None) -> list[HTTPRouteHandler]:
    """Make the handlers for `/api/v1/map` and the files at `/map/<name>`."""
    maps = MapFolder(folder)

    @get(
        "/api/v1/map",
        opt=PACKED,
        summary="The map to draw on",
        tags=["map"],
        media_type="application/json",
    )
    async def document(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await maps.document(request)

    @get(["/map/{name:str}", "/api/v1/map/{name:str}"], opt=PACKED, include_in_schema=False)
    async def file(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        if name == "map.json":
            return await maps.document(request)
        return await maps.file(request, name)

    return [document, file]
