"""Live changes: coalesced, replayed, or told to reset; never lost in silence."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest

from gateway.api.changelog import ChangeLog, Changes, Entry, Reset
from gateway.api.stream import encode_event
from tests.gateway.api.conftest import Start
from tests.gateway.api.fakes import ALARM, NOW, VALVE, WELL, FakeNode

STREAM = "/api/v1/stream"


class Reader:
    """Reads one event after the other from a stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def event(self) -> tuple[str, Any, str]:
        """Return name, data and id of the next event."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                if not line and fields:
                    return (
                        fields["event"],
                        msgspec.json.decode(fields["data"]),
                        fields.get("id", ""),
                    )
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
        raise EOFError

    async def named(self, name: str) -> tuple[Any, str]:
        """Return data and id of the next event called `name`; pings are passed over."""
        while True:
            found, data, event_id = await self.event()
            if found == name:
                return data, event_id
            assert found == "ping", (found, data)


@asynccontextmanager
async def stream(
    client: httpx.AsyncClient, last: str | None = None, **params: str
) -> AsyncIterator[Reader]:
    headers = {"Last-Event-ID": last} if last is not None else {}
    async with client.stream("GET", STREAM, headers=headers, params=params) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Reader(answer)


async def test_changes_arrive_in_full(node: FakeNode, client: httpx.AsyncClient) -> None:
    async with stream(client) as reader:
        hello, first_id = await reader.named("hello")
        assert hello == {
            "generation": node.changes.generation,
            "now": "2026-03-18T06:26:05.000Z",
            "last": 0,
        }
        assert first_id == f"{node.changes.generation}-0"
        node.changes.publish(
            Changes(
                status=[(WELL.id, "offline", NOW, "silent")],
                latest=[(WELL.id, "level", 4.5, 1, NOW), (WELL.id, "alarm", True, 0, NOW)],
                moved=[(WELL.id, 112.6, 37.9, NOW)],
                alarms=[ALARM.id, "unknown"],
                devices=[VALVE.id],
                outcomes=["01JPKS0000000000000000000C"],
            )
        )
        data, event_id = await reader.named("changes")
    time = "2026-03-18T06:26:05.000Z"
    assert event_id == f"{node.changes.generation}-1"
    assert data["status"] == [
        {"device": WELL.id, "state": "offline", "since": time, "cause": "silent"}
    ]
    assert data["latest"][0] == {
        "device": WELL.id,
        "point": "level",
        "value": 4.5,
        "quality": "uncertain",
        "time": time,
    }
    assert data["latest"][1]["value"] is True
    assert data["moved"] == [{"device": WELL.id, "lon": 112.6, "lat": 37.9, "time": time}]
    assert [(a["id"], a["device_name"]) for a in data["alarms"]] == [(ALARM.id, WELL.name)]
    assert data["devices"] == [VALVE.id]
    assert data["outcomes"][0]["state"] == "done"


async def test_a_broken_stream_goes_on_where_it_was(
    node: FakeNode, client: httpx.AsyncClient
) -> None:
    async with stream(client) as reader:
        _, last = await reader.named("hello")
    for number in range(3):
        node.changes.publish(Changes(devices=[f"d{number}"]))
        await until(node.changes, number + 1)
    async with stream(client, last) as reader:
        await reader.named("hello")
        replayed = [await reader.named("changes") for _ in range(3)]
        assert [data["devices"] for data, _ in replayed] == [["d0"], ["d1"], ["d2"]]
    async with stream(client, replayed[1][1]) as reader:
        await reader.named("hello")
        data, _ = await reader.named("changes")
        assert data["devices"] == ["d2"]


async def test_what_cannot_be_replayed_is_told(node: FakeNode, client: httpx.AsyncClient) -> None:
    for last in ("other-3", "nonsense", f"{node.changes.generation}-99", "-", "-1-1"):
        async with stream(client, last) as reader:
            await reader.named("hello")
            _, event_id = await reader.named("reset")
            assert event_id == f"{node.changes.generation}-0"


async def test_topics_leave_out_the_rest(node: FakeNode, client: httpx.AsyncClient) -> None:
    async with stream(client, topics="status,devices") as reader:
        await reader.named("hello")
        node.changes.publish(Changes(latest=[(WELL.id, "level", 1.0, 0, NOW)]))
        await until(node.changes, 1)
        node.changes.publish(Changes(latest=[(WELL.id, "level", 2.0, 0, NOW)], devices=[WELL.id]))
        data, _ = await reader.named("changes")
    assert (data["latest"], data["devices"]) == ([], [WELL.id])


async def test_silence_is_broken_by_pings(client: httpx.AsyncClient) -> None:
    async with stream(client) as reader:
        await reader.named("hello")
        assert await reader.event() == ("ping", {}, "")


async def test_streams_are_limited_and_given_back(node: FakeNode, start: Start) -> None:
    client = await start(max_streams=1)
    async with stream(client) as reader:
        await reader.named("hello")
        await eventually(lambda: node.changes.subscribers == 1)
        answer = await client.get(STREAM)
        assert answer.status_code == 503
        assert "max_streams" in answer.json()["error"]["message"]
    await eventually(lambda: node.changes.subscribers == 0)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is watched announces nothing
            await asyncio.sleep(0.005)


async def until(log: ChangeLog, number: int) -> None:
    """Wait until entry `number` is in the log."""
    await eventually(lambda: log.last >= number)


async def test_the_newest_value_wins_within_an_entry() -> None:
    log = ChangeLog(interval=0.05)
    for value in range(100):
        log.publish(Changes(latest=[("a", "p", value, 0, value), ("b", "p", 1, 0, 1)]))
    await until(log, 1)
    seen = [entry async for entry in ended(log, 0)]
    assert len(seen) == 1
    assert isinstance(seen[0], Entry)
    assert seen[0].latest == [("a", "p", 99, 0, 99), ("b", "p", 1, 0, 1)]


async def ended(log: ChangeLog, seen: int | None) -> AsyncIterator[Entry | Reset | None]:
    """Yield what a subscriber gets until there is nothing more."""
    async for entry in log.subscribe(seen, idle=0.01):
        if entry is None:
            return
        yield entry


async def test_entries_are_bounded_in_number_and_size() -> None:
    log = ChangeLog(interval=0, max_entries=3, max_rows=100)
    for number in range(5):
        log.publish(Changes(devices=[str(number)]))
        await until(log, number + 1)
    assert log.resume(f"{log.generation}-1") is None
    assert log.resume(f"{log.generation}-2") == 2
    log.publish(Changes(devices=[str(i) for i in range(500)]))
    await until(log, 6)
    assert log.resume(f"{log.generation}-4") is None
    assert log.resume(f"{log.generation}-5") == 5


async def test_a_subscriber_that_falls_behind_is_reset() -> None:
    log = ChangeLog(interval=0, max_entries=2)
    entries = log.subscribe(0)
    log.publish(Changes(devices=["x"]))
    await until(log, 1)
    assert isinstance(await anext(entries), Entry)
    for number in range(2, 6):
        log.publish(Changes(devices=["x"]))
        await until(log, number)
    assert await anext(entries) == Reset(5)
    log.publish(Changes(devices=["y"]))
    found = await anext(entries)
    assert isinstance(found, Entry)
    assert found.devices == ["y"]
    await entries.aclose()
    assert log.subscribers == 0


async def test_closing_ends_every_subscription() -> None:
    log = ChangeLog()
    waiting = asyncio.create_task(anext(log.subscribe(0), None))
    await eventually(lambda: log.subscribers == 1)
    log.close()
    assert await waiting is None
    log.publish(Changes(devices=["x"]))


@pytest.mark.parametrize("text", ["line\nbreak", "\r\n\r\nevent: evil", "水位"])
def test_no_data_breaks_the_framing(text: str) -> None:
    framed = encode_event("changes", msgspec.json.encode([text]), "g-1")
    assert framed.count(b"\n") == 4
    assert b"\r" not in framed
