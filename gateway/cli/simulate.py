"""`ganzhi simulate`: the devices of a scenario, without hardware."""

import argparse


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "simulate",
        help="play the devices of a scenario file",
        add_help=False,
        description="Everything after `simulate` goes to the simulators: try simulate --help.",
    )
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    parser.set_defaults(run=_simulate)


def _simulate(options: argparse.Namespace) -> int:
    from simulators.__main__ import main

    return main(options.rest)
