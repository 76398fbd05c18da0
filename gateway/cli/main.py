"""`ganzhi`: the one command; each subcommand is a file of this folder."""

import argparse
import os
import sys
from collections.abc import Sequence

from gateway.cli import demo, devices, doctor, run, simulate, watch
from gateway.version import VERSION
from registry.model import Faulty


def parser() -> argparse.ArgumentParser:
    """Return the command line with its help."""
    top = argparse.ArgumentParser(
        prog="ganzhi",
        description="Ganzhi 感知: sensing gateway and device middleware from edge box to province.",
        epilog="Try `ganzhi demo`: a small province on this computer, without any hardware.",
    )
    top.add_argument("--version", action="version", version=f"ganzhi {VERSION}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (demo, run, devices, simulate, watch, doctor):
        module.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status (0 done, 1 failed, 2 wrong input)."""
    options = parser().parse_args(arguments)
    try:
        status = int(options.run(options))
        sys.stdout.flush()
    except Faulty as error:
        if len(error.faults) == 1:
            print(f"ganzhi {options.command}: {error.faults[0]}", file=sys.stderr)
            return 2
        for fault in error.faults:
            print(f"  {fault}", file=sys.stderr)
        print(f"ganzhi {options.command}: {len(error.faults)} to mend", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever reads our output (`| head`) has seen enough
        _silence()
        return 0
    except KeyboardInterrupt:
        return 130
    return status


def _silence() -> None:
    """Let what is still unwritten go nowhere, instead of failing when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
