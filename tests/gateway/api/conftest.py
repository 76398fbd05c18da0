"""The API over real HTTP: uvicorn on a free port, httpx as the caller."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api.app import build
from gateway.api.server import serve
from gateway.api.settings import ApiSettings
from tests.gateway.api.fakes import FakeNode, make_database

TOKENS = {"lena": "s3cret-lena", "wall": "s3cret-wall"}
Start = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled main.db, to be copied."""
    path = tmp_path_factory.mktemp("database") / "main.db"
    make_database(path)
    return path


@pytest.fixture
def node(tmp_path: Path, database: Path) -> Iterator[FakeNode]:
    """A node with a database of its own."""
    path = tmp_path / "main.db"
    shutil.copyfile(database, path)
    made = FakeNode(path)
    yield made
    made.close()


@asynccontextmanager
async def running(
    node: FakeNode, settings: ApiSettings, tokens: dict[str, str], static: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve `node` and yield a client for it."""
    app = build(node, settings, tokens, static=static)
    app.state.stream_idle = 0.2
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(app, settings, ready=port.set_result))
    waited: set[asyncio.Future[Any]] = {task, port}
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port.result()}", timeout=10, verify=False
        ) as client:
            yield client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def start(node: FakeNode, tmp_path: Path) -> AsyncIterator[Start]:
    """Return a function that serves the node with the given settings."""
    async with AsyncExitStack() as stack:

        async def go(
            static: Path | None = None, tokens: dict[str, str] | None = None, **settings: Any
        ) -> httpx.AsyncClient:
            made = ApiSettings(port=0, **settings)
            folder = static or tmp_path / "no-screen"
            return await stack.enter_async_context(
                running(node, made, TOKENS if tokens is None else tokens, folder)
            )

        yield go


@pytest.fixture
async def client(start: Start) -> httpx.AsyncClient:
    """A client on an open loopback node."""
    return await start()
