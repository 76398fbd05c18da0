"""The registry of a node from the command line: through the running node, else directly."""

import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

import msgspec

from gateway import secrets
from gateway.config import Settings, load
from gateway.core import Core
from gateway.inventory import Format, Taken, preview, read, take_in
from gateway.stores import in_use
from registry.exchange.document import Document, write_csv, write_yaml
from registry.model import Fault, Faulty
from registry.store import areas, devices, profiles, rules
from registry.store.database import open_reader

_TYPES: Final = {"csv": "text/csv", "yaml": "application/yaml"}


async def import_file(
    config: Path, data: bytes, format: Format, *, dry_run: bool, complete: bool
) -> Taken:
    """Take a file into the registry of the node that `config` describes.

    Raises:
        Faulty: with everything that is wrong in the file; nothing was changed.
    """
    settings = load(config)
    if in_use(Path(settings.data.folder)):
        return _ask_node(settings, data, format, dry_run=dry_run, complete=complete)
    core = Core(settings)
    try:
        await core.start()
        document = await read(core, data, format)
        if dry_run:
            return preview(core, document, complete=complete)
        return await take_in(core, document, complete=complete)
    finally:
        await core.close()


def _ask_node(
    settings: Settings, data: bytes, format: Format, *, dry_run: bool, complete: bool
) -> Taken:
    """Hand the file to the running node."""
    api = settings.api
    scheme = "https" if api.certificate else "http"
    host = "127.0.0.1" if api.bind in ("0.0.0.0", "::") else api.bind  # noqa: S104 - compared
    url = (
        f"{scheme}://{host}:{api.port}/api/v1/registry/import"
        f"?dry_run={str(dry_run).lower()}&complete={str(complete).lower()}"
    )
    token = secrets.ensure(Path(settings.data.folder) / "secrets", "api-token")
    request = urllib.request.Request(  # noqa: S310 - the node's own address
        url, data, {"Content-Type": _TYPES[format], "Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310
            return msgspec.json.decode(answer.read(), type=Taken)
    except urllib.error.HTTPError as error:
        raise Faulty(_faults(error.read())) from error
    except OSError as error:
        raise Faulty(
            [Fault(where=url, message=f"the running node does not answer: {error}")]
        ) from error


class _Problem(msgspec.Struct):
    message: str = ""
    fields: list[Fault] = []


class _Answer(msgspec.Struct):
    error: _Problem


def _faults(body: bytes) -> list[Fault]:
    try:
        problem = msgspec.json.decode(body, type=_Answer).error
    except msgspec.DecodeError:
        return [Fault(where="node", message=body[:300].decode(errors="replace"))]
    return problem.fields or [Fault(where="node", message=problem.message)]


def export(config: Path, format: Format) -> str:
    """Return the node's own devices (and in YAML all else of the registry) as a file's text.

    Raises:
        Faulty: the node has no registry yet.
    """
    settings = load(config)
    path = Path(settings.data.folder) / "main.db"
    if not path.exists():
        raise Faulty([Fault(where=str(path), message="is not there: nothing was imported yet")])
    connection = open_reader(path)
    try:
        me = settings.node.name
        own = tuple(d for d, via in devices.load(connection) if via is None and d.id != me)
        known = profiles.everything(connection)
        if format == "csv":
            return write_csv(own, profiles=known)
        document = Document(
            devices=own,
            areas=tuple(areas.everything(connection)),
            profiles=tuple(known.values()),
            rules=tuple(rules.everything(connection)),
        )
        return write_yaml(document)
    finally:
        connection.close()
