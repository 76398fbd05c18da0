"""`ganzhi doctor`: finds what keeps a node from working, and says what to do."""

import argparse
import asyncio
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "doctor",
        help="find an operator's mistake before it hurts",
        description="Check a node's configuration, data folder, ports, devices and upper tier.",
        epilog="Example: ganzhi doctor -c ganzhi.yaml",
    )
    parser.add_argument("-c", "--config", type=Path, default=Path("ganzhi.yaml"), metavar="FILE")
    parser.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from gateway.config import load
    from gateway.doctor import Grade, examine

    settings = load(options.config)
    worst = Grade.GOOD
    for finding in asyncio.run(examine(settings)):
        print(f"  {finding.grade.value:<5} {finding.what}")
        if finding.advice:
            print(f"        -> {finding.advice}")
        worst = max(worst, finding.grade, key=list(Grade).index)
    return 1 if worst is Grade.BAD else 0
