"""`ganzhi demo`: a small province on this computer."""

import argparse
import asyncio
import re
from pathlib import Path

_SCENARIO = Path(__file__).resolve().parents[2] / "examples" / "scenarios" / "province.yaml"


def seconds(text: str) -> float:
    """Read a duration: 90, 90s, 5m, 1h.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 60s, 5m or 1h")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2] or "s"]


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "demo",
        help="run a small province on this computer",
        description="Start two edges, a city, a province and simulated devices, each its own"
        " process with its own data folder, and print the map's address. Data is kept and used"
        " again by the next start.",
        epilog="Example: ganzhi demo --for 60s   ends by itself; exit status 0 if the path works.",
    )
    parser.add_argument("--for", dest="seconds", type=seconds, metavar="60s")
    parser.add_argument("--data", type=Path, default=Path("data/demo"), metavar="FOLDER")
    parser.add_argument("--scenario", type=Path, default=_SCENARIO, metavar="FILE")
    parser.add_argument(
        "--shift", type=int, default=0, metavar="N", help="add N to every port of the demo"
    )
    parser.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    from gateway.demo.run import Options, demo

    asked = Options(
        folder=options.data.resolve(),
        scenario=options.scenario,
        seconds=options.seconds,
        shift=options.shift,
    )
    print("Ganzhi demo: a fictional province on this computer", flush=True)
    return asyncio.run(demo(asked, lambda line: print(line, flush=True)))
