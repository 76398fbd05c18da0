"""Citizens report by HTTP, with the node's token, and go on when the API was away."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from simulators.province.world import county_at
from tests.simulators.conftest import Ports, small, until

Play = Callable[..., "subprocess.Popen[bytes]"]


class Desk:
    """Notes what was posted; answers 503 to the first."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, str | None, dict[str, object]]] = []
        desk = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                desk.heard.append((self.path, self.headers["Authorization"], body))
                self.send_response(503 if len(desk.heard) == 1 else 202)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def desk(ports: Ports) -> Iterator[Desk]:
    made = Desk(ports.api)
    yield made
    made.close()


async def test_reports_are_sent_again_until_taken(
    play: Play, ports: Ports, desk: Desk, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    play(small(ports), "--only", "citizen", "--api-token-file", token)
    await until(lambda: len(desk.heard) >= 3)
    assert {path for path, _, _ in desk.heard} == {"/api/v1/reports"}
    assert {sent for _, sent, _ in desk.heard} == {"Bearer secret"}
    first, again, second = (body for _, _, body in desk.heard[:3])
    assert first == again != second
    assert first["device"] == "e~people"
    assert first["text"] in ("积水", "落石")
    assert set(first) == {"device", "text", "lon", "lat", "severity"}
    code = county_at(float(str(first["lon"])), float(str(first["lat"])))
    assert code is None or code.startswith("99")
