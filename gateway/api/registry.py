"""The registry as files: taking a table or a document of devices in."""

from typing import Annotated, Any, Final

from litestar import Controller, Request, post
from litestar.params import QueryParameter
from msgspec import Struct

from gateway.api.errors import Problem
from gateway.api.node import Node
from gateway.inventory import Format, Taken

_LARGEST: Final = 64 * 1024 * 1024
_FORMATS: Final[dict[str, Format]] = {
    "text/csv": "csv",
    "application/yaml": "yaml",
    "application/x-yaml": "yaml",
    "text/yaml": "yaml",
}


class TakenView(Struct, kw_only=True):
    """How many entries a file changes, or would change."""

    new: int
    changed: int
    same: int
    retired: int
    areas: int
    profiles: int
    rules: int


def taken_view(taken: Taken) -> TakenView:
    """Write the outcome of an import for the API."""
    return TakenView(**{name: getattr(taken, name) for name in TakenView.__struct_fields__})


class RegistryController(Controller):
    """`/registry`."""

    path = "/registry"
    tags = ("registry",)

    @post(
        "/import",
        status_code=200,
        request_max_body_size=_LARGEST,
        summary="Take in a CSV table or a YAML document; the same file twice changes nothing",
    )
    async def take_in(
        self,
        request: Request[Any, Any, Any],
        node: Node,
        dry_run: Annotated[bool, QueryParameter(description="Only say what would change.")] = False,
        complete: Annotated[
            bool, QueryParameter(description="The file holds all devices: retire the others.")
        ] = False,
    ) -> TakenView:
        format = _FORMATS.get(request.content_type[0])
        if format is None:
            raise Problem.bad("Content-Type", "is no table or document", ", ".join(_FORMATS))
        data = await request.body()
        return taken_view(await node.take_in(data, format, dry_run=dry_run, complete=complete))
