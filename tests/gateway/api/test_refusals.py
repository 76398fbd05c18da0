"""Bad input is refused with its place; nothing that callers send makes the node fail."""

from typing import Any

import httpx
import pytest

from gateway.api.settings import ApiSettings
from gateway.commit import StoreFailed
from tests.gateway.api.conftest import Start
from tests.gateway.api.fakes import ALARM, VALVE, WELL, FakeNode

API = "/api/v1"


BAD_PARAMETERS = [
    ("/devices?colour=red", "colour"),
    ("/devices?limit=0", "limit"),
    ("/devices?limit=many", "limit"),
    ("/devices?limit=10001", "limit"),
    ("/devices?bbox=1,2,3", "bbox"),
    ("/devices?bbox=1,2,nan,4", "bbox"),
    ("/devices?bbox=3,2,1,4", "bbox"),
    ("/devices?near=200,0", "near"),
    ("/devices?radius=-1", "radius"),
    ("/devices?area=99", "area"),
    ("/devices?kind=toaster", "kind"),
    ("/devices?state=asleep", "state"),
    ("/devices?key_point=perhaps", "key_point"),
    ("/devices?code=A17", "code"),
    ("/devices?after=%00", "after"),
    ("/devices?after=WzEsWyJ4Il1d", "after"),
    ("/alarms?open=perhaps", "open"),
    ("/alarms?since=2026-03-18", "since"),
    ("/alarms?since=2026-03-18T06:26:05", "since"),
    ("/alarms?since=0001-01-01T00:00:00Z", "since"),
    ("/alarms?since=2026-02-30T00:00:00Z", "since"),
    ("/alarms/histogram?hours=744&step=60", "step"),
    (f"/devices/{WELL.id}/history", "point"),
    (f"/devices/{WELL.id}/history?point=level&limit=1", "limit"),
    (f"/devices/{WELL.id}/history?point=level&to=1999-01-01T00:00:00Z"
     "&from=2000-01-01T00:00:00Z", "from"),
    (f"/devices/{WELL.id}/history?point=level&from=1990-01-01T00:00:00Z", "from"),
    ("/stream?topics=gossip", "topics"),
]  # fmt: skip


async def test_bad_parameters_are_named(client: httpx.AsyncClient) -> None:
    for address, where in BAD_PARAMETERS:
        answer = await client.get(API + address)
        assert answer.status_code == 400, (address, answer.text)
        error = answer.json()["error"]
        assert error["fields"][0]["where"] == where, (address, error)
        assert error["request_id"] == answer.headers["x-request-id"]


BAD_BODIES: list[tuple[str, Any]] = [
    (f"/devices/{VALVE.id}/commands", {}),
    (f"/devices/{VALVE.id}/commands", {"action": ""}),
    (f"/devices/{VALVE.id}/commands", {"action": "write", "deadline_s": -1}),
    (f"/devices/{VALVE.id}/commands", {"action": "write", "valu": 1}),
    (f"/devices/{VALVE.id}/commands", {"action": "write", "value": {"a": 1}}),
    (f"/alarms/{ALARM.id}/acknowledge", {"comment": "x" * 2_001}),
    ("/reports", {"device": VALVE.id, "text": ""}),
    ("/reports", {"device": VALVE.id, "text": "x", "lon": 500, "lat": 1}),
    ("/reports", {"device": VALVE.id, "text": "x", "lon": 1}),
    ("/reports", []),
    ("/session", {"tokn": "x"}),
]


async def test_bad_bodies_are_refused(client: httpx.AsyncClient) -> None:
    for path, body in BAD_BODIES:
        answer = await client.post(API + path, json=body)
        assert answer.status_code == 400, (body, answer.text)
        assert answer.json()["error"]["code"] == "bad_request"


async def test_broken_json_is_refused(client: httpx.AsyncClient) -> None:
    for content in (b"{", b"\xff\xfe", b"", b"[" * 100_000):
        answer = await client.post(
            f"{API}/reports", content=content, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 400, answer.text


async def test_too_large_a_body_is_refused(start: Start) -> None:
    client = await start(max_body=2_048)
    answer = await client.post(f"{API}/reports", json={"device": "x", "text": "x" * 4_000})
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"


NOT_THERE = [
    "/devices/nobody",
    "/devices/nobody/latest",
    "/devices/nobody/history?point=level",
    f"/devices/{WELL.id}/history?point=nothing",
    "/devices/nobody/states",
    "/devices/nobody/commands",
    "/commands/nothing",
    "/alarms/nothing",
    "/map/secrets.yaml",
    "/nothing",
]


async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    for address in NOT_THERE:
        answer = await client.get(API + address)
        assert answer.status_code == 404, address
        assert answer.json()["error"]["code"] == "not_found"


async def test_wrong_method(client: httpx.AsyncClient) -> None:
    answer = await client.delete(f"{API}/devices")
    assert answer.status_code == 405
    assert answer.json()["error"]["code"] == "method_not_allowed"


async def test_a_crash_is_told_without_detail(
    node: FakeNode, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(node, "now", fail)
    answer = await client.get(f"{API}/node", headers={"X-Request-Id": "abc-1"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["error"]["request_id"] == "abc-1"


async def test_a_full_disk_is_told_and_may_be_retried(
    node: FakeNode, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(events: object) -> None:
        raise StoreFailed("not stored: database or disk is full")

    monkeypatch.setattr(node, "emit", refuse)
    answer = await client.post(f"{API}/reports", json={"device": VALVE.id, "text": "x"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["error"]["code"] == "not_stored"


async def test_a_malformed_request_id_is_replaced(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{API}/node", headers={"X-Request-Id": "a b<script>"})
    assert "script" not in answer.headers["x-request-id"]


def test_every_setting_is_described() -> None:
    import msgspec

    schema = msgspec.json.schema(ApiSettings)["$defs"]["ApiSettings"]
    for name, field in schema["properties"].items():
        described = field.get("description") or any(
            option.get("description") for option in field.get("anyOf", [])
        )
        assert described, name
