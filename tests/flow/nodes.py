"""Real nodes, each its own process with its own data folder, that may be killed at any moment."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import yaml

PATIENCE = 60.0


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, all different."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def wait_for(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait until `condition` holds; fail naming `what` after `patience` seconds."""
    deadline = time.monotonic() + patience
    pause = 0.01
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience:.0f} s: {what}")
        time.sleep(pause)
        pause = min(0.2, pause * 1.5)


class Process:
    """Something that is started, killed with -9, and started again."""

    def __init__(self, name: str, arguments: list[str], folder: Path, port: int) -> None:
        self.name = name
        self.port = port
        self._arguments = arguments
        self._log = folder / f"{name}.log"
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(self._arguments, stdout=log, stderr=log)

    def kill(self) -> None:
        """SIGKILL: nothing is said, nothing is finished."""
        if self._running is not None:
            self._running.send_signal(signal.SIGKILL)
            self._running.wait()
            self._running = None

    def up(self) -> bool:
        """Tell whether its port is listened on."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
            return True
        if self._running is not None and self._running.poll() is not None:
            raise AssertionError(f"{self.name} ended:\n{self._log.read_text()[-3000:]}")
        return False


class GanzhiNode(Process):
    """A node run by its configuration file; `module` may be a sabotaged program."""

    def __init__(
        self, folder: Path, name: str, settings: dict[str, object], module: str = "gateway.cli.main"
    ) -> None:
        self.home = folder / name
        self.home.mkdir(parents=True, exist_ok=True)
        self.config = self.home / "ganzhi.yaml"
        port = settings["api"]["port"]  # type: ignore[index]
        self.config.write_text(yaml.safe_dump(settings))
        arguments = [sys.executable, "-m", module, "run", "-c", str(self.config)]
        super().__init__(name, arguments, folder, port)

    def healthy(self) -> bool:
        if not self.up():
            return False
        with suppress(OSError), urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2):
            return True
        return False

    def values(self, point: str) -> list[object]:
        """Return every stored value of a point, from the history files."""
        found: list[object] = []
        for path in sorted((self.home / "history").glob("*.db")):
            with suppress(sqlite3.OperationalError):
                reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
                rows = reader.execute(
                    "SELECT value FROM sample JOIN series ON series.id = sample.series"
                    " WHERE point = ?",
                    (point,),
                )
                found += [value for (value,) in rows]
                reader.close()
        return found


def broker(folder: Path, name: str, port: int) -> Process:
    """A Mosquitto without persistence: what it holds dies with it."""
    config = folder / f"{name}.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        "max_queued_messages 100000\n"
    )
    path = "/usr/sbin" + os.pathsep + os.environ.get("PATH", "")
    program = next(
        str(Path(place) / "mosquitto")
        for place in path.split(os.pathsep)
        if (Path(place) / "mosquitto").exists()
    )
    return Process(name, [program, "-c", str(config)], folder, port)
