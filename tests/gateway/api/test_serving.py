"""The listener, the screen's files and the map's."""

import asyncio
import gzip
import json
import socket
from pathlib import Path

import httpx
import pytest

from gateway.api.app import build
from gateway.api.server import serve
from gateway.api.settings import ApiSettings
from registry.model import Faulty
from tests.gateway.api.conftest import Start
from tests.gateway.api.fakes import FakeNode


async def test_a_taken_port_names_the_setting(node: FakeNode) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = ApiSettings(port=port)
        with pytest.raises(Faulty) as caught:
            await serve(build(node, settings, {}), settings)
    (fault,) = caught.value.faults
    assert fault.where == "api.port"
    assert str(port) in fault.message


async def test_an_address_of_another_computer_names_the_setting(node: FakeNode) -> None:
    settings = ApiSettings(bind="192.0.2.1", port=0)
    with pytest.raises(Faulty) as caught:
        await serve(build(node, settings, {"a": "b"}), settings)
    assert caught.value.faults[0].where == "api.bind"


async def test_stopping_ends_open_streams(node: FakeNode) -> None:
    settings = ApiSettings(port=0)
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(build(node, settings, {}), settings, ready=port.set_result))
    async with httpx.AsyncClient(verify=False) as client:
        url = f"http://127.0.0.1:{await port}/api/v1/stream"
        async with client.stream("GET", url) as answer:
            lines = answer.aiter_lines()
            assert await anext(lines)
            task.cancel()
            rest = [line async for line in lines]
            assert not any("reset" in line for line in rest)
    with pytest.raises(asyncio.CancelledError):
        await task
    with socket.socket() as again:
        again.bind(("127.0.0.1", await port))


@pytest.fixture
def static(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>screen</title>")
    (folder / "assets" / "app-1a2b.js").write_text("let a = 1;\n" * 500)
    (tmp_path / "secret.txt").write_text("secret")
    return folder


async def test_the_screen(start: Start, static: Path) -> None:
    client = await start(static=static)
    for page in ("/", "/alarms", "/devices/x"):
        answer = await client.get(page)
        assert answer.status_code == 200
        assert "screen" in answer.text
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
    script = await client.get("/assets/app-1a2b.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in script.headers["cache-control"]
    assert script.headers["content-encoding"] == "gzip"
    assert script.text == "let a = 1;\n" * 500
    etag = {"If-None-Match": script.headers["etag"]}
    again = await client.get("/assets/app-1a2b.js", headers=etag)
    assert (again.status_code, again.content) == (304, b"")
    assert (await client.get("/assets/gone.js")).status_code == 404


async def test_only_the_screens_own_files_are_served(start: Start, static: Path) -> None:
    client = await start(static=static)
    for address in ("/..%2fsecret.txt", "/assets/..%2f..%2fsecret.txt", "/%2e%2e/secret.txt"):
        answer = await client.get(address)
        assert answer.status_code == 404
        assert "secret" not in answer.text.replace("secret.txt", "")


async def test_a_screen_that_is_not_built_says_so(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.status_code == 503
    assert "npm run build" in answer.text


async def test_the_map_serves_what_it_names(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "map"
    folder.mkdir()
    roads = {"type": "FeatureCollection", "features": ["x" * 2_000]}
    (folder / "map.json").write_text(
        json.dumps({"kind": "vector", "title": "v1.0", "layers": {"roads": "roads.geojson"}})
    )
    (folder / "roads.geojson").write_text(json.dumps(roads))
    (folder / "other.geojson").write_text("{}")
    client = await start(map=str(folder))
    assert (await client.get("/api/v1/map")).json()["kind"] == "vector"
    answer = await client.get("/map/roads.geojson")
    assert answer.json() == roads
    assert answer.headers["content-type"].startswith("application/geo+json")
    assert answer.headers["content-encoding"] == "gzip"
    for address in ("/map/other.geojson", "/map/v1.0", "/map/..%2fmain.db", "/map/"):
        assert (await client.get(address)).status_code == 404, address


async def test_without_a_map_it_is_blank(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/map")).json() == {"kind": "blank"}


async def test_a_map_folder_without_map_json_does_not_start(node: FakeNode, tmp_path: Path) -> None:
    with pytest.raises(Faulty) as caught:
        build(node, ApiSettings(map=str(tmp_path / "nothing")), {})
    assert caught.value.faults[0].where == "api.map"


def test_gzip_is_what_browsers_unpack() -> None:
    from gateway.api.packing import pack
    from gateway.api.session import SessionView

    view = SessionView(required=True, authenticated=False, name="x" * 5_000)
    body, packed = pack(view, gzip=True)
    assert packed
    assert json.loads(gzip.decompress(body))["required"] is True
