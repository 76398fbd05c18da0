"""Modbus addresses as people write them: checked, and compiled into slots to read."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import Meta, Struct

from protocols.addresses import mistakes
from protocols.modbus.codec import Form, Kind, Order, width_of
from registry.model import Device, Fault, Faulty, Point, ValueType

Table = Literal["holding", "input", "coil", "discrete"]
Seconds = Annotated[float, Meta(ge=0.05, le=86_400)]

REGISTERS: Final = 125
BITS: Final = 2000
_SPACE: Final = 65_536
_SCHEMES: Final[dict[str, Literal["tcp", "rtu+tcp", "serial"]]] = {
    "modbus+tcp": "tcp",
    "modbus+rtu+tcp": "rtu+tcp",
    "modbus+serial": "serial",
}
_EXPECTED: Final = (
    "modbus+tcp://host:502, modbus+rtu+tcp://host:port "
    "or modbus+serial:///dev/ttyS0?baudrate=9600&parity=N"
)

S = TypeVar("S", bound=Struct)


class Endpoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a line begins: a TCP peer (`host`, `port`) or a serial port (`host` is its path)."""

    transport: Literal["tcp", "rtu+tcp", "serial"]
    host: str
    port: int = 502
    baudrate: Annotated[int, Meta(ge=300, le=4_000_000)] = 9600
    parity: Literal["N", "E", "O"] = "N"
    bytesize: Literal[7, 8] = 8
    stopbits: Literal[1, 2] = 1


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of one endpoint; times in seconds."""

    timeout: Annotated[float, Meta(ge=0.05, le=60, description="Wait for an answer.")] = 1.0
    period: Annotated[Seconds, Meta(description="Polling, where nothing else says.")] = 1.0
    gap: Annotated[
        int, Meta(ge=0, le=124, description="Unasked registers read to save a request.")
    ] = 8
    max_registers: Annotated[int, Meta(ge=1, le=REGISTERS)] = REGISTERS
    max_bits: Annotated[int, Meta(ge=1, le=BITS)] = BITS
    pause: Annotated[float, Meta(ge=0, le=5, description="Rest between two requests.")] = 0.0
    retry_bad: Annotated[
        float, Meta(ge=0.05, description="Until refused points are tried again.")
    ] = 600.0


class UnitAddress(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device: its unit id, and what it needs otherwise than its endpoint's settings."""

    unit: Annotated[int, Meta(ge=0, le=255)]
    period: Seconds | None = None
    gap: Annotated[int, Meta(ge=0, le=124)] | None = None
    max_registers: Annotated[int, Meta(ge=1, le=REGISTERS)] | None = None
    max_bits: Annotated[int, Meta(ge=1, le=BITS)] | None = None


class PointAddress(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A point: `register` counts from 0 as on the wire; `length` is a string's bytes."""

    register: Annotated[int, Meta(ge=0, lt=_SPACE)]
    table: Table = "holding"
    type: Kind | None = None
    order: Order = Order.ABCD
    bit: Annotated[int, Meta(ge=0, le=15)] | None = None
    length: Annotated[int, Meta(ge=1, le=2 * REGISTERS)] | None = None
    period: Seconds | None = None

    @property
    def bits(self) -> bool:
        """True where the table holds single bits."""
        return self.table in ("coil", "discrete")

    @property
    def kind(self) -> Kind:
        return self.type or (Kind.BOOL if self.bits else Kind.UINT16)

    @property
    def width(self) -> int:
        """Registers (or bits) that the point takes."""
        return 1 if self.bits else width_of(self.kind, self.length or 0)


class Slot(Struct, frozen=True, kw_only=True, eq=False):
    """One point as the planner sees it: `width` registers (or bits) from `start`.

    Compared by identity: two points may read the same register.
    """

    device: str
    point: str
    unit: int
    table: Table
    start: int
    width: int
    period: float
    form: Form
    writable: bool = False

    @property
    def end(self) -> int:
        return self.start + self.width


def parse_endpoint(url: str) -> Endpoint:
    """Read an endpoint's URL; options of a serial line stand in its query.

    Raises:
        Faulty: the URL cannot be used.
    """
    where = "link.endpoint"
    parts = urlsplit(url)
    transport = _SCHEMES.get(parts.scheme)
    if transport is None:
        raise Faulty([Fault(where=where, message=f"{url!r} is no Modbus URL", expected=_EXPECTED)])
    if parts.username is not None:
        raise Faulty([Fault(where=where, message="Modbus knows no user: leave it out")])
    if transport == "serial":
        return _serial(parts.netloc + parts.path, dict(parse_qsl(parts.query)), where)
    try:
        port = parts.port or 502
    except ValueError:
        raise Faulty([Fault(where=where, message="bad port", expected="1 to 65535")]) from None
    if not parts.hostname or parts.query or parts.path not in ("", "/"):
        raise Faulty([Fault(where=where, message=f"{url!r} cannot be used", expected=_EXPECTED)])
    return Endpoint(transport=transport, host=parts.hostname, port=port)


def _serial(path: str, options: Mapping[str, str], where: str) -> Endpoint:
    if not path:
        raise Faulty([Fault(where=where, message="no serial port named", expected=_EXPECTED)])
    values: dict[str, object] = {
        name: int(text) if text.isdecimal() else text for name, text in options.items()
    }
    faults = mistakes(Endpoint, {"transport": "serial", "host": path, **values}, where)
    if faults:
        raise Faulty(faults)
    return msgspec.convert({"transport": "serial", "host": path, **values}, Endpoint)


def parse_settings(raw: Mapping[str, object]) -> Settings:
    """Read an endpoint's settings.

    Raises:
        Faulty: an option is unknown or out of range.
    """
    faults = mistakes(Settings, raw, "settings")
    if faults:
        raise Faulty(faults)
    return msgspec.convert(dict(raw), Settings)


def check_device(device: Device) -> Iterable[Fault]:
    """Yield every mistake in a device's link and point addresses."""
    link = device.link
    if link is None:
        yield Fault(where="link", message="missing")
        return
    try:
        parse_endpoint(link.endpoint)
    except Faulty as error:
        yield from error.faults
    yield from mistakes(UnitAddress, link.address, "link.address")
    for point in device.points:
        where = f"points[{point.name}].address"
        faults = mistakes(PointAddress, point.address, where)
        yield from faults
        if not faults:
            yield from _check_point(point, msgspec.convert(point.address, PointAddress), where)


def _check_point(point: Point, address: PointAddress, where: str) -> Iterable[Fault]:
    kind = address.kind
    if address.register + address.width > _SPACE:
        yield Fault(where=f"{where}.register", message="the value runs past register 65535")
    if (kind is Kind.STRING) != (address.length is not None):
        yield Fault(where=f"{where}.length", message="belongs to type string, and to it only")
    if address.bits and kind is not Kind.BOOL:
        yield Fault(where=f"{where}.type", message=f"a {address.table} is a bit", expected="bool")
    if address.bit is not None and (
        address.bits or kind not in (Kind.UINT16, Kind.INT16, Kind.BOOL)
    ):
        yield Fault(where=f"{where}.bit", message="picks from one register of uint16 only")
    if point.writable and address.table in ("input", "discrete"):
        yield Fault(
            where=f"{where}.table",
            message=f"{address.table} cannot be written",
            expected="holding or coil, or writable: false",
        )
    if point.scale == 0:
        yield Fault(where=f"{where[:-8]}.scale", message="zero would erase every value")
    yield from _check_type(point, address, where)


def _check_type(point: Point, address: PointAddress, where: str) -> Iterable[Fault]:
    kind, value = address.kind, point.type
    if address.bit is not None or kind is Kind.BOOL:
        fitting: tuple[ValueType, ...] = (ValueType.BOOL,)
    elif kind is Kind.STRING:
        fitting = (ValueType.STR,)
    elif kind in (Kind.FLOAT32, Kind.FLOAT64) or not (
        float(point.scale).is_integer() and float(point.offset).is_integer()
    ):
        fitting = (ValueType.FLOAT,)
    else:
        fitting = (ValueType.FLOAT, ValueType.INT)
    if value not in fitting:
        yield Fault(
            where=f"{where}.type",
            message=f"{kind} read so (scale {point.scale:g}) gives no {value}",
            expected=f"a point of type {' or '.join(fitting)}",
        )


def slots_of(device: Device, settings: Settings) -> list[Slot]:
    """Compile a device's points; those with mistakes are left out (`check_device` names them)."""
    link = device.link
    if link is None or mistakes(UnitAddress, link.address, ""):
        return []
    unit = msgspec.convert(link.address, UnitAddress)
    slots = []
    for point in device.points:
        if mistakes(PointAddress, point.address, ""):
            continue
        address = msgspec.convert(point.address, PointAddress)
        if any(_check_point(point, address, "")):
            continue
        slots.append(
            Slot(
                device=device.id,
                point=point.name,
                unit=unit.unit,
                table=address.table,
                start=address.register,
                width=address.width,
                period=address.period or unit.period or point.cadence or settings.period,
                form=_form(point, address),
                writable=point.writable,
            )
        )
    return slots


class Reach(Struct, frozen=True, kw_only=True):
    """How far one read may reach at a unit."""

    registers: int
    bits: int
    gap: int

    def narrower(self, other: "Reach") -> "Reach":
        """Return the reach that suits both."""
        return Reach(
            registers=min(self.registers, other.registers),
            bits=min(self.bits, other.bits),
            gap=min(self.gap, other.gap),
        )


def reach_of(device: Device, settings: Settings) -> Reach:
    """Return the reach that a device's address asks for, within its endpoint's settings."""
    own: Mapping[str, Any] = device.link.address if device.link else {}
    return Reach(
        registers=own.get("max_registers") or settings.max_registers,
        bits=own.get("max_bits") or settings.max_bits,
        gap=settings.gap if own.get("gap") is None else own["gap"],
    )


def _form(point: Point, address: PointAddress) -> Form:
    return Form(
        value=point.type,
        kind=address.kind,
        order=address.order,
        bit=address.bit,
        length=address.length or 0,
        scale=point.scale,
        offset=point.offset,
    )
