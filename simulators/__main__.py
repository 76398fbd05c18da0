"""Command line: `python -m simulators SCENARIO [--only mqtt|modbus|opcua|citizen]`."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from registry.model import Faulty
from simulators.failure import Failed
from simulators.run import Part, simulate


def main(arguments: Sequence[str] | None = None) -> int:
    """Play a scenario until SIGINT or SIGTERM; return 0, or 1 with the reason on stderr."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for noisy in ("asyncua", "pymodbus"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        asyncio.run(_play(options))
    except Faulty as faulty:
        for fault in faulty.faults:
            sys.stderr.write(f"{fault}\n")
        return 1
    except Failed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


async def _play(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await simulate(
        options.scenario,
        only=options.only or tuple(Part),
        broker_login=options.broker_password_file,
        api_token=options.api_token_file,
        stop=stop,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="simulators", description="Plays the devices of a scenario until it is stopped."
    )
    parser.add_argument("scenario", type=Path, help="YAML file, see examples/scenarios/")
    parser.add_argument(
        "--only",
        action="append",
        type=Part,
        choices=list(Part),
        metavar="|".join(Part),
        help="play this part alone; may be given several times",
    )
    parser.add_argument(
        "--broker-password-file",
        type=Path,
        metavar="FILE",
        help="user:password, or the password alone; waited for when it is not there yet",
    )
    parser.add_argument(
        "--api-token-file",
        type=Path,
        metavar="FILE",
        help="token for the reports, if the node wants one",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log everything")
    return parser


if __name__ == "__main__":
    sys.exit(main())
