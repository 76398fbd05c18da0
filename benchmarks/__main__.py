"""`python -m benchmarks [NAME ...] [--quick]`: measure, print, and append to results.jsonl."""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.children import ROOT
from benchmarks.figure import Failed, Scale, line, record, say
from benchmarks.table import BENCHMARKS, Benchmark

RESULTS: Final = ROOT / "benchmarks" / "results.jsonl"


def main(arguments: Sequence[str]) -> int:
    """Run the named benchmarks, or all; return 0 whatever the figures."""
    names = [benchmark.name for benchmark in BENCHMARKS]
    parser = argparse.ArgumentParser(
        prog="benchmarks",
        description="Each figure stands beside its raw library's in the same run.",
        epilog=f"Benchmarks: {', '.join(names)}",
    )
    parser.add_argument("name", nargs="*", help="run these alone")
    parser.add_argument("--quick", action="store_true", help="seconds, to see that all runs")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.name) - set(names))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(names)}")
    scale = Scale(quick=options.quick)
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}{', quick' * scale.quick}")
    chosen = [b for b in BENCHMARKS if not options.name or b.name in options.name]
    return max([_measure(benchmark, scale) for benchmark in chosen])


def _measure(benchmark: Benchmark, scale: Scale) -> int:
    """Run one benchmark in a folder of its own on the project's disk."""
    say(f"-- {benchmark.name}; raw: {'; '.join(dict.fromkeys(f.raw for f in benchmark.figures))}")
    (ROOT / "build").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"bench-{benchmark.name}-", dir=ROOT / "build"))
    try:
        measured = {m.name: m for m in asyncio.run(benchmark.load()(scale, folder))}
    except Failed as error:
        say(f"{benchmark.name} could not be measured: {error}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    with RESULTS.open("a") as results:
        for figure in benchmark.figures:
            found = measured[figure.name]
            print(line(figure, found), flush=True)
            results.write(json.dumps(record(figure, found, scale)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
