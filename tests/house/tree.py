"""The files of the house, as the house tests read them."""

import ast
import configparser
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("gateway", "protocols", "edge_ai", "cascade", "simulators", "registry")
CODE = (*PACKAGES, "benchmarks", "tests", "tools", "web")
_MADE = {"__pycache__", "node_modules", "static", "artifacts", "dist", "versions"}


def files(*suffixes: str, folders: tuple[str, ...] = CODE) -> Iterator[Path]:
    """Yield the written files (not the made ones) with these suffixes."""
    for folder in folders:
        for place, names, found in os.walk(ROOT / folder):
            names[:] = [name for name in names if name not in _MADE and name[0] != "."]
            yield from (Path(place) / name for name in sorted(found) if name.endswith(suffixes))


def short(path: Path) -> str:
    """Return a path as written in the documents, from the root of the tree."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """Return a Python file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, module) of every import, wherever in the file it stands."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module


def module(path: Path) -> str:
    """Return the dotted name of a Python file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def setup() -> configparser.ConfigParser:
    """Return setup.cfg."""
    options = configparser.ConfigParser(interpolation=None)
    options.read(ROOT / "setup.cfg", encoding="utf-8")
    return options
