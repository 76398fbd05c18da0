"""Every quality list answers every rule, and what it points to exists."""

from pathlib import Path
from typing import Annotated

import msgspec
import pytest
import yaml
from msgspec import Meta, Struct

from protocols.catalogue import CATALOGUE
from tests.house.tree import ROOT, parsed

_FOLDER = ROOT / "docs" / "quality"


class Answer(Struct, forbid_unknown_fields=True):
    """Either `done`, the file (and `::function`) that shows it, or `exempt`, the reason."""

    done: Annotated[str, Meta(min_length=1)] = ""
    exempt: Annotated[str, Meta(min_length=20)] | None = None


class QualityList(Struct, forbid_unknown_fields=True):
    """One protocol's answers, by rule."""

    kind: str
    rules: dict[str, Answer]


def _rules() -> dict[str, str]:
    text = (_FOLDER / "rules.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), dict[str, str])


@pytest.mark.parametrize("kind", [entry.kind for entry in CATALOGUE])
def test_a_quality_list_answers_every_rule(kind: str) -> None:
    text = (_FOLDER / f"{kind}.yaml").read_text(encoding="utf-8")
    answers = msgspec.convert(yaml.safe_load(text), QualityList)
    assert answers.kind == kind
    assert set(answers.rules) == set(_rules())
    assert [
        fault for rule, answer in answers.rules.items() if (fault := _fault(rule, answer))
    ] == []


def test_every_quality_list_is_a_protocols() -> None:
    lists = {path.stem for path in _FOLDER.glob("*.yaml")} - {"rules"}
    assert lists == {entry.kind for entry in CATALOGUE}


def _fault(rule: str, answer: Answer) -> str | None:
    if bool(answer.done) == bool(answer.exempt):
        return f"{rule}: needs either done or exempt"
    name, _, function = answer.done.partition("::")
    path = ROOT / name
    if not path.exists():
        return f"{rule}: no such file: {name}"
    if function and function not in _functions(path):
        return f"{rule}: no function {function} in {name}"
    return None


def _functions(path: Path) -> set[str]:
    return {getattr(node, "name", "") for node in parsed(path).body}
