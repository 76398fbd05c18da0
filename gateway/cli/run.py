"""`ganzhi run`, `ganzhi check`, `ganzhi schema`: a node from its configuration file."""

import argparse
import asyncio
import json
import logging
import signal
import sys
from pathlib import Path

from gateway.config import Settings, load
from registry.store.database import open_reader

log = logging.getLogger(__name__)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    run = commands.add_parser(
        "run",
        help="run a node until it is told to stop",
        description="Run one node: an edge box, a city or a province, as its file says.",
        epilog="Example: ganzhi run -c examples/edge.yaml",
    )
    run.add_argument("-c", "--config", type=Path, default=Path("ganzhi.yaml"), metavar="FILE")
    run.set_defaults(run=_run)
    check = commands.add_parser(
        "check",
        help="check a configuration file and name every mistake",
        description="Check a configuration file: every mistake at once, with its path.",
    )
    check.add_argument("config", type=Path, metavar="FILE")
    check.set_defaults(run=_check)
    shape = commands.add_parser(
        "schema",
        help="print the configuration's JSON Schema or its reference",
        description="Print what a configuration file may hold.",
    )
    shape.add_argument("--format", choices=("json", "markdown"), default="json")
    shape.set_defaults(run=_schema)


def _check(options: argparse.Namespace) -> int:
    settings = load(options.config)
    print(f"{options.config}: right ({settings.node.role} {settings.node.name})")
    return 0


def _schema(options: argparse.Namespace) -> int:
    from gateway.config.reference import markdown, schema

    if options.format == "markdown":
        sys.stdout.write(markdown())
    else:
        print(json.dumps(schema(), indent=2, ensure_ascii=False))
    return 0


def _run(options: argparse.Namespace) -> int:
    from gateway.logs import configure

    settings = load(options.config)
    configure(settings.log)
    return asyncio.run(_until_stopped(settings))


async def _until_stopped(settings: Settings) -> int:
    """Run the node until SIGTERM or SIGINT, then let it finish what it holds."""
    from gateway.node import Node

    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - inside asyncio.run
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await Node(settings).run(lambda port: _ready(settings, port))
    except asyncio.CancelledError:
        log.info("ended")
        return 0
    return 1


def _ready(settings: Settings, port: int) -> None:
    node, api = settings.node, settings.api
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
    host = everywhere.get(api.bind, api.bind).strip("[]")
    host = f"[{host}]" if ":" in host else host
    scheme = "https" if api.certificate else "http"
    count = _devices(settings)
    log.info(
        "ready: %s://%s:%d/ (%s %s, %d devices)", scheme, host, port, node.role, node.name, count
    )


def _devices(settings: Settings) -> int:
    """Count the devices in the registry, the node itself aside."""
    connection = open_reader(Path(settings.data.folder) / "main.db")
    try:
        (count,) = connection.execute(
            "SELECT count(*) FROM device WHERE lifecycle<>'retired' AND id<>?",
            (settings.node.name,),
        ).fetchone()
    finally:
        connection.close()
    return int(count)
