"""Upkeep: what is past its retention goes, in short write jobs."""

import asyncio
import threading
from pathlib import Path

import pytest

from cascade import inbox, outbox
from cascade.parcel import Parcel
from gateway.commit import StoreFailed
from gateway.core import Core
from gateway.sinks import READINGS_UNSENT
from gateway.upkeep import Retention
from registry.model import DAY, Device, DeviceKind, Discovered, Lane, Lifecycle, Mark
from registry.store import counters, devices
from registry.store.transaction import Transaction
from tests.gateway.support import NOW, Clock, core, device, reading

KEEP = 30 * DAY
OLD = NOW - KEEP - 1


def retention(opened: Core) -> Retention:
    return Retention(
        now=opened.now, pipeline=opened.pipeline, history=opened.stores.history, keep=KEEP
    )


async def finish(opened: Core) -> int:
    """Run a prune to its end; returns how many rounds it took."""
    pruning, rounds = retention(opened), 1
    pruning.begin()
    while await pruning.step():
        rounds += 1
    return rounds


async def test_unsent_telemetry_expires_in_bounded_jobs_and_is_counted(tmp_path: Path) -> None:
    parcel = Parcel(Lane.TELEMETRY, b"x", 2)

    def fill(tx: Transaction) -> None:
        for n in range(2_500):
            outbox.append(tx, [parcel], now=OLD - 2_500 + n, quota=outbox.Quota())
        outbox.append(tx, [parcel], now=NOW - KEEP, quota=outbox.Quota())

    async with core(tmp_path, Clock()) as opened:
        await opened.write(fill)
        pruning = retention(opened)
        pruning.begin()
        await pruning.step()
        read = opened.stores.readers.read
        assert await read(lambda c: counters.get(c, READINGS_UNSENT)) == 2 * 1_000
        while await pruning.step():
            pass
        left = 2 * (2_500 - outbox.MAX_WINDOW)
        assert await read(lambda c: counters.get(c, READINGS_UNSENT)) == left
        waiting = await read(lambda c: outbox.backlog(c)[Lane.TELEMETRY])
        assert waiting.rows == outbox.MAX_WINDOW + 2


async def test_epochs_without_news_are_forgotten(tmp_path: Path) -> None:
    def marks(tx: Transaction) -> None:
        for epoch, time in (("gone", OLD), ("recent", NOW - KEEP), ("now", NOW)):
            mark = Mark(source="s", epoch=epoch, lane=Lane.ALARM, sequence=1)
            inbox.advance(tx, mark, time)

    async with core(tmp_path, Clock()) as opened:
        await opened.write(marks)
        await finish(opened)
        read = opened.stores.readers.read
        assert [
            await read(lambda c, e=epoch: inbox.position(c, "s", e, Lane.ALARM))  # type: ignore[misc]
            for epoch in ("gone", "recent", "now")
        ] == [0, 1, 1]


def tombstone(number: int) -> Device:
    return Device(
        id=f"edge-1~t{number}",
        home="edge-1",
        name="t",
        kind=DeviceKind.SENSOR,
        lifecycle=Lifecycle.RETIRED,
    )


async def test_tombstones_go_after_the_retention_and_not_before(tmp_path: Path) -> None:
    clock = Clock(OLD)
    async with core(tmp_path, clock) as opened:
        await opened.pipeline.emit([Discovered(device=tombstone(n)) for n in range(250)], "x")
        clock.now = NOW - KEEP
        await opened.pipeline.emit([Discovered(device=tombstone(250))], "x")
        clock.now = NOW
        assert await finish(opened) == 4
        left = await opened.stores.readers.read(lambda c: [d.id for d, _ in devices.load(c)])
        assert left == ["edge-1~t250"]


async def test_a_refused_job_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(OLD)
    async with core(tmp_path, clock) as opened:
        await opened.pipeline.emit([Discovered(device=tombstone(0))], "x")
        clock.now = NOW
        pruning = retention(opened)
        pruning.begin()
        with monkeypatch.context() as patch:

            def refuse(_: object) -> list[str]:
                raise OSError("read-only file system")

            patch.setattr(opened.stores.history, "prune", refuse)
            with pytest.raises(StoreFailed, match="read-only"):
                await pruning.step()
        assert await opened.stores.readers.read(lambda c: list(devices.load(c))) == []
        while await pruning.step():
            pass
        pruning.begin()
        assert await pruning.step() is False


async def test_a_long_read_of_the_history_holds_up_no_reader(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        go = threading.Event()
        reads = [asyncio.create_task(opened.stores.readers.call(go.wait)) for _ in range(4)]
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(10):
                assert await opened.stores.readers.read(lambda c: list(devices.load(c))) == []
        finally:
            go.set()
            await asyncio.gather(*reads)


async def test_old_history_files_go(tmp_path: Path) -> None:
    clock = Clock(OLD - DAY)
    async with core(tmp_path, clock) as opened:
        await opened.pipeline.emit([Discovered(device=device())], "x")
        await opened.pipeline.emit([reading(1.0, OLD - DAY)], "x")
        files = tmp_path / "data" / "history"
        assert len(list(files.glob("*.db"))) == 1
        clock.now = NOW
        await finish(opened)
        assert list(files.glob("*.db")) == []
