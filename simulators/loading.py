"""Reads a scenario from YAML."""

from pathlib import Path

import yaml

from registry.model import Fault, Faulty
from simulators.check import check
from simulators.scenario import Scenario
from simulators.strict import convert


def parse(text: str) -> Scenario:
    """Read a scenario from YAML.

    Raises:
        Faulty: with every mistake found, each with its path and what was expected.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "scenario"
        problem = getattr(error, "problem", None) or "this cannot be read"
        raise Faulty([Fault(where=where, message=problem, expected="YAML")]) from error
    scenario = convert(data, Scenario)
    faults = list(check(scenario))
    if faults:
        raise Faulty(faults)
    return scenario


def load(path: Path) -> Scenario:
    """Read a scenario from a file.

    Raises:
        Faulty: the file cannot be read, or holds mistakes.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fault = Fault(where=str(path), message=f"cannot be read: {error}", expected="a YAML file")
        raise Faulty([fault]) from error
    return parse(text)
