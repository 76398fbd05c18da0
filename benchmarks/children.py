"""Processes of a benchmark: started, listened to, ended; and a Mosquitto."""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from benchmarks.figure import Failed

ROOT: Final = Path(__file__).resolve().parents[1]
_PATIENCE: Final = 60.0
_ENDING: Final = 15.0


class Child:
    """A running process that says on standard output, line by line, how far it is."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._log = log

    async def line(self, patience: float = _PATIENCE) -> str:
        """Return the next line it prints.

        Raises:
            Failed: it ended, or said nothing for `patience` seconds.
        """
        assert self._process.stdout is not None
        try:
            said = await asyncio.wait_for(self._process.stdout.readline(), patience)
        except TimeoutError:
            raise self.failure(f"said nothing for {patience:.0f} s") from None
        if not said:
            raise self.failure("ended")
        return said.decode().rstrip()

    async def answer(self, patience: float = _PATIENCE) -> dict[str, Any]:
        """Return the next line it prints as JSON."""
        said: dict[str, Any] = json.loads(await self.line(patience))
        return said

    def go(self) -> None:
        """Let it begin."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")

    def check(self) -> None:
        """See that it runs.

        Raises:
            Failed: it ended.
        """
        if self._process.returncode is not None:
            raise self.failure(f"ended with status {self._process.returncode}")

    def failure(self, what: str) -> Failed:
        """Return an error with the end of the process's log."""
        tail = self._log.read_text(errors="replace")[-2000:]
        return Failed(f"{self.name} {what}\n{tail}")

    async def end(self) -> None:
        """Ask it to end; what does not end in time is killed."""
        if self._process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), _ENDING)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def running(name: str, command: Sequence[str], folder: Path) -> AsyncIterator[Child]:
    """Run a command; its standard error goes to `<name>.log` in `folder`."""
    log = folder / f"{name}.log"
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=errors, cwd=ROOT
        )
    child = Child(name, process, log)
    try:
        yield child
    finally:
        await child.end()


def python(module: str, *arguments: object) -> list[str]:
    """Return the command that runs one of our modules."""
    return [sys.executable, "-m", module, *map(str, arguments)]


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


async def listening(port: int, child: Child) -> None:
    """Wait until `child` listens on a port.

    Raises:
        Failed: it ended, or does not within a minute.
    """
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while asyncio.get_running_loop().time() < deadline:
        child.check()
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)
    raise child.failure(f"does not listen on port {port}")


@asynccontextmanager
async def mosquitto(folder: Path) -> AsyncIterator[int]:
    """Run a Mosquitto that neither drops nor holds back what is under way; yields its port.

    Its default of 20 messages under way to a client would measure round trips, not receivers.
    """
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise Failed("mosquitto is missing: `make bench` installs it, or apt-get install mosquitto")
    [port] = free_ports(1)
    config = folder / f"mosquitto-{port}.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        "max_queued_messages 0\nmax_inflight_messages 0\nset_tcp_nodelay true\nlog_type error\n"
    )
    async with running(f"mosquitto-{port}", [program, "-c", str(config)], folder) as child:
        await listening(port, child)
        yield port
