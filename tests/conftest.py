"""What all tests share: Hypothesis' manners, and the programs that some of them talk to."""

import os
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from tools import peers
from tools.system import find

# A shared machine is slow at times: examples are counted, not timed.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("house"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "house")

# Debian keeps Mosquitto where a user's PATH does not look.
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs Mosquitto where there is none; where it must be, the test fails."""
    names = getattr(item, "fixturenames", ())
    if "mosquitto" in names and find("mosquitto") is None:
        _absent("Mosquitto", "apt-get install mosquitto")


@pytest.fixture(scope="session")
def browser_path() -> str:
    """The path of a Chromium or Chrome; `make test` installs one where it may."""
    path = find(*peers.BROWSERS) or peers.playwrights()
    if path is None:
        _absent("A browser", "apt-get install chromium")
    return path


@pytest.fixture(scope="session")
def browser_arguments() -> list[str]:
    """What the browser is started with; only root has to do without its sandbox."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []


def _absent(what: str, remedy: str) -> NoReturn:
    text = f"{what} is not installed; run: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)
