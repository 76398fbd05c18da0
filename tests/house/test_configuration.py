"""The structs, the reference and the examples say the same about every setting."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from gateway.config import load, reference
from tests.house.tree import ROOT, short

_EXAMPLES = sorted(
    path for path in (ROOT / "examples").glob("*.yaml") if "\nnode:" in f"\n{path.read_text()}"
)


def test_the_reference_is_what_the_structs_say() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == reference.markdown(), (
        "run: .venv/bin/ganzhi schema --format markdown > docs/configuration.md"
    )


def test_every_setting_is_described() -> None:
    assert [path for path, _, _, text in reference.rows() if not text.strip()] == []


@pytest.mark.parametrize("path", _EXAMPLES, ids=short)
def test_an_example_loads_without_a_fault(path: Path) -> None:
    names = re.findall(r"\$\{(\w+)\}", path.read_text(encoding="utf-8"))
    load(path, {**os.environ, **dict.fromkeys(names, "a-secret-of-some-length")})


def test_every_setting_is_shown_in_an_example() -> None:
    shown = {name for path in _EXAMPLES for name in _paths(_data(path), "")}
    wanted = {re.sub(r"\[\]|\.NAME", "", path) for path, *_ in reference.rows()}
    assert sorted(wanted - shown) == []


def _data(path: Path) -> object:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _paths(data: object, prefix: str) -> Iterator[str]:
    """Yield every dotted path, with the free names of a mapping both kept and left out."""
    if isinstance(data, list):
        for entry in data:
            yield from _paths(entry, prefix)
    elif isinstance(data, dict):
        for key, value in data.items():
            path = f"{prefix}.{key}" if prefix else str(key)
            yield path
            yield from _paths(value, path)
            yield from _paths(value, prefix)
