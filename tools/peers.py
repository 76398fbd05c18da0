"""Programs beside Python that the tests and benchmarks talk to: Mosquitto and a browser."""

import subprocess
from collections.abc import Callable

from tools.packages import PYTHON
from tools.system import Missing, answers, apt_install, find, run, say, step, stop_service

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def mosquitto() -> str:
    """Return the path of Mosquitto, installed if need be.

    Raises:
        Missing: it is absent and could not be installed.
    """
    if path := find("mosquitto"):
        return path
    apt_install("mosquitto")
    stop_service("mosquitto")
    return _present(find("mosquitto"), "mosquitto")


def browser() -> str:
    """Return the path of a browser: the system's, else Debian's package, else Playwright's own.

    Raises:
        Missing: none is there and none could be installed.
    """
    if path := find(*BROWSERS):
        return path
    try:
        apt_install("chromium")
    except Missing as fault:
        say(f"No browser from the system ({fault}); taking Playwright's own")
    else:
        return _present(find(*BROWSERS), "chromium")
    if path := playwrights():
        return path
    with step("Downloading Playwright's Chromium"):
        run([PYTHON, "-m", "playwright", "install", "chromium"], quiet=True)
    return _present(playwrights(), "Playwright's Chromium")


def playwrights() -> str | None:
    """Return the path of Playwright's own Chromium when it is there."""
    program = (
        "from pathlib import Path\n"
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as tool:\n"
        "    path = tool.chromium.executable_path\n"
        "print(path if Path(path).exists() else '')"
    )
    return answers([PYTHON, "-c", program]) or None


def prepare() -> list[str]:
    """Make both ready and return a line for each that is missing; the tests say what they skip."""
    return [line for make in (mosquitto, browser) if (line := _try(make))]


def _try(make: Callable[[], str]) -> str | None:
    try:
        path = make()
    except (Missing, subprocess.SubprocessError) as fault:
        return f"{make.__name__} is missing: {fault}"
    say(f"{make.__name__}: {path}")
    return None


def _present(path: str | None, name: str) -> str:
    if path is None:
        raise Missing(f"{name} was installed but its program is not found")
    return path
