"""A real Mosquitto in a process of its own."""

import asyncio
import contextlib
import signal
import socket
import subprocess
from pathlib import Path


def free_port() -> int:
    """Return a TCP port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """A broker on loopback that can be stopped, killed, frozen and started again on its port."""

    def __init__(self, folder: Path, *, extra: str = "", anonymous: bool = True) -> None:
        self.port = free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._folder = folder
        self._config = folder / f"mosquitto-{self.port}.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\n"
            f"allow_anonymous {'true' if anonymous else 'false'}\n"
            "user root\npersistence false\nset_tcp_nodelay true\nlog_dest none\n"
            "max_queued_messages 100000\nmax_queued_bytes 0\n" + extra
        )
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start the process and return when it accepts connections."""
        self._launch()
        while not await self._accepts():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def _launch(self) -> None:
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    async def _accepts(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"mosquitto ended: see {self._config}")
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.close()
            return True
        return False

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop the process in its tracks: its sockets stay open, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
