"""Habits that no linter holds for us."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import PACKAGES, files, parsed, short

_BULKHEAD = "gateway/supervisor.py"
_UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME)\b")
_EVERYTHING = {"Exception", "BaseException"}


def test_only_the_bulkhead_catches_everything() -> None:
    places = [
        place for path in files(".py") if short(path) != _BULKHEAD for place in _catch_alls(path)
    ]
    assert places == []


def _catch_alls(path: Path) -> Iterator[str]:
    """Yield where everything is caught; tidying up and raising again catches nothing."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ExceptHandler):
            caught, last = node.type, node.body[-1]
            if isinstance(last, ast.Raise) and last.exc is None:
                continue
        elif isinstance(node, ast.Call) and _last_name(node.func) == "suppress":
            caught = ast.Tuple(elts=node.args)
        else:
            continue
        names = {_last_name(n) for n in ast.walk(caught)} if caught else _EVERYTHING
        if names & _EVERYTHING:
            yield f"{short(path)}:{node.lineno}"


def _last_name(node: ast.AST) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


def test_nothing_is_left_for_later() -> None:
    places = [
        f"{short(path)}:{number}"
        for path in files(".py", ".ts", ".vue", ".css", ".cfg", ".toml", ".yaml")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if _UNFINISHED.search(line)
    ]
    assert places == []


def test_tests_wait_for_conditions_and_never_sleep() -> None:
    sleeps = [
        f"{short(path)}:{node.lineno}"
        for path in files(".py", folders=("tests",))
        if path.stem.startswith("test_")  # helpers wait for a condition, and pause between looks
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep"
    ]
    assert sleeps == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        short(path)
        for path in files(".py", folders=PACKAGES)
        if path.read_text(encoding="utf-8").strip() and not ast.get_docstring(parsed(path))
    ]
    assert silent == []
