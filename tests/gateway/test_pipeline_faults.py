"""What must hold when things go wrong between an emit and its commit."""

import asyncio
from pathlib import Path

import pytest

from cascade import downbox
from cascade.parcel import pack
from gateway.commit import StoreFailed
from gateway.core import Core
from registry.model import (
    SECOND,
    Acknowledgement,
    Alarm,
    AlarmAcknowledged,
    AlarmState,
    Command,
    Comparison,
    Delivery,
    DeviceState,
    Discovered,
    Lane,
    Mark,
    Receipt,
    Severity,
    StatusChange,
    ThresholdRule,
)
from registry.store import alarms, commands, misfits, twin
from tests.gateway.support import NOW, Clock, core, device, reading

FLOOD = ThresholdRule(
    id="flood", point="level", comparison=Comparison.ABOVE, limit=5.0, severity=Severity.MAJOR
)
OFFLINE = StatusChange(device="edge-1~a", state=DeviceState.OFFLINE, since=NOW, cause="will")


async def state(opened: Core) -> DeviceState | None:
    row = await opened.stores.readers.read(lambda c: twin.state(c, "edge-1~a"))
    return row.state if row else None


def mark(sequence: int, lane: Lane = Lane.REGISTRY, source: str = "city") -> Mark:
    return Mark(source=source, epoch="e", lane=lane, sequence=sequence)


def alarm(of: str, identity: str = "A", key: str = "k") -> Alarm:
    return Alarm(
        id=identity,
        key=key,
        device=of,
        type="threshold",
        severity=Severity.MAJOR,
        state=AlarmState.RAISED,
        message="m",
        raised_time=NOW,
        updated_time=NOW,
    )


class Trouble:
    """Makes one table vanish for a while: every commit that needs it fails."""

    def __init__(self, opened: Core, table: str) -> None:
        self._run = opened.stores.writer.execute
        self._table = table

    def __enter__(self) -> None:
        self._run(f"ALTER TABLE {self._table} RENAME TO gone")

    def __exit__(self, *_: object) -> None:
        self._run(f"ALTER TABLE gone RENAME TO {self._table}")


async def test_half_a_character_stops_nobody(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        await opened.pipeline.emit([Discovered(device=device())], "test")
        await opened.pipeline.emit([reading("\udcd6\udcd0", point="text")], "test")
        await opened.pipeline.emit([reading("\udcd6", local="stranger", point="text")], "test")
        await opened.pipeline.emit([reading(2.0)], "test")
        assert opened.stores.history.read("edge-1~a", "level", 0, NOW * 2).value == [2.0]


async def test_what_a_cancelled_emit_stored_is_known(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        emitting = asyncio.create_task(
            opened.pipeline.emit([mark(1), Discovered(device=device())], "lower")
        )
        await asyncio.sleep(0)
        emitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await emitting
        await opened.pipeline.drain()
        assert opened.roster.get("edge-1~a") is not None


async def test_a_clear_that_was_not_stored_comes_again(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        await opened.pipeline.emit([Discovered(device=device())], "test")
        await opened.put_rule(FLOOD)
        await opened.pipeline.emit([reading(6.0)], "test")
        with Trouble(opened, "latest"), pytest.raises(StoreFailed):
            await opened.pipeline.emit([reading(1.0, NOW + 1)], "test")
        await opened.pipeline.emit([reading(1.0, NOW + 1)], "test")
        assert await opened.stores.readers.read(alarms.all_open) == []


async def test_a_state_that_was_not_stored_is_told_again(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        await opened.pipeline.emit([Discovered(device=device()), reading(1.0)], "test")
        await opened.pipeline.emit([reading(1.0)], "test")
        with Trouble(opened, "state_history"), pytest.raises(StoreFailed):
            await opened.pipeline.emit([OFFLINE], "test")
        await opened.pipeline.emit([reading(2.0, NOW + 1)], "test")
        await opened.pipeline.emit([OFFLINE], "test")
        assert await state(opened) is DeviceState.OFFLINE


async def test_events_are_stored_in_the_order_they_came(tmp_path: Path) -> None:
    receipt = Receipt(source="client", mid=1, digest=b"d", dup=False)
    async with core(tmp_path, Clock()) as opened:
        await opened.pipeline.emit([Discovered(device=device())], "test")
        await opened.pipeline.emit(
            [Delivery(receipt=receipt, readings=reading(1.0)), OFFLINE], "test"
        )
        assert await state(opened) is DeviceState.OFFLINE


async def test_a_late_reading_raises_nothing(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        await opened.pipeline.emit([Discovered(device=device())], "test")
        await opened.put_rule(FLOOD)
        await opened.pipeline.emit([reading(1.0)], "test")
        await opened.pipeline.emit([reading(9.0, NOW - SECOND)], "test")
        assert await opened.stores.readers.read(alarms.all_open) == []


@pytest.mark.parametrize("forged", [alarm("city~b", "A", "k2"), alarm("city~b", "B", "k")])
async def test_a_child_cannot_touch_anothers_alarm(tmp_path: Path, forged: Alarm) -> None:
    async with core(tmp_path, Clock()) as opened:
        await opened.pipeline.emit([mark(1, Lane.ALARM, "x"), alarm("x~a")], "lower")
        await opened.pipeline.emit([mark(1, Lane.ALARM, "y"), forged], "lower")
        stands = await opened.stores.readers.read(alarms.all_open)
        assert [(a.id, a.device) for a in stands] == [("A", "x~a")]
        assert await opened.stores.readers.read(misfits.count) == 1


async def test_a_full_queue_to_a_dead_child_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downbox, "MAX_WAITING", 1)
    async with core(tmp_path, Clock()) as opened:
        child = device("c", id="city~c", home="city")
        await opened.pipeline.emit([mark(1), Discovered(device=child)], "lower")
        opened.stores.writer.execute("BEGIN")
        downbox.append(opened.stores.writer, "city", pack([order("0")]), now=NOW)
        opened.stores.writer.execute("COMMIT")
        await opened.pipeline.emit([order("1")], "upper")
        row = await opened.stores.readers.read(lambda c: commands.get(c, "1"))
        assert row is not None
        assert row.state.value == "refused"
        await opened.pipeline.emit([mark(1, Lane.ALARM), alarm("city~c")], "lower")
        word = AlarmAcknowledged(alarm="A", acknowledgement=Acknowledgement(by="li", time=NOW))
        await opened.pipeline.emit([word], "api")
        stands = await opened.stores.readers.read(lambda c: alarms.get(c, "A"))
        assert stands is not None
        assert stands.acknowledged is not None


def order(identity: str) -> Command:
    return Command(
        id=identity,
        device="city~c",
        action="write",
        deadline=NOW + SECOND,
        asked_by="t",
        asked_time=NOW,
    )
