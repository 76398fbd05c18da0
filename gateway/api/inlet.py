"""What people and passive devices send in: readings by HTTP, and reports."""

from typing import Annotated, Any

from litestar import Controller, Request, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from gateway.api.devices import existing
from gateway.api.errors import ErrorField, Problem
from gateway.api.node import Node
from gateway.api.security import identity_of
from gateway.api.times import parse_time
from registry.model import (
    Alarm,
    AlarmState,
    Device,
    Lifecycle,
    Place,
    PlaceSource,
    ReadingBatch,
    Severity,
    Value,
    ValueType,
    ulid,
)
from registry.model.place import Latitude, Longitude


class PushedReading(Struct, kw_only=True, forbid_unknown_fields=True):
    """One value; without a time it is taken as measured now."""

    point: str
    value: Value
    time: str | None = None


class Push(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a passive device measured."""

    readings: Annotated[list[PushedReading], Meta(min_length=1, max_length=10_000)]


class Taken(Struct):
    """How many readings are stored."""

    readings: int


class Report(Struct, kw_only=True, forbid_unknown_fields=True):
    """Something a person saw; `device` is the reporting channel or the device it is about."""

    device: str
    text: Annotated[str, Meta(min_length=1, max_length=2_000)]
    lon: Longitude | None = None
    lat: Latitude | None = None
    severity: Severity = Severity.NOTICE


class Reported(Struct):
    """The id of the alarm that a report became."""

    alarm: str


class InletController(Controller):
    """`/devices/{id}/readings` and `/reports`."""

    tags = ("inlet",)

    @post(
        "/devices/{device_id:str}/readings",
        status_code=202,
        summary="Push readings of a device whose link protocol is http; answers once stored",
    )
    async def push(self, node: Node, device_id: FromPath[str], data: JSONBody[Push]) -> Taken:
        device = (await existing(node, device_id)).device
        _check_pushable(device, node.name)
        _check_readings(device, data.readings)
        times = [
            parse_time(f"readings[{i}].time", r.time) if r.time is not None else 0
            for i, r in enumerate(data.readings)
        ]
        batch = ReadingBatch(
            device=[device_id] * len(times),
            point=[r.point for r in data.readings],
            value=[r.value for r in data.readings],
            source_time=times,
        )
        await node.emit([batch])
        return Taken(len(times))

    @post("/reports", status_code=202, summary="Report something seen; it becomes an alarm")
    async def report(
        self, request: Request[Any, Any, Any], node: Node, data: JSONBody[Report]
    ) -> Reported:
        device = (await existing(node, data.device)).device
        if (data.lon is None) != (data.lat is None):
            raise Problem.bad("lon", "longitude and latitude go together", "both or neither")
        now = node.now()
        alarm_id = ulid(now)
        place = device.place
        if data.lon is not None and data.lat is not None:
            place = Place(lon=data.lon, lat=data.lat, source=PlaceSource.GPS)
        alarm = Alarm(
            id=alarm_id,
            key=f"report:{alarm_id}",
            device=device.id,
            type="report",
            severity=data.severity,
            state=AlarmState.RAISED,
            message=f"{data.text.strip()} ({identity_of(request).name})",
            raised_time=now,
            updated_time=now,
            source=node.name,
            area=device.area,
            place=place,
        )
        await node.emit([alarm])
        return Reported(alarm_id)


def _check_pushable(device: Device, here: str) -> None:
    protocol = device.link.protocol if device.link is not None else None
    if protocol != "http":
        raise Problem(
            409, f"Device {device.id!r} is read by {protocol or 'nobody'}; only http is pushed."
        )
    if device.home != here:
        raise Problem(409, f"Device {device.id!r} belongs to node {device.home!r}: push there.")
    if device.lifecycle is Lifecycle.RETIRED:
        raise Problem(409, f"Device {device.id!r} is retired.")


def _check_readings(device: Device, readings: list[PushedReading]) -> None:
    points = {point.name: point.type for point in device.points}
    fields = []
    for i, reading in enumerate(readings):
        kind = points.get(reading.point)
        if kind is None:
            names = ", ".join(points)
            fields.append(_field(f"readings[{i}].point", f"no point {reading.point!r}", names))
        elif not _fits(reading.value, kind):
            fields.append(_field(f"readings[{i}].value", "has another type", kind.value))
    if fields:
        raise Problem(400, f"{fields[0].where}: {fields[0].message}", fields=fields[:100])


def _field(where: str, message: str, expected: str) -> ErrorField:
    return ErrorField(where=where, message=message, expected=expected)


def _fits(value: Value, kind: ValueType) -> bool:
    match kind:
        case ValueType.BOOL:
            return isinstance(value, bool)
        case ValueType.STR:
            return isinstance(value, str)
        case ValueType.INT:
            return isinstance(value, int) and not isinstance(value, bool)
        case ValueType.FLOAT:
            return isinstance(value, int | float) and not isinstance(value, bool)
