"""Brings the folder up to date for what `make` is about to run (`python -m tools.bootstrap STEP`).

Steps: `run` (packages to run Ganzhi), `dev` (packages to test it), `screen` (built when its
sources changed), `web` (built in any case), `peers` (Mosquitto and a browser). Standard library
only; uses the network through pip, npm and apt-get alone.
"""

import argparse
import fcntl
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tools import node, packages, peers
from tools.system import ROOT, Missing, say


def main(arguments: Sequence[str]) -> int:
    """Do the steps in their order; return the exit status."""
    parser = argparse.ArgumentParser(prog="bootstrap", description=__doc__)
    parser.add_argument("steps", nargs="+", choices=STEPS)
    steps = parser.parse_args(arguments).steps
    try:
        with _alone():
            packages.make_venv()
            for step in steps:
                STEPS[step]()
    except Missing as fault:
        print(f"ganzhi: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _install(lock: str) -> None:
    packages.install(lock)
    packages.install_project()


def _peers() -> None:
    for line in peers.prepare():
        say(f"MISSING {line}")


STEPS: dict[str, Callable[[], None]] = {
    "run": lambda: _install("run"),
    "dev": lambda: _install("dev"),
    "screen": node.build,
    "web": lambda: node.build(always=True),
    "peers": _peers,
}


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other `make` prepares the same folder."""
    handle = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another make in this folder")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
