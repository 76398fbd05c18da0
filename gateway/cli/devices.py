"""`ganzhi devices`: import, export and check the registry of a node."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Literal

from registry.model import Fault, Faulty

Format = Literal["csv", "yaml"]


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "devices",
        help="import, export or verify a node's devices",
        description="The registry as a table (CSV) or a document (YAML).",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    take = actions.add_parser(
        "import",
        help="take a file in; the same file twice changes nothing",
        description="Take devices from a CSV table or a YAML document. Every bad row is named by"
        " line, column and reason, and then nothing is changed.",
        epilog="Example: ganzhi devices import -c edge.yaml devices.csv --dry-run",
    )
    _common(take)
    take.add_argument("file", type=Path, metavar="FILE")
    take.add_argument("--dry-run", action="store_true", help="only say what would change")
    take.add_argument(
        "--complete", action="store_true", help="the file holds all devices: retire the others"
    )
    take.set_defaults(run=_import)
    give = actions.add_parser("export", help="write the devices to a file or to the screen")
    _common(give)
    give.add_argument("file", type=Path, nargs="?", metavar="FILE")
    give.add_argument("--format", choices=("csv", "yaml"))
    give.set_defaults(run=_export)
    verify = actions.add_parser("verify", help="check a file without a node")
    verify.add_argument("file", type=Path, metavar="FILE")
    verify.add_argument("--node", default="node", help="home of devices that name none")
    verify.set_defaults(run=_verify)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, default=Path("ganzhi.yaml"), metavar="CONFIG")


def _format(path: Path) -> Format:
    return "csv" if path.suffix.lower() in (".csv", ".txt") else "yaml"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _failed(path, "cannot be read", error) from error


def _failed(path: Path, what: str, error: OSError) -> Faulty:
    return Faulty([Fault(where=str(path), message=f"{what}: {error.strerror}")])


def _import(options: argparse.Namespace) -> int:
    from gateway.cli.registry_access import import_file

    taken = asyncio.run(
        import_file(
            options.config,
            _content(options.file),
            _format(options.file),
            dry_run=options.dry_run,
            complete=options.complete,
        )
    )
    print(f"{'would be' if options.dry_run else 'taken in'}: {taken}")
    return 0


def _export(options: argparse.Namespace) -> int:
    from gateway.cli.registry_access import export

    wanted = options.format or (_format(options.file) if options.file else "yaml")
    text = export(options.config, wanted)
    if options.file is None:
        sys.stdout.write(text)
    else:
        try:
            options.file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise _failed(options.file, "cannot be written", error) from error
        print(f"written: {options.file}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from protocols import catalogue
    from registry.exchange.document import read_devices

    document = read_devices(
        _content(options.file),
        _format(options.file),
        node=options.node,
        profiles={},
        check=catalogue.check,
    )
    print(f"{options.file}: {len(document.devices)} devices, no mistake")
    return 0
