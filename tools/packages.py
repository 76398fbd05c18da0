"""Python's side: the folder .venv, and in it exactly what the lock files say."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tools import stamps
from tools.system import ROOT, Missing, answers, apt_install, run, step

PYTHON = stamps.VENV / "bin" / "python"
LOCKS = {
    "run": ROOT / "requirements.lock",
    "node": ROOT / "requirements-node.lock",
    "dev": ROOT / "requirements-dev.lock",
}
_HOLDS = {"run": ("run", "dev"), "node": ("node", "dev"), "dev": ("dev",)}
"""Which lock files contain all of which: each is cut from the same resolution."""


def make_venv() -> None:
    """Make .venv unless a sound one stands there.

    Raises:
        Missing: Python lacks its venv module and it could not be installed.
    """
    if _sound():
        return
    if find_spec("ensurepip") is None or find_spec("venv") is None:
        _install_venv_module()
    with step(f"Making .venv with Python {sys.version.split()[0]}"):
        run([sys.executable, "-m", "venv", "--clear", stamps.VENV], quiet=True)


def _sound() -> bool:
    """Tell whether .venv has a fitting Python with pip and was made for this very folder."""
    test = "import pip, sys; print((3, 11) <= sys.version_info < (3, 14))"
    script = stamps.VENV / "bin" / "pip"
    if not script.is_file() or str(stamps.VENV) not in script.read_text():
        return False
    return answers([PYTHON, "-c", test]) == "True"


def _install_venv_module() -> None:
    name = "python3-venv"
    if Path(sys.executable).resolve() != Path("/usr/bin/python3").resolve():
        name = f"python3.{sys.version_info.minor}-venv"
    apt_install(name)
    if subprocess.run([sys.executable, "-c", "import ensurepip"], check=False).returncode:
        raise Missing(f"{sys.executable} still has no ensurepip after installing {name}")


def install(which: str) -> None:
    """Install a lock file ("run", "node" or "dev") into .venv, if it is not what stands there."""
    if any(stamps.current(name, stamps.digest(LOCKS[name])) for name in _HOLDS[which]):
        return
    lock = LOCKS[which]
    count = len(re.findall(r"^\S+==", lock.read_text(), re.MULTILINE))
    with step(f"Installing {count} Python packages from {lock.name}"):
        run(_pip("--require-hashes", "-r", lock), quiet=True)
    stamps.done(which, stamps.digest(lock))


def install_project() -> None:
    """Install Ganzhi itself, editable; what it needs is there already."""
    mark = stamps.digest(ROOT / "setup.cfg", ROOT / "pyproject.toml")
    if stamps.current("project", mark):
        return
    with step("Installing ganzhi"):
        run(_pip("--no-deps", "--no-build-isolation", "--editable", ROOT), quiet=True)
    stamps.done("project", mark)


def _pip(*words: str | Path) -> list[str | Path]:
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
    return [PYTHON, "-m", "pip", "install", *quiet, *words]
