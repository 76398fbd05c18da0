"""The lock files: complete, hashed, of one resolution, and free of any host."""

import json
import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT, setup
from tools.packages import LOCKS

_ENTRY = re.compile(r"^([a-z0-9.-]+)==(\S+)(?: ; ([^\\\n]+?))?(.*?)(?=^\S|\Z)", re.M | re.S)
_REGISTRY = "https://registry.npmjs.org/"


def _entries(lock: Path) -> dict[tuple[str, str], str]:
    """Return the hashes' text by (name, version)."""
    text = re.sub(r"^#.*\n", "", lock.read_text(), flags=re.MULTILINE)
    return {(name, version): rest for name, version, _, rest in _ENTRY.findall(text)}


def _names(lock: Path) -> set[str]:
    return {name for name, _ in _entries(lock)}


def _wanted(text: str) -> set[str]:
    lines = [line.strip() for line in text.splitlines()]
    names = [re.split(r"[<>=!~\[; ]", line)[0] for line in lines if line and line[0] != "#"]
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


@pytest.mark.parametrize("which", LOCKS)
def test_a_lock_names_no_host_and_hashes_every_package(which: str) -> None:
    text = LOCKS[which].read_text()
    assert re.findall(r"\w+://|^\s*--(?!hash=)\S+|@ |file:", text, re.MULTILINE) == []
    bare = [key for key, rest in _entries(LOCKS[which]).items() if "--hash=sha256:" not in rest]
    assert bare == []
    assert len(re.findall(r"^\S+==", text, re.MULTILINE)) == len(_entries(LOCKS[which]))


def test_the_locks_are_of_one_resolution() -> None:
    everything = _entries(LOCKS["dev"])
    assert set(_entries(LOCKS["run"])) <= set(everything)
    assert set(_entries(LOCKS["node"])) <= set(everything)


def test_the_locks_hold_what_setup_cfg_asks_for() -> None:
    extras = setup()["options.extras_require"]
    needed = _wanted(setup()["options"]["install_requires"]) | _wanted(extras["build"])
    assert needed <= _names(LOCKS["run"])
    assert set().union(*map(_wanted, extras.values())) | needed <= _names(LOCKS["dev"])


def test_an_edge_box_needs_no_display() -> None:
    assert "opencv-python-headless" in _names(LOCKS["dev"])
    assert "opencv-python" not in _names(LOCKS["dev"])


def test_the_screens_lock_serves_both_processors_from_the_public_registry() -> None:
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text())
    packages = lock["packages"]
    hosts = [entry.get("resolved", _REGISTRY) for entry in packages.values()]
    assert [host for host in hosts if not host.startswith(_REGISTRY)] == []
    unhashed = [name for name, entry in packages.items() if name and "integrity" not in entry]
    assert unhashed == []
    bindings = [name for name in packages if re.search(r"-linux-(x64|arm64)-gnu$", name)]
    x64 = {name.replace("-x64-", "-arm64-") for name in bindings if "-x64-" in name}
    assert x64 == {name for name in bindings if "-arm64-" in name}
