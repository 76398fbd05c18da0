"""Every answer of the API has the shape that the screen and other callers rely on."""

import gzip
import json
from typing import Any

import httpx
import msgspec

from gateway.api.ports import HistoryColumns
from registry.model import MILLISECOND, SECOND, Alarm, ReadingBatch
from tests.gateway.api.fakes import ALARM, NOW, PHONE, VALVE, WELL, FakeNode

API = "/api/v1"


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    answer = await client.get(API + path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_node_and_endpoints(client: httpx.AsyncClient) -> None:
    assert await get(client, "/node") == {
        "name": "city",
        "role": "city",
        "title": "晋州市",
        "title_en": "Jinzhou",
        "version": "1.2.3",
        "epoch": "abc",
        "now": "2026-03-18T06:26:05.000Z",
    }
    (endpoint,) = (await get(client, "/endpoints"))["items"]
    assert endpoint["state"] == "retrying"
    assert endpoint["next_try"] == "2026-03-18T06:26:10.000Z"


async def test_summary(client: httpx.AsyncClient) -> None:
    found = await get(client, "/summary")
    assert found["devices"]["total"] == 3
    assert found["devices"]["states"]["offline"] == 1
    assert found["alarms"] == {
        "open": 1,
        "unacknowledged": 1,
        "severities": {"critical": 0, "major": 1, "minor": 0, "notice": 0},
    }
    assert found["cascade"][0]["received"] == 7
    assert (found["misfits"], found["readings_stored"]) == (1, 12_345)
    assert (await get(client, "/summary", area="990200"))["devices"]["total"] == 1


SEARCHES: list[tuple[dict[str, str], list[str]]] = [
    ({}, [PHONE.id, VALVE.id, WELL.id]),
    ({"area": "990100"}, [PHONE.id, WELL.id]),
    ({"bbox": "112,37,112.6,38"}, [WELL.id]),
    ({"near": "112.5,37.801", "radius": "500"}, [WELL.id]),
    ({"state": "offline"}, [VALVE.id]),
    ({"kind": "actuator", "category": "gas"}, [VALVE.id]),
    ({"home": "edge-1"}, [WELL.id]),
    ({"tag": "flood", "key_point": "true"}, [WELL.id]),
    ({"q": "汾河"}, [WELL.id]),
    ({"code": "asset:A-17"}, [WELL.id]),
    ({"lifecycle": "retired"}, []),
]


async def test_device_search(client: httpx.AsyncClient) -> None:
    for params, ids in SEARCHES:
        found = await get(client, "/devices", **params)
        assert [item["id"] for item in found["items"]] == ids, params
        assert found["next"] is None


async def test_device_pages_follow_one_another(client: httpx.AsyncClient) -> None:
    first = await get(client, "/devices", limit=2)
    second = await get(client, "/devices", limit=2, after=first["next"])
    ids = [item["id"] for item in first["items"] + second["items"]]
    assert ids == [PHONE.id, VALVE.id, WELL.id]
    assert second["next"] is None


async def test_device_in_a_list(client: httpx.AsyncClient) -> None:
    (found,) = (await get(client, "/devices", q="well-1"))["items"]
    assert found["alarm"] == "major"
    assert found["headline"] == {
        "point": "level",
        "title": "水位",
        "value": 4.2,
        "unit": "m",
        "quality": "good",
        "time": "2026-03-18T06:26:04.000Z",
    }


async def test_device_in_full(client: httpx.AsyncClient) -> None:
    found = await get(client, f"/devices/{WELL.id}")
    assert msgspec.convert(found["device"], type(WELL)) == WELL
    assert [step["name"] for step in found["area_path"]] == ["山河省", "晋州市", "东城区"]
    assert found["path"] == ["city", "edge-1"]
    assert not found["commandable"]
    assert (await get(client, f"/devices/{VALVE.id}"))["commandable"]


async def test_latest_keeps_types_order_and_limits(client: httpx.AsyncClient) -> None:
    level, alarm = (await get(client, f"/devices/{WELL.id}/latest"))["items"]
    assert (level["point"], level["value"], level["stale"]) == ("level", 4.2, False)
    assert level["limits"][0] == {
        "severity": "major",
        "comparison": "above",
        "limit": 4.0,
        "title": "水位",
    }
    assert (alarm["value"], alarm["quality"], alarm["reason"]) == (True, "uncertain", "range")
    (valve,) = (await get(client, f"/devices/{VALVE.id}/latest"))["items"]
    assert (valve["value"], valve["stale"], valve["writable"]) == (False, True, True)


async def test_history_comes_in_columns(node: FakeNode, client: httpx.AsyncClient) -> None:
    times = [NOW - 2 * SECOND, NOW - SECOND]
    node.series = HistoryColumns(t=times, v=[1.5, None], q=[0, 2])
    path = f"/devices/{WELL.id}/history"
    found = await get(client, path, point="level", limit=10)
    assert node.asked is not None
    assert node.asked[4] == 10
    assert found["t"] == [time // MILLISECOND for time in times]
    assert (found["v"], found["q"]) == ([1.5, None], [0, 2])
    assert (found["aggregated"], found["min"], found["max"]) == (False, None, None)
    node.series = HistoryColumns(
        t=times, v=[1.5, 2.5], q=[0, 2], aggregated=True, low=[1.0, 2.0], high=[2.0, 3.0]
    )
    thinned = await get(client, path, point="level")
    assert thinned["aggregated"]
    assert (thinned["min"], thinned["max"]) == ([1.0, 2.0], [2.0, 3.0])


async def test_history_asks_for_the_range(node: FakeNode, client: httpx.AsyncClient) -> None:
    await get(
        client,
        f"/devices/{WELL.id}/history",
        point="level",
        **{"from": "2026-03-18T08:00:00+08:00", "to": "2026-03-18T00:30:00.5Z"},
    )
    assert node.asked is not None
    assert node.asked[3] - node.asked[2] == 1_800 * SECOND + 500 * MILLISECOND


async def test_a_plus_that_became_a_space_is_understood(client: httpx.AsyncClient) -> None:
    address = f"{API}/devices/{WELL.id}/states?from=2026-03-18T08:00:00 08:00"
    assert (await client.get(address)).status_code == 200


async def test_states(client: httpx.AsyncClient) -> None:
    assert (await get(client, f"/devices/{VALVE.id}/states"))["items"] == [
        {"state": "offline", "since": "2026-03-18T05:26:05.000Z", "cause": "no answer"}
    ]


async def test_command_is_stored_under_the_name_of_who_asked(
    node: FakeNode, client: httpx.AsyncClient
) -> None:
    order = {"action": "write", "point": "open", "value": True, "deadline_s": 5}
    answer = await client.post(f"{API}/devices/{VALVE.id}/commands", json=order)
    assert answer.status_code == 202
    given = answer.json()
    assert (given["state"], given["asked_by"], given["value"]) == ("accepted", "local", True)
    assert given["deadline"] == "2026-03-18T06:26:10.000Z"
    assert await get(client, f"/commands/{given['id']}") == given
    listed = (await get(client, f"/devices/{VALVE.id}/commands"))["items"]
    assert [c["state"] for c in listed] == ["done", "accepted"] or given in listed


async def test_refused_command_names_the_field(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        f"{API}/devices/{VALVE.id}/commands", json={"action": "explode", "value": 1}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["fields"][0]["where"] == "action"


async def test_pushed_readings_become_one_batch(node: FakeNode, client: httpx.AsyncClient) -> None:
    readings = [
        {"point": "noise", "value": 61.5, "time": "2026-03-18T06:00:00Z"},
        {"point": "count", "value": 3},
    ]
    answer = await client.post(f"{API}/devices/{PHONE.id}/readings", json={"readings": readings})
    assert (answer.status_code, answer.json()) == (202, {"readings": 2})
    (batch,) = node.emitted
    assert isinstance(batch, ReadingBatch)
    assert batch.value == [61.5, 3]
    assert batch.source_time[1] == 0


MISFITS: list[tuple[str, dict[str, Any], int, str | None]] = [
    (WELL.id, {"readings": [{"point": "level", "value": 1}]}, 409, None),
    (PHONE.id, {"readings": []}, 400, "readings"),
    (PHONE.id, {"readings": [{"point": "x", "value": 1}]}, 400, "readings[0].point"),
    (PHONE.id, {"readings": [{"point": "noise", "value": "1"}]}, 400, "readings[0].value"),
    (PHONE.id, {"readings": [{"point": "count", "value": 1.5}]}, 400, "readings[0].value"),
    (
        PHONE.id,
        {"readings": [{"point": "count", "value": 1, "time": "yesterday"}]},
        400,
        "readings[0].time",
    ),
    (PHONE.id, {"readings": [{"point": "count", "value": 1, "tme": ""}]}, 400, None),
    ("city~nobody", {"readings": [{"point": "level", "value": 1}]}, 404, None),
]


async def test_readings_that_do_not_fit_are_refused_whole(
    node: FakeNode, client: httpx.AsyncClient
) -> None:
    for device, body, status, where in MISFITS:
        answer = await client.post(f"{API}/devices/{device}/readings", json=body)
        assert answer.status_code == status, answer.text
        if where is not None:
            assert answer.json()["error"]["fields"][0]["where"] == where
        assert node.emitted == []


async def test_report_becomes_an_alarm(node: FakeNode, client: httpx.AsyncClient) -> None:
    body = {"device": PHONE.id, "text": "井盖丢失", "lon": 112.6, "lat": 37.9}
    answer = await client.post(f"{API}/reports", json=body)
    assert answer.status_code == 202
    (alarm,) = node.emitted
    assert isinstance(alarm, Alarm)
    assert (alarm.type, alarm.area, alarm.severity) == ("report", "990100", "notice")
    found = await get(client, f"/alarms/{answer.json()['alarm']}")
    assert (found["lon"], found["message"]) == (112.6, "井盖丢失 (local)")


async def test_alarms(client: httpx.AsyncClient) -> None:
    (found,) = (await get(client, "/alarms", open="true", severity="major"))["items"]
    assert (found["device_name"], found["area_name"], found["unit"]) == (
        "汾河一号井",
        "东城区",
        "m",
    )
    assert found["cleared"] is None
    for nothing in (
        {"open": "false"},
        {"severity": "notice"},
        {"area": "990200"},
        {"since": "2026-03-18T06:00:00Z"},
        {"device": VALVE.id},
    ):
        assert (await get(client, "/alarms", **nothing))["items"] == []


async def test_histogram_ends_with_the_present_step(client: httpx.AsyncClient) -> None:
    found = await get(client, "/alarms/histogram", hours=2, step=900)
    assert found["start"] == "2026-03-18T04:30:00.000Z"
    assert [sum(step.values()) for step in found["items"]] == [0, 0, 0, 1, 0, 0, 0, 0]


async def test_the_first_acknowledgement_stands(client: httpx.AsyncClient) -> None:
    path = f"{API}/alarms/{ALARM.id}/acknowledge"
    first = (await client.post(path, json={"comment": " on my way "})).json()
    assert first["acknowledged"] == {
        "by": "local",
        "time": "2026-03-18T06:26:05.000Z",
        "comment": "on my way",
    }
    again = (await client.post(path, json={"comment": "me too"})).json()
    assert again["acknowledged"]["comment"] == "on my way"


async def test_rules_are_put_listed_and_deleted(client: httpx.AsyncClient) -> None:
    rule = {"point": "noise", "comparison": "above", "limit": 80, "severity": "minor"}
    answer = await client.put(f"{API}/rules/loud", json=rule)
    assert answer.status_code == 200
    assert answer.json()["id"] == "loud"
    ids = [item["id"] for item in (await get(client, "/rules"))["items"]]
    assert ids == ["high", "loud"]
    assert (await client.delete(f"{API}/rules/loud")).status_code == 204
    assert (await client.delete(f"{API}/rules/loud")).status_code == 404
    assert (await client.put(f"{API}/rules/quiet", json=rule | {"id": "x"})).status_code == 400


async def test_areas_and_misfits(client: httpx.AsyncClient) -> None:
    assert len((await get(client, "/areas"))["items"]) == 5
    (misfit,) = (await get(client, "/misfits"))["items"]
    assert (misfit["reason"], misfit["detail"]) == ("unknown_point", "no point x")


async def test_big_lists_are_packed(client: httpx.AsyncClient) -> None:
    request = client.build_request("GET", f"{API}/devices", headers={"Accept-Encoding": "gzip"})
    answer = await client.send(request, stream=True)
    raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(raw))["items"]) == 3


async def test_metrics_are_exposed(node: FakeNode, client: httpx.AsyncClient) -> None:
    node.metrics.counter("readings", "Readings.").inc(5)
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "ganzhi_readings_total 5.0" in answer.text


async def test_openapi_describes_every_route(client: httpx.AsyncClient) -> None:
    document = (await client.get("/schema/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    paths = document["paths"]
    for path in ("/api/v1/devices", "/api/v1/devices/{device_id}/history", "/api/v1/stream"):
        assert path in paths
    names = {p["name"] for p in paths["/api/v1/devices"]["get"]["parameters"]}
    assert {"bbox", "near", "state", "after"} <= names
    assert "node" not in names
    schema = paths["/api/v1/devices"]["get"]["responses"]["200"]["content"]["application/json"]
    assert schema["schema"]["$ref"].endswith("DevicesAnswer")
