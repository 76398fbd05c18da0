"""Who gets in: the auth matrix over every route, sessions, hosts and origins."""

import re
from pathlib import Path

import httpx
import pytest

from gateway.api.app import build, check
from gateway.api.gate import Gate
from gateway.api.sessions import LoginBrake, Sessions, Tokens
from gateway.api.settings import ApiSettings
from registry.model import Faulty
from tests.gateway.api.conftest import TOKENS, Start
from tests.gateway.api.fakes import FakeNode

API = "/api/v1"
OPEN_ROUTES = {
    ("GET", "/healthz"),
    ("GET", f"{API}/session"),
    ("POST", f"{API}/session"),
    ("DELETE", f"{API}/session"),
    ("GET", "/"),
    ("GET", "/{path}"),
}


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}"}


def routes(node: FakeNode) -> set[tuple[str, str]]:
    """Return every (method, path) the application serves."""
    app = build(node, ApiSettings(), TOKENS)
    return {
        (method, re.sub(r":\w+}", "}", route.path))
        for route in app.routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS"
    }


async def test_every_route_but_the_open_ones_demands_a_token(node: FakeNode, start: Start) -> None:
    client = await start(open_on_loopback=False)
    served = routes(node)
    assert len(served) > 25
    assert served >= OPEN_ROUTES
    for method, path in sorted(served - OPEN_ROUTES):
        address = re.sub(r"{\w+}", "x", path)
        for headers in ({}, {"Cookie": "ganzhi_city=forged"}):
            answer = await client.request(method, address, headers=headers)
            assert answer.status_code == 401, (method, path, answer.status_code)
            assert answer.json()["error"]["code"] == "unauthenticated"
    assert node.emitted == []


async def test_a_read_only_token_reads_everything_and_changes_nothing(
    node: FakeNode, start: Start
) -> None:
    client = await start(open_on_loopback=False, read_only_tokens=("wall",))
    for method, path in sorted(routes(node) - OPEN_ROUTES):
        if path.endswith("/stream"):
            continue
        address = re.sub(r"{\w+}", "x", path)
        answer = await client.request(method, address, headers=bearer("wall"), json={})
        if method in ("GET", "HEAD"):
            assert answer.status_code in (200, 400, 404), (path, answer.status_code)
        else:
            assert answer.status_code == 403, (method, path, answer.status_code)


async def test_wrong_tokens_are_refused_and_then_braked(start: Start) -> None:
    client = await start(open_on_loopback=False, login_attempts=3)
    wrong = {"Authorization": "Bearer wrong"}
    codes = [(await client.get(f"{API}/node", headers=wrong)).status_code for _ in range(4)]
    assert codes == [401, 401, 401, 429]
    answer = await client.post(f"{API}/session", json={"token": "wrong"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


async def test_signing_in_and_out(start: Start) -> None:
    client = await start(open_on_loopback=False)
    assert (await client.get(f"{API}/session")).json()["authenticated"] is False
    answer = await client.post(f"{API}/session", json={"token": TOKENS["lena"]})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("ganzhi_city=")
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert TOKENS["lena"] not in cookie
    assert (await client.get(f"{API}/session")).json() == {
        "required": True,
        "authenticated": True,
        "name": "lena",
        "read_only": False,
    }
    kept = dict(client.cookies)
    assert (await client.get(f"{API}/summary")).status_code == 200
    assert (await client.delete(f"{API}/session")).status_code == 204
    client.cookies.clear()
    value = f"ganzhi_city={kept['ganzhi_city']}"
    answer = await client.get(f"{API}/summary", headers={"Cookie": value})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost:8080", True),
        ("127.0.0.1", True),
        ("[::1]:8080", True),
        ("LOCALHOST", True),
        ("ganzhi.example.org", True),
        ("evil.example.com", False),
        ("localhost.evil.com", False),
        ("127.0.0.1.evil.com", False),
        ("", False),
        ("[", False),
        ("evil.com:80@localhost", True),
    ],
)
def test_host_names_on_an_open_node(host: str, allowed: bool) -> None:
    gate = make_gate(ApiSettings(allowed_hosts=("ganzhi.example.org",)))
    refusal = gate.foreign("GET", {"host": host})
    assert (refusal is None) is allowed


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"origin": "http://localhost:8080"}, True),
        ({"origin": "https://localhost:8080"}, True),
        ({"origin": "http://localhost:9090"}, False),
        ({"origin": "http://evil.example.com"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://["}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "http://evil.example.com"}, False),
        ({"sec-fetch-site": "cross-site", "authorization": "Bearer x"}, True),
    ],
)
def test_who_may_change_things(headers: dict[str, str], allowed: bool) -> None:
    gate = make_gate(ApiSettings())
    given = {"host": "localhost:8080"} | headers
    assert (gate.foreign("POST", given) is None) is allowed
    assert gate.foreign("GET", given) is None


async def test_a_foreign_page_cannot_command(node: FakeNode, client: httpx.AsyncClient) -> None:
    body = {"device": "city~phone", "text": "x"}
    for headers, status in (
        ({"Origin": "http://evil.example.com"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example.com"}, 421),
    ):
        answer = await client.post(f"{API}/reports", json=body, headers=headers)
        assert answer.status_code == status
    assert node.emitted == []


async def test_every_answer_carries_the_security_headers(client: httpx.AsyncClient) -> None:
    for address in ("/", "/healthz", f"{API}/node", f"{API}/nothing", "/nothing.js"):
        headers = (await client.get(address)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-eval" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-request-id"]


@pytest.mark.parametrize(
    ("settings", "tokens", "where"),
    [
        (ApiSettings(bind="0.0.0.0"), {}, "api.bind"),
        (ApiSettings(bind="::"), {"a": ""}, "api.bind"),
        (ApiSettings(bind="10.0.0.7"), {}, "api.bind"),
        (ApiSettings(open_on_loopback=False), {}, "api.open_on_loopback"),
        (ApiSettings(read_only_tokens=("x",)), {}, "api.read_only_tokens[0]"),
        (ApiSettings(certificate="c.pem"), {}, "api.certificate"),
    ],
)
def test_unsafe_settings_do_not_start(
    node: FakeNode, settings: ApiSettings, tokens: dict[str, str], where: str, tmp_path: Path
) -> None:
    assert [fault.where for fault in check(settings, tokens)] == [where]
    with pytest.raises(Faulty):
        build(node, settings, tokens)


@pytest.mark.parametrize("bind", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback_is_open_by_default(bind: str) -> None:
    assert check(ApiSettings(bind=bind), {}) == []
    assert not ApiSettings(bind=bind).token_required


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def make_gate(settings: ApiSettings) -> Gate:
    clock = Clock()
    return Gate(settings, Tokens(TOKENS), Sessions(60, clock), LoginBrake(3, clock), "city")


def test_sessions_end() -> None:
    clock = Clock()
    sessions = Sessions(60, clock)
    value = sessions.open("lena")
    clock.time = 59.9
    assert sessions.name_of(value) == "lena"
    clock.time = 60
    assert sessions.name_of(value) is None


def test_sessions_are_bounded() -> None:
    sessions = Sessions(60, Clock())
    first = sessions.open("lena")
    for _ in range(1_000):
        last = sessions.open("lena")
    assert sessions.name_of(first) is None
    assert sessions.name_of(last) == "lena"


def test_the_brake_lets_go_after_a_minute_and_spares_others() -> None:
    clock = Clock()
    brake = LoginBrake(2, clock)
    for clock.time in (0.0, 10.0):
        brake.failed("10.0.0.1")
    assert brake.wait("10.0.0.1") == pytest.approx(50)
    assert brake.wait("10.0.0.2") == 0
    clock.time = 60.1
    assert brake.wait("10.0.0.1") == 0


def test_an_empty_token_opens_nothing() -> None:
    assert not Tokens({"a": ""})
    assert Tokens({"a": "", "b": "x"}).name_of("") is None
