"""The examples are what a newcomer copies: each is read by the code that will read the copy."""

from functools import partial
from pathlib import Path

import pytest

from protocols import catalogue
from registry.exchange.document import read_devices
from registry.model import Profile
from simulators import loading
from tests.house.tree import ROOT, short

_FOLDER = ROOT / "examples"
_read = partial(read_devices, node="example", check=catalogue.check)


def _profiles() -> dict[str, Profile]:
    """Return the profiles that the documents among the examples define."""
    documents = [path.read_bytes() for path in _FOLDER.glob("registry/*.yaml")]
    return {
        profile.name: profile
        for text in documents
        for profile in _read(text, "yaml", profiles={}).profiles
    }


@pytest.mark.parametrize("path", sorted(_FOLDER.glob("registry/*.csv")), ids=short)
def test_a_table_of_devices_is_taken_as_it_is(path: Path) -> None:
    assert _read(path.read_bytes(), "csv", profiles=_profiles()).devices


@pytest.mark.parametrize("path", sorted(_FOLDER.glob("registry/*.yaml")), ids=short)
def test_a_document_of_devices_is_taken_as_it_is(path: Path) -> None:
    assert _read(path.read_bytes(), "yaml", profiles={}).devices


@pytest.mark.parametrize("path", sorted(_FOLDER.glob("scenarios/*.yaml")), ids=short)
def test_a_scenario_plays_as_it_is(path: Path) -> None:
    assert loading.load(path)


def test_every_example_is_of_a_kind_that_is_read() -> None:
    kinds = ("*.yaml", "registry/*.csv", "registry/*.yaml", "scenarios/*.yaml")
    read = {path for kind in kinds for path in _FOLDER.glob(kind)}
    files = {path for path in _FOLDER.rglob("*") if path.is_file() and path.suffix != ".md"}
    assert sorted(map(short, files - read)) == []
