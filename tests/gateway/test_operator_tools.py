"""`ganzhi doctor`, `check`, `watch` and the lines they print."""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gateway import doctor
from gateway.cli.main import main
from gateway.cli.run import _until_stopped
from gateway.cli.watch import lines
from gateway.config import load
from gateway.demo import run as demo_run
from registry.model import Faulty


def config(folder: Path, text: str = "") -> Path:
    path = folder / "ganzhi.yaml"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path.write_text(
        f"node: {{name: edge-1, role: edge}}\napi: {{port: {port}}}\n"
        f"data: {{main_megabytes: 16}}\n{text}"
    )
    return path


def test_doctor_finds_a_healthy_node_healthy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "-c", str(config(tmp_path))]) == 0
    assert "BAD" not in capsys.readouterr().out


def test_doctor_names_a_taken_port_and_an_upper_tier_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        path = config(
            tmp_path,
            f"broker: {{port: {port}}}\n"
            "upper: {name: city, url: 'mqtt://127.0.0.1:1', credential: up}\n"
            "credentials: {up: {username: x}}\n",
        )
        assert main(["doctor", "-c", str(path)]) == 1
    said = capsys.readouterr().out
    assert f"port {port} on 127.0.0.1 is taken" in said
    assert "set broker.port" in said
    assert "upper tier city" in said
    assert "at most once across its own restart" in said


def test_check_names_every_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("node: {name: e, roll: edge}\napi: {port: many}\n")
    assert main(["check", str(path)]) == 2
    said = capsys.readouterr().err
    for part in ("node.roll", "role?", "node.role: is missing", "api.port", "a whole number"):
        assert part in said


def test_watch_turns_the_stream_into_lines() -> None:
    data = {
        "status": [{"device": "a", "state": "online", "since": "T", "cause": "data arrives"}],
        "latest": [
            {"device": "a", "point": "p", "value": 1.5, "quality": "uncertain", "time": "T"},
            {"device": "b", "point": "p", "value": 2, "quality": "good", "time": "T"},
        ],
    }
    stream = [b"event: hello\n", b"data: {}\n", b"event: changes\n"]
    stream.append(b"data: " + json.dumps(data).encode() + b"\n")
    assert list(lines(stream, "a")) == [
        "T  state  a  online  data arrives",
        "T  value  a  p = 1.5  (uncertain)",
    ]


STREAM = (
    b"event: changes\ndata: "
    + json.dumps(
        {"status": [{"device": "a", "state": "online", "since": "T", "cause": "x" * 2000}]}
    ).encode()
    + b"\n\n"
)
ENDPOINTS = {
    "items": [
        {"endpoint": "mqtt://a", "state": "connected", "detail": ""},
        {"endpoint": "mqtt://b", "state": "parked", "detail": "wrong password"},
        {"endpoint": "mqtt://c", "state": "retrying", "detail": "nobody answers"},
    ]
}


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        is_stream = self.path.endswith("/stream")
        self.wfile.write(STREAM * 500 if is_stream else json.dumps(ENDPOINTS).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def node_api() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_watch_ends_quietly_with_whoever_reads_it() -> None:
    with node_api() as port:
        command = [sys.executable, "-m", "gateway.cli.main", "watch", f"127.0.0.1:{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
            assert watch.stdout is not None
            assert watch.stderr is not None
            assert watch.stdout.readline().startswith(b"T  state  a  online")
            watch.stdout.close()
            assert watch.stderr.read() == b""
            assert watch.wait() == 0


def test_doctor_tells_which_endpoints_of_a_running_node_are_in_trouble(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "in_use", lambda folder: True)
    with node_api() as port:
        path = config(tmp_path)
        path.write_text(path.read_text().replace("api: {port: ", f"api: {{port: {port}}} #"))
        assert main(["doctor", "-c", str(path)]) == 1
    said = capsys.readouterr().out
    assert "ok    1 of 3 endpoints connected" in said
    assert "BAD   endpoint mqtt://b is parked: wrong password" in said
    assert "note  endpoint mqtt://c is retrying: nobody answers" in said


TABLE = (
    "local,name,kind,protocol,endpoint,credential,address.topic\n"
    "a,A,sensor,mqtt,mqtt://127.0.0.1:1,near,t/{local}\n"
)


def test_doctor_grades_mistakes_in_links_as_bad_and_counts_no_node(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    near = "credentials: {near: {hosts: [127.0.0.1]}}\n"
    path = config(tmp_path, near)
    table = tmp_path / "devices.csv"
    table.write_text(TABLE)
    assert main(["devices", "import", "-c", str(path), str(table)]) == 0
    assert main(["doctor", "-c", str(path)]) == 0
    assert "ok    1 own devices, 0 mistakes" in capsys.readouterr().out
    path.write_text(path.read_text().replace(near, ""))
    assert main(["doctor", "-c", str(path)]) == 1
    said = capsys.readouterr().out
    assert "'near' is not in the configuration" in said
    assert "BAD   1 own devices, 1 mistakes" in said


async def test_run_says_when_it_is_ready_and_when_it_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.cli.run")
    path = config(tmp_path)
    task = asyncio.create_task(_until_stopped(load(path)))
    async with asyncio.timeout(30):
        while not caplog.messages:
            await asyncio.sleep(0.01)
            assert not task.done()
    os.kill(os.getpid(), signal.SIGTERM)
    assert await task == 0
    port = load(path).api.port
    assert [r.getMessage() for r in caplog.records if r.name == "gateway.cli.run"] == [
        f"ready: http://127.0.0.1:{port}/ (edge edge-1, 0 devices)",
        "ended",
    ]


def asked(folder: Path) -> demo_run.Options:
    return demo_run.Options(folder=folder, scenario=Path("none.yaml"), shift=20000)


async def test_a_second_demo_on_the_same_data_writes_nothing(tmp_path: Path) -> None:
    with (
        demo_run._alone(tmp_path),
        pytest.raises(Faulty, match="another demo runs on this data: use --data FOLDER"),
    ):
        await demo_run.demo(asked(tmp_path), print)
    assert os.listdir(tmp_path) == ["lock-demo"]


async def test_a_demo_that_is_stopped_while_it_starts_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []

    async def start(*given: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("start")

    monkeypatch.setattr(demo_run, "_start", start)
    monkeypatch.setattr(demo_run, "_free", lambda ports: None)
    assert await asyncio.wait_for(demo_run.demo(asked(tmp_path), ended.append), 20) == 130
    assert ended == ["start", "  ending ..."]
