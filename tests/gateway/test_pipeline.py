"""The one path: stamp, fit, rules, commit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.commit import StoreFailed
from gateway.core import Core
from gateway.pipeline import Pipeline
from registry.model import (
    MINUTE,
    SECOND,
    Acknowledgement,
    AlarmAcknowledged,
    Comparison,
    Delivery,
    DeviceState,
    Discovered,
    Lane,
    Lifecycle,
    Mark,
    Point,
    Receipt,
    Sensing,
    SessionStarted,
    Severity,
    StatusChange,
    ThresholdRule,
    ValueRange,
)
from registry.store import alarms, counters, devices, misfits, twin
from tests.gateway.support import NOW, Clock, core, device, reading

LEVEL = ThresholdRule(
    id="flood",
    point="level",
    comparison=Comparison.ABOVE,
    limit=5.0,
    hysteresis=1.0,
    severity=Severity.MAJOR,
    title="水位超汛限",
)


async def known(opened: Core, **more: Any) -> Pipeline:
    await opened.pipeline.emit([Discovered(device=device(**more))], "test")
    return opened.pipeline


async def stored(opened: Core, point: str = "level") -> Sequence[object]:
    return opened.stores.history.read("edge-1~a", point, 0, NOW * 2).value


async def test_a_reading_becomes_history_twin_and_presence(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        pipeline = await known(opened)
        await pipeline.emit([reading(2.5)], "test")
        assert await stored(opened) == [2.5]
        latest = await opened.stores.readers.read(lambda c: twin.latest(c, "edge-1~a"))
        assert [(row.point, row.value) for row in latest] == [("level", 2.5)]
        state = await opened.stores.readers.read(lambda c: twin.state(c, "edge-1~a"))
        assert state is not None
        assert (state.state, state.cause) == (DeviceState.ONLINE, "data arrives")


async def test_a_repeat_is_a_no_op_and_another_value_supersedes(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        pipeline = await known(opened)
        for value in (1.0, 1.0, 2.0):
            await pipeline.emit([reading(value)], "test")
        assert await stored(opened) == [2.0]
        totals = await opened.stores.readers.read(counters.everything)
        assert totals["readings_stored"] == 1
        assert totals["readings_superseded"] == 1


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        (reading(1.0, local="stranger"), "unknown_device"),
        (reading(1.0, point="colour"), "unknown_point"),
        (reading("high"), "wrong_type"),
        (reading(1.5, point="count"), "wrong_type"),
        (reading(1, point="open"), "wrong_type"),
    ],
)
async def test_what_does_not_fit_is_kept_aside_and_neighbours_pass(
    tmp_path: Path, batch: object, reason: str
) -> None:
    async with core(tmp_path, Clock()) as opened:
        pipeline = await known(opened)
        await pipeline.emit([batch, reading(3.0)], "test")  # type: ignore[list-item]
        found = await opened.stores.readers.read(misfits.newest)
        assert [m.reason.value for _, m in found] == [reason]
        assert await stored(opened) == [3.0]
        assert opened.metrics.value("misfits_total", source="test", reason=reason) == 1


@pytest.mark.parametrize(
    ("value", "time", "quality", "reason"),
    [
        (1.0, NOW + 6 * MINUTE, 1, "clock"),
        (1.0, 5, 1, "clock"),
        (float("nan"), NOW, 2, "not a number"),
        (float("inf"), NOW, 2, "not a number"),
        (99.0, NOW, 1, "range"),
        (None, NOW, 2, "no value"),
    ],
)
async def test_implausible_readings_are_kept_and_marked(
    tmp_path: Path, value: object, time: int, quality: int, reason: str
) -> None:
    ranged = (Point(name="level", range=ValueRange(low=0, high=10)),)
    async with core(tmp_path, Clock()) as opened:
        pipeline = await known(opened, points=ranged)
        await pipeline.emit([reading(value, time)], "test")
        latest = await opened.stores.readers.read(lambda c: twin.latest(c, "edge-1~a"))
        assert [(int(row.quality), row.reason) for row in latest] == [(quality, reason)]


async def test_a_late_reading_never_overwrites_the_live_value(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        pipeline = await known(opened)
        await pipeline.emit([reading(2.0)], "test")
        await pipeline.emit([reading(1.0, NOW - SECOND)], "test")
        latest = await opened.stores.readers.read(lambda c: twin.latest(c, "edge-1~a"))
        assert [row.value for row in latest] == [2.0]
        assert await stored(opened) == [1.0, 2.0]


async def test_a_redelivery_without_source_time_is_stored_once(tmp_path: Path) -> None:
    clock = Clock()

    def delivery(mid: int, *, dup: bool) -> Delivery:
        receipt = Receipt(source="client", mid=mid, digest=b"same", dup=dup)
        return Delivery(receipt=receipt, readings=reading(7.0, 0))

    async with core(tmp_path, clock) as opened:
        pipeline = await known(opened)
        await pipeline.emit([delivery(4, dup=False)], "test")
        clock.now += SECOND
        await pipeline.emit([delivery(4, dup=True)], "test")
        assert await stored(opened) == [7.0]
        await pipeline.emit([delivery(4, dup=False)], "test")
        assert await stored(opened) == [7.0, 7.0]
        await pipeline.emit([SessionStarted(source="client")], "test")
        clock.now += SECOND
        await pipeline.emit([delivery(4, dup=True)], "test")
        assert await stored(opened) == [7.0, 7.0, 7.0]


async def test_a_rule_raises_merges_and_clears_with_hysteresis(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        pipeline = await known(opened)
        await opened.put_rule(LEVEL)
        for i, value in enumerate([4.0, 5.5, 4.5, 6.0, 3.9]):
            await pipeline.emit([reading(value, NOW + i)], "test")
        raised = await opened.stores.readers.read(alarms.all_open)
        assert raised == []
        rows = opened.stores.writer.execute("SELECT state, message, count FROM alarm").fetchall()
        assert rows == [("cleared", "水位超汛限 5.5 m", 1)]


async def test_open_alarms_are_remembered_over_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    async with core(tmp_path, clock) as opened:
        pipeline = await known(opened)
        await opened.put_rule(LEVEL)
        await pipeline.emit([reading(6.0)], "test")
    clock.now += MINUTE
    async with core(tmp_path, clock) as opened:
        await opened.pipeline.emit([reading(7.0, clock.now)], "test")
        await opened.pipeline.emit([reading(1.0, clock.now + 1)], "test")
        rows = opened.stores.writer.execute("SELECT state, count FROM alarm").fetchall()
        assert rows == [("cleared", 1)]


async def test_the_first_acknowledgement_stands(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        pipeline = await known(opened)
        await opened.put_rule(LEVEL)
        await pipeline.emit([reading(6.0)], "test")
        alarm = (await opened.stores.readers.read(alarms.all_open))[0]
        for by, time in (("wang", NOW + 2), ("li", NOW + 3)):
            word = AlarmAcknowledged(
                alarm=alarm.id, acknowledgement=Acknowledgement(by=by, time=time)
            )
            await pipeline.emit([word], "api")
        stands = await opened.stores.readers.read(lambda c: alarms.get(c, alarm.id))
        assert stands is not None
        assert stands.acknowledged is not None
        assert stands.acknowledged.by == "wang"


async def test_a_marked_batch_is_stored_once_and_only_in_order(tmp_path: Path) -> None:
    def mark(sequence: int) -> Mark:
        return Mark(source="edge-9", epoch="e", lane=Lane.TELEMETRY, sequence=sequence)

    async with core(tmp_path, Clock()) as opened:
        pipeline = await known(opened)
        await pipeline.emit([mark(1), reading(1.0)], "lower")
        await pipeline.emit([mark(1), reading(9.0, NOW + 1)], "lower")
        await pipeline.emit([mark(3), reading(9.0, NOW + 2)], "lower")
        await pipeline.emit([mark(2), reading(2.0, NOW + 3)], "lower")
        assert await stored(opened) == [1.0, 2.0]


async def test_a_mobile_device_moves_by_its_readings(tmp_path: Path) -> None:
    points = (Point(name="lon"), Point(name="lat"))
    async with core(tmp_path, Clock()) as opened:
        pipeline = await known(opened, points=points, sensing=Sensing.MOBILE)
        await pipeline.emit([reading(-140.5, point="lon"), reading(30.5, point="lat")], "test")
        place = opened.stores.writer.execute("SELECT lon, lat FROM device").fetchone()
        assert place == (None, None)
        batch = reading(-140.5, point="lon")
        both = type(batch)(
            device=["edge-1~a"] * 2,
            point=["lon", "lat"],
            value=[-140.5, 30.5],
            source_time=[NOW + 1, NOW + 1],
        )
        await pipeline.emit([both], "test")
        place = opened.stores.writer.execute("SELECT lon, lat FROM device").fetchone()
        assert place == (-140.5, 30.5)


async def test_retired_devices_leave_the_roster(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        pipeline = await known(opened)
        retired = device(lifecycle=Lifecycle.RETIRED)
        await pipeline.emit([Discovered(device=retired)], "test")
        await pipeline.emit([reading(1.0)], "test")
        assert await stored(opened) == []
        assert await opened.stores.readers.read(misfits.count) == 1


async def test_a_full_store_refuses_and_is_told(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        pipeline = await known(opened)
        opened.stores.writer.execute("DROP TABLE latest")
        with pytest.raises(StoreFailed, match="latest"):
            await pipeline.emit([reading(1.0)], "test")
        assert opened.metrics.value("commit_failures_total") == 1


async def test_a_conflicting_device_is_kept_aside(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        pipeline = await known(opened, codes={"asset": "7"})
        await pipeline.emit([Discovered(device=device("b", codes={"asset": "7"}))], "test")
        rows = await opened.stores.readers.read(lambda c: list(devices.load(c)))
        assert [found.id for found, _ in rows] == ["edge-1~a"]
        assert await opened.stores.readers.read(misfits.count) == 1


async def test_an_adapter_may_say_that_a_device_is_offline(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        pipeline = await known(opened)
        word = StatusChange(
            device="edge-1~a", state=DeviceState.OFFLINE, since=NOW, cause="last will"
        )
        await pipeline.emit([word], "mqtt")
        state = await opened.stores.readers.read(lambda c: twin.state(c, "edge-1~a"))
        assert state is not None
        assert (state.state, state.cause) == (DeviceState.OFFLINE, "last will")
