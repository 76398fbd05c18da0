"""The machine around us: running programs, telling what happens, Debian's packages."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Missing(Exception):
    """Something the machine lacks; the text says what to do, in one line where possible."""


def say(text: str) -> None:
    """Print one line of progress at once, in order with the output of the programs run."""
    print(f"==> {text}", flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Say what begins now, and afterwards how long it took."""
    say(f"{text} ...")
    begun = time.monotonic()
    yield
    say(f"    done in {time.monotonic() - begun:.0f} s")


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> None:
    """Run a program to its end; `quiet` shows its output only when it fails.

    Raises:
        Missing: it failed; what it printed has been shown.
    """
    result = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        errors="replace",
    )
    if result.returncode:
        if quiet:
            sys.stderr.write(result.stdout)
        line = " ".join(str(word) for word in command)
        raise Missing(f"failed with exit status {result.returncode}: {line}")


def answers(command: Sequence[str | Path]) -> str | None:
    """Return what a program prints, or None when it is absent, fails or does not end in 20 s."""
    try:
        result = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=20, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def find(*names: str) -> str | None:
    """Return the path of the first of these programs that is installed (also in /usr/sbin)."""
    return next(filter(None, (shutil.which(name, path=_path()) for name in names)), None)


def _path() -> str:
    """Return PATH with the folders that only root's PATH has: daemons and dpkg's helpers."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def _as_root() -> list[str] | None:
    """Return what to put before a command so that it runs as root, or None."""
    if os.geteuid() == 0:
        return []
    if find("sudo") and answers(["sudo", "-n", "true"]) is not None:
        return ["sudo", "-n"]
    return None


def apt_install(*packages: str) -> None:
    """Install Debian packages when we are root or `sudo -n` lets us be.

    Raises:
        Missing: we may not, or this is no Debian; names the line to run.
    """
    prefix = _as_root()
    if find("apt-get") is None:
        raise Missing(f"install with this system's package manager: {', '.join(packages)}")
    if prefix is None:
        raise Missing(f"run: sudo apt-get install {' '.join(packages)}")
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", f"PATH={_path()}", "apt-get", "-qy"]
    with step(f"Installing {' '.join(packages)} with apt-get"):
        run([*apt, "update"], quiet=True)
        run([*apt, "install", "--no-install-recommends", *packages], quiet=True)


def stop_service(name: str) -> None:
    """Stop and disable the service that a package just brought: only its program was wanted."""
    prefix = _as_root()
    if prefix is not None and Path("/run/systemd/system").is_dir():
        answers([*prefix, "systemctl", "disable", "--now", name])
