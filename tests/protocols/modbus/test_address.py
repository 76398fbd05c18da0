import sys
from subprocess import run
from typing import Any

import pytest

from protocols import modbus
from protocols.modbus.address import Endpoint, Settings, parse_endpoint, parse_settings, slots_of
from registry.model import Device, Faulty, ValueType
from tests.protocols.modbus.peer import device, point

END = "modbus+tcp://plc:502"


def wrongs(target: Device) -> list[str]:
    return [fault.where for fault in modbus.check(target)]


def test_a_good_device_has_no_faults() -> None:
    good = device(
        END,
        1,
        point("level", {"register": 10, "table": "input", "type": "float32", "order": "CDAB"}),
        point("pump", {"register": 0, "table": "coil"}, type=ValueType.BOOL, writable=True),
        point("door", {"register": 4, "bit": 3, "period": 1}, type=ValueType.BOOL),
        point("label", {"register": 20, "type": "string", "length": 9}, type=ValueType.STR),
        point("count", {"register": 30, "type": "uint32"}, type=ValueType.INT),
        point("temp", {"register": 40, "type": "int16"}, scale=0.1),
        period=5,
        gap=0,
    )
    assert wrongs(good) == []


def test_every_mistake_is_named_with_its_place() -> None:
    bad = device(
        "modbus+tcp://user@plc",
        300,
        point("a", {"register": 70_000, "tabel": "input"}),
        point("b", {"type": "float33", "order": "XYZ"}),
        point("c", {"register": 65_535, "type": "uint32"}),
        speed=9,
    )
    assert set(wrongs(bad)) == {
        "link.endpoint",
        "link.address.unit",
        "link.address.speed",
        "points[a].address.register",
        "points[a].address.tabel",
        "points[b].address.register",
        "points[b].address.type",
        "points[b].address.order",
        "points[c].address.register",
    }
    kinds = next(f for f in modbus.check(bad) if f.where == "points[b].address.type")
    assert "float32" in kinds.expected


@pytest.mark.parametrize(
    ("address", "more", "where"),
    [
        ({"register": 1, "type": "string"}, {"type": ValueType.STR}, "length"),
        ({"register": 1, "length": 3}, {}, "length"),
        ({"register": 1, "table": "coil", "type": "int16"}, {}, "type"),
        ({"register": 1, "type": "uint32", "bit": 1}, {"type": ValueType.BOOL}, "bit"),
        ({"register": 1, "table": "input"}, {"writable": True}, "table"),
        ({"register": 1, "type": "float32"}, {"type": ValueType.INT}, "type"),
        ({"register": 1}, {"type": ValueType.INT, "scale": 0.1}, "type"),
        ({"register": 1}, {"type": ValueType.BOOL}, "type"),
        ({"register": 1, "bit": 16}, {"type": ValueType.BOOL}, "bit"),
        ({"register": 1, "period": 0.001}, {}, "period"),
    ],
)
def test_what_does_not_go_together_is_named(
    address: dict[str, Any], more: dict[str, Any], where: str
) -> None:
    assert f"points[p].address.{where}" in wrongs(device(END, 1, point("p", address, **more)))


def test_endpoints() -> None:
    assert parse_endpoint("modbus+tcp://10.0.0.5") == Endpoint(transport="tcp", host="10.0.0.5")
    rtu = parse_endpoint("modbus+rtu+tcp://[::1]:4001")
    assert (rtu.transport, rtu.host, rtu.port) == ("rtu+tcp", "::1", 4001)
    serial = parse_endpoint("modbus+serial:///dev/ttyS0?baudrate=19200&parity=E&stopbits=2")
    assert serial == Endpoint(
        transport="serial", host="/dev/ttyS0", baudrate=19200, parity="E", stopbits=2
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://plc",
        "modbus+tcp://",
        "modbus+tcp://plc:99999",
        "modbus+tcp://plc/unit/1",
        "modbus+serial://?baudrate=9600",
        "modbus+serial:///dev/ttyS0?parity=X",
        "modbus+serial:///dev/ttyS0?speed=9600",
    ],
)
def test_endpoints_that_cannot_be_used(url: str) -> None:
    with pytest.raises(Faulty) as caught:
        parse_endpoint(url)
    assert caught.value.faults[0].where.startswith("link.endpoint")


def test_settings_name_their_mistakes() -> None:
    with pytest.raises(Faulty) as caught:
        parse_settings({"timeout": 0, "gapp": 3})
    assert {f.where for f in caught.value.faults} == {"settings.timeout", "settings.gapp"}


def test_the_closest_period_counts() -> None:
    points = [
        point("own", {"register": 1, "period": 2.0}, cadence=9),
        point("expected", {"register": 2}, cadence=9),
        point("plain", {"register": 3}),
    ]
    periods = {s.point: s.period for s in slots_of(device(END, 1, *points), Settings(period=7))}
    assert periods == {"own": 2.0, "expected": 9.0, "plain": 7.0}
    shared = slots_of(device(END, 1, *points, period=4.0), Settings())
    assert {s.point: s.period for s in shared} == {"own": 2.0, "expected": 4.0, "plain": 4.0}


def test_a_point_with_a_mistake_keeps_no_other_from_being_read() -> None:
    mixed = device(END, 1, point("bad", {"register": -1}), point("good", {"register": 1}))
    assert [s.point for s in slots_of(mixed, Settings())] == ["good"]


def test_the_folder_is_cheap_to_import() -> None:
    code = "import protocols.modbus, sys; sys.exit('pymodbus' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
