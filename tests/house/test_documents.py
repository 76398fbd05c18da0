"""What the documents tell a reader to type or to open exists."""

import argparse
import re
from pathlib import Path

import pytest

from gateway.cli.main import parser
from tests.house.tree import ROOT, files, short

_DOCUMENTS = [*sorted(ROOT.glob("*.md")), *files(".md", folders=("docs", "examples"))]
_FENCED = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def _code(path: Path) -> str:
    return "\n".join(_FENCED.findall(path.read_text(encoding="utf-8")))


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _subcommands() -> set[str]:
    actions = parser()._actions
    return {
        name
        for action in actions
        if isinstance(action, argparse._SubParsersAction)
        for name in action.choices
    }


@pytest.mark.parametrize("path", _DOCUMENTS, ids=short)
def test_the_commands_in_a_document_exist(path: Path) -> None:
    makes = set(re.findall(r"(?:^|[`\s;&])make ([a-z]+)\b", _code(path)))
    assert makes <= _targets()
    calls = set(re.findall(r"(?:^|[`\s;&/])ganzhi ([a-z]+)\b", _code(path)))
    assert calls <= _subcommands()


@pytest.mark.parametrize("path", _DOCUMENTS, ids=short)
def test_the_links_in_a_document_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (path.parent / link).exists()] == []


def test_the_readmes_name_the_two_commands_that_matter() -> None:
    for name in ("README.md", "README.zh-CN.md"):
        code = _code(ROOT / name)
        assert "make demo" in code
        assert "make test" in code


def test_every_target_has_a_line_of_help() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    targets = [line for line in lines if re.match(r"[a-z]+:", line)]
    assert [line for line in targets if " ## " not in line] == []
