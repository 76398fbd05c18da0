"""The whole house from the outside: the demo runs, a real browser shows it, an operator works.

One run of `ganzhi demo --for` serves all tests of this file. The last one ends it early and looks
at what it proved: readings of all protocols at the province, an alarm raised, acknowledged and
cleared, a command that changed a register.
"""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from gateway.demo.plan import PROVINCE, Ports
from tests.flow.nodes import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

SHIFT = 21000
URL = f"http://127.0.0.1:{Ports(SHIFT).api(PROVINCE)}"
ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
COMMENT = "来自浏览器的确认"
SLOW = 120_000
SOFTWARE_GL = [
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


class Demo:
    """`ganzhi demo --for` with its output."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "demo.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gateway.cli.main", "demo", "--for", "15m"),
                    *("--shift", str(SHIFT), "--data", str(folder / "data")),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def says(self, text: str) -> bool:
        assert self.process.poll() is None, self.said
        return text in self.said


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    started = Demo(tmp_path_factory.mktemp("demo"))
    try:
        wait_for(lambda: started.says("running after"), "the demo runs", 120)
        yield started
    finally:
        started.process.send_signal(signal.SIGINT)
        started.process.wait(60)


@pytest.fixture(scope="module")
def browser(browser_path: str, browser_arguments: list[str]) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=browser_path, args=[*SOFTWARE_GL, *browser_arguments]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page(demo: Demo, browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1920, "height": 1080})
    opened.set_default_timeout(SLOW)
    foreign: list[str] = []
    errors: list[str] = []
    opened.on("request", lambda request: _note_foreign(request.url, foreign))
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(f"{URL}/?lang=zh")
    opened.wait_for_selector('html[data-ready="1"]', state="attached")
    yield opened
    assert foreign == []
    assert errors == []
    opened.close()


def _note_foreign(url: str, foreign: list[str]) -> None:
    if not url.startswith((URL, "data:", "blob:")):
        foreign.append(url)


def shown(page: Page, testid: str) -> str:
    return page.get_by_test_id(testid).first.inner_text()


def test_the_map_shows_every_device_and_its_state(page: Page) -> None:
    wait_for(lambda: re.sub(r"\D", "", shown(page, "total")) == "193", "all devices", 60)
    expect(page.get_by_test_id("state-online")).to_be_visible()


def test_labels_really_show_chinese(page: Page) -> None:
    """Two labels of equal length give different pixels: no empty boxes."""
    draw = """() => ['霁岚', '澜桥'].map((text) => {
        const canvas = document.createElement('canvas');
        canvas.width = 80; canvas.height = 40;
        const pen = canvas.getContext('2d');
        pen.font = '28px ' + getComputedStyle(document.body).fontFamily;
        pen.fillText(text, 4, 30);
        const data = pen.getImageData(0, 0, 80, 40).data;
        return Array.from(data).filter((_, i) => i % 4 === 3).join();
    })"""
    pixels = page.evaluate(draw)
    assert pixels[0] != pixels[1]
    assert len(set(pixels[0].split(","))) > 2


def test_an_alarm_is_acknowledged_from_the_screen(page: Page) -> None:
    """A citizen's report: the demo's own operator acknowledges everything else."""
    rows = page.get_by_test_id("alarm-row")
    row = rows.filter(has_text="市民热线").filter(has_text="未确认").first
    row.hover()
    row.get_by_test_id("acknowledge").click()
    form = page.get_by_test_id("ack-form").first
    form.get_by_role("textbox").fill(COMMENT)
    form.get_by_test_id("ack-send").click()
    wait_for(lambda: COMMENT in _comments(), "the acknowledgement is stored", 30)


def test_a_device_shows_live_values_and_history(page: Page) -> None:
    page.goto(f"{URL}/?lang=zh&device=edge-west~pump-04-01")
    page.wait_for_selector('html[data-ready="1"]', state="attached")
    expect(page.get_by_test_id("value-row").first).to_be_visible()
    expect(page.get_by_test_id("chart").first).to_be_visible()
    page.screenshot(path=_picture("device.png"))


def test_the_language_changes(page: Page) -> None:
    page.goto(f"{URL}/?lang=en")
    page.wait_for_selector('html[data-ready="1"]', state="attached")
    expect(page.get_by_text("Online", exact=True).first).to_be_visible()
    page.goto(f"{URL}/?lang=zh")
    page.wait_for_selector('html[data-ready="1"]', state="attached")
    expect(page.get_by_text("在线", exact=True).first).to_be_visible()
    page.screenshot(path=_picture("overview.png"))


def test_the_demo_proves_the_whole_path(demo: Demo) -> None:
    wait_for(lambda: demo.says("command carried out"), "the command", 120)
    wait_for(lambda: demo.says("acknowledged at the province"), "an acknowledgement", 120)
    wait_for(_cleared, "an alarm clears", 120)
    demo.process.send_signal(signal.SIGINT)
    status = demo.process.wait(90)
    assert status == 0, demo.said
    assert "the whole path      works" in demo.said


def _alarms() -> list[dict[str, Any]]:
    with urlopen(f"{URL}/api/v1/alarms?limit=500", timeout=10) as answer:
        return list(json.load(answer)["items"])


def _cleared() -> bool:
    return any(alarm["cleared"] for alarm in _alarms())


def _comments() -> set[str]:
    return {a["acknowledged"]["comment"] for a in _alarms() if a["acknowledged"]}


def _picture(name: str) -> str:
    ARTIFACTS.mkdir(exist_ok=True)
    return str(ARTIFACTS / name)
