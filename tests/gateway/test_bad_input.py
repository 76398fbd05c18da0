"""What operators and devices get wrong: a clear error, a count, and unaffected neighbours."""

import asyncio
import random
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.api.server import listen
from gateway.api.settings import ApiSettings
from gateway.broker.embedded import EmbeddedBroker
from gateway.broker.settings import BrokerSettings
from gateway.cli.main import main
from gateway.commit import StoreFailed
from gateway.metrics import Metrics
from gateway.stores import Stores, in_use
from registry.model import Alarm, AlarmState, Discovered, Faulty, ReadingBatch, Severity
from registry.store import alarms
from tests.gateway.support import EDGE, NOW, Clock, core, device, reading


def test_a_taken_api_port_names_the_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Faulty, match=f"api.port: port {port}"):
            listen(ApiSettings(port=port))


async def test_a_taken_broker_port_names_the_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        broker = EmbeddedBroker(BrokerSettings(port=port), {}, lambda *_: False, Metrics())
        with pytest.raises(Faulty, match=r"broker\.port"):
            await broker.start()


async def test_a_second_node_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    stores = Stores(tmp_path, node="edge-1", now=NOW, main_megabytes=16)
    assert in_use(tmp_path)
    with pytest.raises(Faulty, match="is in use by a running node"):
        Stores(tmp_path, node="edge-1", now=NOW, main_megabytes=16)
    stores.writer.close()
    await stores.close()
    assert not in_use(tmp_path)


async def test_a_full_database_refuses_telemetry_and_still_takes_alarms(tmp_path: Path) -> None:
    """The outbox's quota keeps room: telemetry gives way, an alarm is stored."""
    small = EDGE + b"data: {outbox_megabytes: 4, main_megabytes: 16}\n"
    async with core(tmp_path, Clock(), small) as opened:
        await opened.pipeline.emit([Discovered(device=device())], "test")
        await opened.pipeline.emit([reading(1.0)], "test")
        size = opened.stores.writer.execute("PRAGMA page_count").fetchone()[0]
        assert opened.stores.writer.execute("PRAGMA max_page_count").fetchone()[0] > size
        noise = _noise(4000)
        for step in range(60):
            await opened.pipeline.emit([noise(step)], "test")
        waiting = opened.stores.writer.execute("SELECT sum(bytes) FROM outbox_stream").fetchone()
        assert waiting[0] <= 4 * 1024 * 1024
        dropped = opened.stores.writer.execute(
            "SELECT value FROM counter WHERE name = 'readings_dropped_unsent'"
        ).fetchone()
        assert dropped[0] > 0
        await opened.pipeline.emit([_alarm()], "test")
        assert [a.id for a in await opened.stores.readers.read(alarms.all_open)] == ["A"]


def _noise(count: int) -> Callable[[int], ReadingBatch]:

    chance = random.Random(7)

    def batch(step: int) -> ReadingBatch:
        base = NOW - 10**12 + step * count * 1000
        return ReadingBatch(
            device=["edge-1~a"] * count,
            point=["text"] * count,
            value=[chance.randbytes(60).hex() for _ in range(count)],
            source_time=[base + i * 1000 for i in range(count)],
        )

    return batch


def _alarm() -> Alarm:
    return Alarm(
        id="A",
        key="k",
        device="edge-1~a",
        type="fire",
        severity=Severity.CRITICAL,
        state=AlarmState.RAISED,
        message="smoke",
        raised_time=NOW,
        updated_time=NOW,
    )


async def test_an_alarm_that_cannot_be_read_back_is_set_aside(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        await opened.pipeline.emit([Discovered(device=device())], "test")
        poison = replace(_alarm(), value=float("nan"))
        await opened.pipeline.emit([poison, reading(2.0)], "test")
        assert opened.stores.history.read("edge-1~a", "level", 0, NOW * 2).value == [2.0]


def test_every_bad_row_of_a_table_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "devices.csv"
    table.write_text(
        "local,name,kind,protocol,endpoint,address.unit,lon,lat,points\n"
        'a,A,sensor,modbus,modbus+tcp://127.0.0.1:1,1,1,1,"[{""name"":""x"",'
        '""address"":{""table"":""holding"",""register"":70000,""type"":""float32""}}]"\n'
        "b,B,gadget,modbux,tcp://x,1,112.5,37.8,\n"
        "c,C,sensor,modbus,modbus+tcp://127.0.0.1:1,1,0,0,\n"
    )
    assert main(["devices", "verify", str(table)]) == 2
    said = capsys.readouterr().err
    for part in ("line 2", "register", "line 3", "kind", "line 4", "lon"):
        assert part in said


async def test_a_commit_that_fails_alone_does_not_take_others_along(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        await opened.pipeline.emit([Discovered(device=device())], "test")

        def bad(tx: object) -> list[object]:
            raise ValueError("a defect")

        results = await asyncio.gather(
            opened.pipeline.emit([reading(1.0)], "test"),
            opened.pipeline.apply(bad),  # type: ignore[arg-type]
            opened.pipeline.emit([reading(2.0, NOW + 1)], "test"),
            return_exceptions=True,
        )
        assert [type(r) for r in results] == [type(None), StoreFailed, type(None)]
        assert opened.stores.history.read("edge-1~a", "level", 0, NOW * 2).value == [1.0, 2.0]
