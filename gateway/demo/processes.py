"""The demo's processes: started in order, watched, ended together."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_PATIENCE: Final = 15.0


class Died(Exception):
    """A process ended by itself; the text names its log."""


class Processes:
    """Child processes with a log file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, Process] = {}

    async def start(self, name: str, arguments: Sequence[str]) -> None:
        """Start `ganzhi ARGUMENTS` as `name`; its output goes to `<name>.log`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("wb") as log:
            self._running[name] = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway.cli.main",
                *arguments,
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )

    def log(self, name: str) -> Path:
        """Return where a process writes its log."""
        return self._folder / f"{name}.log"

    def check(self) -> None:
        """See that all are alive.

        Raises:
            Died: one ended.
        """
        for name, process in self._running.items():
            if process.returncode is not None:
                tail = self.log(name).read_text(errors="replace").splitlines()[-12:]
                lines = "\n".join(f"    {line}" for line in tail)
                raise Died(f"{name} ended with status {process.returncode}:\n{lines}")

    def pid(self, name: str) -> int:
        """Return a process's id."""
        return self._running[name].pid

    async def stop(self) -> None:
        """End all at once; what does not end in time is killed."""
        running, self._running = self._running, {}
        await asyncio.gather(*(_end(process) for process in running.values()))


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), _PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()
