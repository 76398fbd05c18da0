"""The node's life: whatever ends it, the core is closed."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.cli.registry_access import import_file
from gateway.core import Core
from gateway.node import Node
from gateway.stores import in_use
from tests.gateway.support import settings

CONFIG = "node: {name: edge-1, role: edge}\ndata: {folder: data}\n"


async def run_node(folder: Path) -> None:
    await Node(settings(folder, CONFIG.encode())).run()


async def run_import(folder: Path) -> None:
    config = folder / "ganzhi.yaml"
    config.write_text(CONFIG)
    await import_file(config, b"devices: []", "yaml", dry_run=True, complete=False)


def commit_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "commit"]


@pytest.mark.parametrize("run", [run_node, run_import])
async def test_a_start_that_fails_leaves_no_thread_and_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[[Path], Awaitable[None]]
) -> None:
    async def fail(core: Core) -> None:
        raise OSError("unreadable")

    monkeypatch.setattr(Core, "load_rules", fail)
    with pytest.raises(OSError, match="unreadable"):
        await run(tmp_path)
    assert commit_threads() == []
    assert not in_use(tmp_path / "data")


async def test_a_start_that_is_cancelled_leaves_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def hang(core: Core) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Core, "load_rules", hang)
    task = asyncio.create_task(run_node(tmp_path))
    await asyncio.wait_for(begun.wait(), 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert commit_threads() == []
