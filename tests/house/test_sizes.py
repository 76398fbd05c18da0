"""A file has one subject and fits on a few screens; a function is read in one sitting."""

import ast

from tests.house.tree import files, parsed, short

LONGEST_FILE = 450
LONGEST_FUNCTION = 80


def test_no_file_is_too_long() -> None:
    lengths = {
        short(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in files(".py", ".ts", ".vue")
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_no_function_is_too_long() -> None:
    long = {
        f"{short(path)}:{node.lineno} {node.name}": lines
        for path in files(".py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}
