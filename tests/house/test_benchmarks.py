"""Every benchmark is listed, says what it measures, and stands beside a raw peer."""

import ast
import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.figure import Figure, Measured, Scale, Target, line, record
from benchmarks.table import BENCHMARKS, Benchmark
from tests.house.tree import ROOT, parsed

FOLDER = ROOT / "benchmarks"


def test_what_measures_is_listed() -> None:
    """A module with a coroutine `run` is a benchmark; each is in the table, once."""
    there = {
        path.stem
        for path in FOLDER.glob("*.py")
        if any(isinstance(n, ast.AsyncFunctionDef) and n.name == "run" for n in parsed(path).body)
    }
    listed = [benchmark.name for benchmark in BENCHMARKS]
    assert sorted(listed) == sorted(there)


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda b: b.name)
def test_a_benchmark_says_what_it_measures_against_what(benchmark: Benchmark) -> None:
    docstring = ast.get_docstring(parsed(FOLDER / f"{benchmark.name}.py"))
    assert docstring
    assert len(docstring) > 60
    assert benchmark.figures
    for figure in benchmark.figures:
        assert figure.name.startswith(benchmark.name.partition("_")[0])
        assert figure.unit
        assert figure.raw
        assert figure.target.limit > 0


def test_figure_names_are_unique() -> None:
    names = [figure.name for benchmark in BENCHMARKS for figure in benchmark.figures]
    assert len(names) == len(set(names))


def test_the_figures_that_the_issue_asks_for_keep_their_targets() -> None:
    targets = {f.name: str(f.target) for b in BENCHMARKS for f in b.figures}
    assert targets["mqtt_commit"] == "ratio >= 0.2"
    assert targets["mqtt_cpu"] == "value <= 0.12"
    assert targets["cascade"] == "value >= 20,000"
    assert targets["memory_edge"] == "value <= 120"
    assert targets["memory_edge_opcua"] == "value <= 160"


@pytest.mark.parametrize(
    ("target", "value", "raw", "met"),
    [
        (Target(0.2, "ratio", "at least"), 30.0, 100.0, True),
        (Target(0.2, "ratio", "at least"), 10.0, 100.0, False),
        (Target(120.0, "value", "at most"), 110.0, 1.0, True),
        (Target(120.0, "value", "at most"), 130.0, 1000.0, False),
    ],
)
def test_a_record_holds_what_was_measured(
    target: Target, value: float, raw: float, met: bool
) -> None:
    figure = Figure("name", "unit", "peer", target)
    found = Measured("name", value, raw)
    written = json.loads(json.dumps(record(figure, found, Scale())))
    assert written["met"] is met
    assert (written["value"], written["raw"], written["ratio"]) == (value, raw, value / raw)
    assert {"name", "unit", "target", "time", "cores"} <= set(written)
    assert ("met yes" if met else "met NO") in line(figure, found)


def test_an_unknown_name_is_refused_by_naming_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["no-such-thing"])
    assert ending.value.code == 2
    assert "mqtt_commit" in capsys.readouterr().err


def test_results_stay_out_of_git() -> None:
    assert "benchmarks/results.jsonl" in Path(ROOT / ".gitignore").read_text().splitlines()
