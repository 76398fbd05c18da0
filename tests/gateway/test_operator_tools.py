"""`ganzhi doctor`, `check`, `watch` and the lines they print."""

import json
import socket
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.cli.watch import lines


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
