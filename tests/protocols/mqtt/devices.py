"""Devices for the tests."""

from typing import Any

from registry.model import Device, DeviceKind, Link, Point


def sensor(number: int, *points: Point, endpoint: str = "mqtt://broker", **address: Any) -> Device:
    """Return `city~d<number>` with one point "value", on `city/{local}/telemetry` unless said."""
    return Device(
        id=f"city~d{number}",
        home="city",
        name=f"Sensor {number}",
        kind=DeviceKind.SENSOR,
        link=Link(
            protocol="mqtt",
            endpoint=endpoint,
            address={"topic": "city/{local}/telemetry", **address},
        ),
        points=points or (Point(name="value"),),
    )
