"""Parts of the house as the benchmarks set them up: an edge's settings, and nodes as processes."""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.children import Child, python, running
from benchmarks.workload import NODE
from gateway.config import Role, Settings, load
from gateway.config.model import DataSettings, NodeSettings, UpperSettings
from gateway.core import Core
from gateway.inventory import take_in
from protocols.adapter import Credential
from registry.exchange.document import Document

_PATIENCE: Final = 60.0


def edge_settings(folder: Path) -> Settings:
    """Return the settings of an edge whose upper tier is not there: its outbox fills."""
    return Settings(
        node=NodeSettings(name=NODE, role=Role.EDGE),
        data=DataSettings(folder=str(folder)),
        upper=UpperSettings(name="province", url="mqtt://127.0.0.1:1", credential="none"),
        credentials={"none": Credential()},
    )


class NodeProcess:
    """A node run by its configuration file."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Write the configuration; the node's data goes beside it."""
        self.name: str = settings["node"]["name"]
        self.home = folder / self.name
        self.home.mkdir(parents=True, exist_ok=True)
        self.config = self.home / "ganzhi.yaml"
        self.config.write_text(yaml.safe_dump({**settings, "data": {"folder": "."}}))
        self.api: int = settings["api"]["port"]
        self.child: Child | None = None

    async def register(self, document: Document) -> None:
        """Take a document in while the node is not running."""
        core = Core(load(self.config))
        await core.start()
        try:
            await take_in(core, document)
        finally:
            await core.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["NodeProcess"]:
        """Run the node."""
        command = python("gateway.cli.main", "run", "-c", self.config)
        async with running(self.name, command, self.home) as child:
            self.child = child
            yield self

    async def connected(self, endpoints: Sequence[str]) -> None:
        """Wait until the node says that it is connected to all of these.

        Raises:
            Failed: it ended, or is not within a minute.
        """
        assert self.child is not None
        missing = set(endpoints)
        for _ in range(int(_PATIENCE / 0.1)):
            self.child.check()
            missing = set(endpoints) - await self._endpoints()
            if not missing:
                return
            await asyncio.sleep(0.1)
        raise self.child.failure(f"is not connected to {', '.join(sorted(missing))}")

    async def _endpoints(self) -> set[str]:
        with suppress(OSError):
            items = (await asyncio.to_thread(_get, self.api, "/api/v1/endpoints"))["items"]
            return {item["endpoint"] for item in items if item["state"] == "connected"} | {""}
        return set()


def _get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return json.loads(answer.read())
