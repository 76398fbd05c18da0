"""The screen: the files that the web folder's build left in `static/`."""

import asyncio
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from gateway.api.errors import not_found
from gateway.api.files import FileShelf, answer
from gateway.api.packing import PACKED
from gateway.api.security import PUBLIC

STATIC: Final = Path(__file__).parent / "static"
_IMMUTABLE: Final = "public, max-age=31536000, immutable"
_REVALIDATE: Final = "no-cache"
_NOT_BUILT: Final = """<!doctype html>
<html lang="zh-CN"><meta charset="utf-8"><title>Ganzhi 感知</title>
<body style="font: 16px/1.6 system-ui, sans-serif; max-width: 40em; margin: 10vh auto">
<h1>感知 Ganzhi</h1>
<p>节点正在运行，但大屏界面尚未构建。请在 <code>web/</code> 目录运行
<code>npm ci &amp;&amp; npm run build</code>，然后刷新本页。</p>
<p>The node is running, but its screen has not been built. Run
<code>npm ci &amp;&amp; npm run build</code> in <code>web/</code> and reload this page.</p>
<p><a href="/schema/openapi.json">API</a></p>
"""


def screen(folder: Path = STATIC) -> HTTPRouteHandler:
    """Make the handler that serves the screen at `/`; other paths without a dot are its pages."""
    shelf = FileShelf(folder)

    @get(
        ["/", "/{path:path}"],
        opt=PUBLIC | PACKED,
        include_in_schema=False,
        name="screen",
    )
    async def serve(request: Request[Any, Any, Any], path: FromPath[str] = "") -> Response[bytes]:
        name = path.strip("/")
        if name.startswith(("api/", "map/", "schema/")) or name in ("api", "map", "schema"):
            raise not_found("resource", f"/{name}")
        page = "." not in name.rpartition("/")[2]
        wanted = "index.html" if page else name
        held = await asyncio.to_thread(shelf.load, wanted)
        if held is not None:
            hashed = wanted.startswith("assets/")
            return answer(request, wanted, held, _IMMUTABLE if hashed else _REVALIDATE)
        if page:
            return Response(_NOT_BUILT.encode(), status_code=503, media_type="text/html")
        raise not_found("file", f"/{name}")

    return serve
