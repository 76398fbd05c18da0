"""A small scenario on free ports, played by another process; and a broker with a login."""

import asyncio
import getpass
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PASSWORD = "correct-horse"


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listening(port: int) -> bool:
    """Tell whether something accepts connections on a local port."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: Callable[[], bool], timeout: float = 20.0) -> None:
    """Wait until the condition holds, or fail the test."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("what was waited for did not come")
        pause.wait(0.05)


async def until(condition: Callable[[], bool], timeout: float = 20.0) -> None:
    """Wait until the condition holds."""
    await asyncio.to_thread(wait_for, condition, timeout)


class Ports(NamedTuple):
    """Where the small scenario's servers and broker are."""

    mqtt: int
    modbus: int
    opcua: int
    api: int


def small(ports: Ports, incidents: str = "[]") -> str:
    """Return a small scenario: three MQTT sensors, two Modbus units, one OPC UA device."""
    return textwrap.dedent(
        f"""
        title: small
        seed: 7
        nodes:
          - name: e
            api: http://127.0.0.1:{ports.api}
            mqtt: {{port: {ports.mqtt}, username: sensors}}
            modbus: {{port: {ports.modbus}}}
            opcua: {{port: {ports.opcua}}}
        profiles:
          - name: gas
            title: 燃气
            kind: sensor
            category: gas
            every: 0.2
            points:
              - {{name: lel, title: 浓度, unit: "%", signal: {{base: 1, noise: 0.1, low: 0}}}}
              - {{name: valve, title: 阀, type: bool, writable: true, signal: {{base: 1}}}}
          - name: pump
            title: 泵
            kind: actuator
            category: water
            every: 0.2
            points:
              - {{name: flow, title: 流量, signal: {{follows: speed, gain: 8}}}}
              - {{name: energy, title: 电量, type: int, raw: {{type: uint32, order: CDAB}},
                 signal: {{base: 70000}}}}
              - {{name: speed, title: 转速, type: int, range: {{low: 0, high: 100}},
                 writable: true, signal: {{base: 60}}}}
              - {{name: manual, title: 手动, type: bool, writable: true, signal: {{base: 0}}}}
              - {{name: running, title: 运行, type: bool, signal: {{base: 1}}}}
          - name: patrol
            title: 车
            kind: sensor
            category: gas
            every: 0.2
            points:
              - {{name: lon, title: 经度, signal: {{digits: 5}}}}
              - {{name: lat, title: 纬度, signal: {{digits: 5}}}}
        groups:
          - {{name: gas, node: e, protocol: mqtt, profile: gas, areas: ["990100"], count: 3}}
          - {{name: pump, node: e, protocol: modbus, profile: pump, areas: ["990200"], count: 2}}
          - {{name: ua, node: e, protocol: opcua, profile: pump, areas: ["990300"]}}
        mobile: {{local: car, name: 车, node: e, profile: patrol, area: "990100", speed_kmh: 2000}}
        citizens: {{local: people, name: 市民, node: e, area: "990100", at: 0, every: 0.2,
                    texts: [积水, 落石]}}
        incidents: {incidents}
        rules:
          - {{id: gas, point: lel, category: gas, comparison: above, limit: 20, severity: critical}}
        """
    )


def free_ports() -> Ports:
    """Return free ports for one scenario."""
    return Ports(free_port(), free_port(), free_port(), free_port())


@pytest.fixture
def ports() -> Ports:
    """Free ports for one scenario."""
    return free_ports()


@pytest.fixture
def login_file(tmp_path: Path) -> Path:
    """The file with the broker's login."""
    path = tmp_path / "login"
    path.write_text(f"sensors:{PASSWORD}\n")
    return path


@pytest.fixture
def broker(tmp_path: Path, ports: Ports) -> Iterator[int]:
    """Mosquitto with a login, in its own process; yields its port."""
    if which("mosquitto") is None or which("mosquitto_passwd") is None:
        pytest.skip("mosquitto is not installed")
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", users, "sensors", PASSWORD], check=True)
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"user {getpass.getuser()}\nlistener {ports.mqtt} 127.0.0.1\n"
        f"allow_anonymous false\npassword_file {users}\n"
    )
    process = subprocess.Popen(["mosquitto", "-c", config], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: listening(ports.mqtt))
        yield ports.mqtt
    finally:
        process.terminate()
        process.wait(10)


def begin(folder: Path, text: str, *options: str | Path) -> subprocess.Popen[bytes]:
    """Start `python -m simulators` on a scenario's text."""
    path = folder / f"scenario{len(list(folder.iterdir()))}.yaml"
    path.write_text(text, "utf-8")
    command = [sys.executable, "-m", "simulators", str(path), *map(str, options)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)


def end(process: subprocess.Popen[bytes]) -> int:
    """Ask a process to stop and return how it went."""
    if process.poll() is None:
        process.terminate()
    process.communicate(timeout=15)
    return process.returncode


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start simulators as `begin` does; every one is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(text: str, *options: str | Path) -> subprocess.Popen[bytes]:
        started.append(begin(tmp_path, text, *options))
        return started[-1]

    yield start
    for process in started:
        end(process)
