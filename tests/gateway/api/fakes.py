"""A node for the API's tests: a real main.db, everything else in memory."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from gateway.api.changelog import ChangeLog, Changes
from gateway.api.ports import EndpointView, HistoryColumns, LinkView
from gateway.inventory import Format, Taken
from gateway.metrics import Metrics
from registry.model import (
    SECOND,
    Acknowledgement,
    Alarm,
    AlarmState,
    Area,
    AreaKind,
    Capability,
    Command,
    Comparison,
    Device,
    DeviceKind,
    DeviceState,
    Event,
    Fault,
    Faulty,
    Link,
    Misfit,
    MisfitReason,
    Outcome,
    OutcomeState,
    Place,
    Point,
    Severity,
    StatusChange,
    ThresholdRule,
    Time,
    ValueType,
    from_rfc3339,
)
from registry.store import alarms, areas, commands, counters, devices, misfits, rules, twin
from registry.store.database import open_reader, open_writer, prepare

T = TypeVar("T")
NOW = from_rfc3339("2026-03-18T06:26:05Z")
HOUR = 3_600 * SECOND

WELL = Device(
    id="edge-1~well-1",
    home="edge-1",
    name="汾河一号井",
    kind=DeviceKind.SENSOR,
    category="water",
    codes={"asset": "A-17"},
    link=Link(protocol="mqtt", endpoint="mqtt://127.0.0.1:1883"),
    place=Place(lon=112.5, lat=37.8),
    area="990101",
    tags=("flood",),
    key_point=True,
    points=(
        Point(name="level", title="水位", unit="m", cadence=10.0),
        Point(name="alarm", title="报警", type=ValueType.BOOL),
    ),
)
VALVE = Device(
    id="city~valve-1",
    home="city",
    name="Valve",
    kind=DeviceKind.ACTUATOR,
    category="gas",
    link=Link(protocol="modbus", endpoint="modbus+tcp://127.0.0.1:502"),
    place=Place(lon=113.0, lat=40.0),
    area="990201",
    capabilities=(Capability.OBSERVE, Capability.COMMAND),
    points=(Point(name="open", type=ValueType.BOOL, writable=True),),
)
PHONE = Device(
    id="city~phone",
    home="city",
    name="12345",
    kind=DeviceKind.SENSOR,
    link=Link(protocol="http", endpoint="http://push"),
    area="990100",
    points=(
        Point(name="noise", unit="dB"),
        Point(name="count", type=ValueType.INT),
    ),
)
ALARM = Alarm(
    id="01JPKS0000000000000000000A",
    key="rule:high:edge-1~well-1:level",
    device=WELL.id,
    type="threshold",
    severity=Severity.MAJOR,
    state=AlarmState.RAISED,
    message="水位过高",
    raised_time=NOW - HOUR,
    updated_time=NOW - HOUR,
    point="level",
    value=4.2,
    limit=4.0,
    rule="high",
    source="edge-1",
)
RULE = ThresholdRule(
    id="high",
    point="level",
    comparison=Comparison.ABOVE,
    limit=4.0,
    severity=Severity.MAJOR,
    title="水位",
    category="water",
)


class FakeNode:
    """Satisfies `NodePort`."""

    name = "city"
    role = "city"
    title = "晋州市"
    title_en = "Jinzhou"
    version = "1.2.3"
    epoch = "abc"

    def __init__(self, path: Path) -> None:
        self.writer = open_writer(path)
        self._reader = open_reader(path)
        self._pool = ThreadPoolExecutor(1)
        self.changes = ChangeLog(interval=0.02)
        self.metrics = Metrics()
        self.emitted: list[Event] = []
        self.series = HistoryColumns(t=[], v=[], q=[])
        self.asked: tuple[str, str, Time, Time, int] | None = None

    def now(self) -> Time:
        return NOW

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, query, self._reader)

    async def history(
        self, device: str, point: str, start: Time, end: Time, limit: int
    ) -> HistoryColumns:
        self.asked = (device, point, start, end, limit)
        return self.series

    async def emit(self, events: Sequence[Event]) -> None:
        self.emitted += events
        for event in events:
            if isinstance(event, Alarm):
                alarms.put(self.writer, event)

    async def dispatch(self, command: Command) -> None:
        if command.action == "explode":
            raise Faulty([Fault(where="action", message="no such action", expected="write")])
        commands.put(self.writer, command)

    async def acknowledge(self, alarm_id: str, acknowledgement: Acknowledgement) -> Alarm | None:
        found = alarms.get(self.writer, alarm_id)
        if found is None:
            return None
        noted = replace(found, acknowledged=found.acknowledged or acknowledgement)
        alarms.put(self.writer, noted)
        self.changes.publish(Changes(alarms=[alarm_id]))
        return noted

    async def put_rule(self, rule: ThresholdRule) -> None:
        rules.put(self.writer, rule)

    async def delete_rule(self, rule_id: str) -> bool:
        return rules.remove(self.writer, rule_id)

    async def take_in(self, data: bytes, format: Format, *, dry_run: bool, complete: bool) -> Taken:
        raise Faulty([Fault(where="file", message="is not taken by this fake")])

    def endpoints(self) -> Sequence[EndpointView]:
        return [
            EndpointView(
                endpoint="mqtt://127.0.0.1:1883",
                protocol="mqtt",
                state="retrying",
                since=NOW,
                detail="connection refused",
                devices=1,
                next_try=NOW + 5 * SECOND,
            )
        ]

    def cascade(self) -> Sequence[LinkView]:
        return [LinkView(node="edge-1", upper="city", state="connected", since=NOW, received=7)]

    def close(self) -> None:
        self.changes.close()
        self._pool.shutdown()
        self._reader.close()
        self.writer.close()


def make_database(path: Path) -> None:
    """Make a main.db with the devices of these tests."""
    prepare(path, node=FakeNode.name, now=NOW)
    writer = open_writer(path)
    writer.execute("BEGIN")
    fill(writer)
    writer.execute("COMMIT")
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    writer.close()


def fill(writer: sqlite3.Connection) -> None:
    """Put the devices of these tests into a database."""
    for code, name, kind in (
        ("990000", "山河省", AreaKind.PROVINCE),
        ("990100", "晋州市", AreaKind.CITY),
        ("990101", "东城区", AreaKind.COUNTY),
        ("990200", "云州市", AreaKind.CITY),
        ("990201", "北城区", AreaKind.COUNTY),
    ):
        areas.put(writer, Area(code=code, name=name, kind=kind))
    devices.upsert(writer, WELL, via="edge-1", now=NOW)
    for device in (VALVE, PHONE):
        devices.upsert(writer, device, via=None, now=NOW)
    online = StatusChange(device=WELL.id, state=DeviceState.ONLINE, since=NOW - 2 * HOUR)
    offline = StatusChange(
        device=VALVE.id, state=DeviceState.OFFLINE, since=NOW - HOUR, cause="no answer"
    )
    twin.put_status(writer, [online, offline])
    twin.put_latest(
        writer,
        [
            (WELL.id, "level", 4.2, 0, "", NOW - SECOND, NOW - SECOND),
            (WELL.id, "alarm", True, 1, "range", NOW - SECOND, NOW - SECOND),
            (VALVE.id, "open", False, 0, "", NOW - HOUR, NOW - HOUR),
        ],
    )
    alarms.put(writer, ALARM)
    rules.put(writer, RULE)
    counters.add(writer, "readings_stored", 12_345)
    misfits.add(
        writer,
        [Misfit(source="mqtt", reason=MisfitReason.UNKNOWN_POINT, detail="no point x", time=NOW)],
    )
    order = Command(
        id="01JPKS0000000000000000000C",
        device=VALVE.id,
        action="write",
        point="open",
        value=True,
        deadline=NOW + 10 * SECOND,
        asked_by="lena",
        asked_time=NOW,
    )
    commands.put(writer, order)
    commands.conclude(
        writer,
        Outcome(
            command=order.id,
            device=VALVE.id,
            state=OutcomeState.DONE,
            time=NOW + SECOND,
            detail="read back",
            value=True,
        ),
    )
