"""A protocol is a folder, a line in the catalogue, tests, a simulator and a quality list."""

import subprocess
import sys
from importlib import import_module

import pytest

from protocols.catalogue import CATALOGUE
from tests.house.tree import ROOT

_KINDS = [entry.kind for entry in CATALOGUE]
_HEAVY = ("amqtt", "asyncua", "numpy", "paho", "pymodbus", "sqlalchemy")


def test_the_catalogue_lists_the_folders_with_a_door() -> None:
    folders = sorted(path.parent.name for path in (ROOT / "protocols").glob("*/__init__.py"))
    doors = [name for name in folders if hasattr(import_module(f"protocols.{name}"), "open")]
    assert sorted(_KINDS) == doors
    assert [entry.module for entry in CATALOGUE] == [f"protocols.{kind}" for kind in _KINDS]


def test_a_scheme_belongs_to_one_protocol() -> None:
    schemes = [scheme for entry in CATALOGUE for scheme in entry.schemes]
    assert len(schemes) == len(set(schemes))


@pytest.mark.parametrize("kind", _KINDS)
def test_a_protocol_has_all_its_parts(kind: str) -> None:
    assert callable(import_module(f"protocols.{kind}").check)
    assert list((ROOT / "tests" / "protocols" / kind).glob("test_*.py"))
    assert (ROOT / "tests" / "contract" / f"{kind}_harness.py").is_file()
    assert list((ROOT / "simulators").rglob(f"{kind}*")), "no simulator"
    assert (ROOT / "docs" / "quality" / f"{kind}.yaml").is_file()


def test_looking_into_the_catalogue_loads_no_library() -> None:
    modules = ", ".join(entry.module for entry in CATALOGUE)
    program = f"import sys, protocols.catalogue, {modules}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert sorted(set(result.stdout.split()) & set(_HEAVY)) == []
