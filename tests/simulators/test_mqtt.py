"""The MQTT sensors, played by another process, through Mosquitto with a login."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from registry.model import from_rfc3339
from tests.simulators.conftest import PASSWORD, Ports, listening, small, until

Play = Callable[..., "subprocess.Popen[bytes]"]
DIES = "[{at: 1, every: 6, duration: 3, device: gas-01-02, effect: dies}]"


class Listener:
    """Everything that was published, in order."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.username_pw_set("sensors", PASSWORD)
        self.client.on_connect = lambda client, *_: client.subscribe("site/#", 1)
        self.client.on_message = lambda _, __, m: self.heard.append(
            (m.topic, bytes(m.payload), m.retain)
        )
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def of(self, topic: str) -> list[bytes]:
        return [payload for name, payload, _ in self.heard if name == topic]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def listener(broker: int) -> Iterator[Listener]:
    ear = Listener(broker)
    yield ear
    ear.close()


async def test_sensors_report_obey_and_die(
    play: Play, ports: Ports, listener: Listener, login_file: Path
) -> None:
    play(small(ports, DIES), "--only", "mqtt", "--broker-password-file", login_file)
    await until(lambda: len(listener.of("site/gas-01-01/telemetry")) >= 3)
    message = json.loads(listener.of("site/gas-01-01/telemetry")[0])
    assert set(message) == {"ts", "lel", "valve"}
    assert from_rfc3339(message["ts"]) > 0
    assert message["valve"] is True

    await until(lambda: len(listener.of("site/car/telemetry")) >= 3)
    spots = {
        tuple(json.loads(m)[k] for k in ("lon", "lat")) for m in listener.of("site/car/telemetry")
    }
    assert len(spots) >= 3

    order = {"id": "o1", "point": "valve", "value": False}
    listener.client.publish("site/gas-01-01/cmd", json.dumps(order), 1)
    await until(lambda: bool(listener.of("site/gas-01-01/cmd/reply")))
    reply = json.loads(listener.of("site/gas-01-01/cmd/reply")[0])
    assert reply == {"id": "o1", "ok": True, "detail": "", "value": False}
    await until(lambda: not json.loads(listener.of("site/gas-01-01/telemetry")[-1])["valve"])

    wrong = {"id": "o2", "point": "lel", "value": 3}
    listener.client.publish("site/gas-01-01/cmd", json.dumps(wrong), 1)
    listener.client.publish("site/gas-01-01/cmd", b"\xff{", 1)
    await until(lambda: len(listener.of("site/gas-01-01/cmd/reply")) >= 3)
    refused, unreadable = map(json.loads, listener.of("site/gas-01-01/cmd/reply")[1:3])
    assert (refused["id"], refused["ok"]) == ("o2", False)
    assert "read-only" in refused["detail"]
    assert (unreadable["id"], unreadable["ok"]) == ("", False)

    status = "site/gas-01-02/status"
    await until(lambda: listener.of(status)[-3:] == [b"online", b"offline", b"online"])
    told = [(topic, payload) for topic, payload, _ in listener.heard]
    down = told.index((status, b"offline"))
    up = told.index((status, b"online"), down)
    between = {topic for topic, _ in told[down:up]}
    assert "site/gas-01-02/telemetry" not in between
    assert "site/gas-01-01/telemetry" in between


async def test_waits_for_login_and_broker_and_ends_cleanly(
    play: Play, ports: Ports, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    late = tmp_path / "late"
    process = play(small(ports), "--only", "mqtt", "--broker-password-file", late)
    request.getfixturevalue("broker")
    ear: Listener = request.getfixturevalue("listener")
    late.write_text(PASSWORD)  # the password alone: the scenario names the user
    await until(lambda: bool(ear.of("site/gas-01-01/telemetry")))
    process.send_signal(signal.SIGTERM)
    await until(lambda: process.poll() is not None)
    assert process.returncode == 0
    # A leave in order is no death: nobody's will is heard.
    assert ear.of("site/gas-01-01/status")[-1] == b"online"


async def test_comes_back_after_the_broker_was_away(
    play: Play, ports: Ports, login_file: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    play(small(ports), "--only", "mqtt", "--broker-password-file", login_file)
    assert not listening(ports.mqtt)
    request.getfixturevalue("broker")
    ear: Listener = request.getfixturevalue("listener")
    await until(lambda: bool(ear.of("site/car/telemetry")))
