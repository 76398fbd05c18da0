"""OPC UA addresses as people write them: checked, and compiled into slots to watch."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from protocols.addresses import mistakes
from protocols.opcua.codec import Form
from registry.model import Device, Fault, Faulty, Point, ValueType

Seconds = Annotated[float, Meta(ge=0.02, le=86_400)]
Security = Literal[
    "None",
    "Basic256Sha256_Sign",
    "Basic256Sha256_SignAndEncrypt",
    "Aes128Sha256RsaOaep_Sign",
    "Aes128Sha256RsaOaep_SignAndEncrypt",
    "Aes256Sha256RsaPss_Sign",
    "Aes256Sha256RsaPss_SignAndEncrypt",
]

_NODE: Final = re.compile(r"^(?:nsu=([^;]+);|ns=(\d+);)?([isgb])=(.+)$", re.DOTALL)
_NODE_FORMS: Final = "nsu=<namespace URI>;s=<name> (or i=, g=, b=); ns=0;i=<number>"


class NodeRef(Struct, frozen=True):
    """A node by its namespace's URI (empty: the OPC UA namespace itself) and identifier."""

    uri: str
    identifier: int | str | bytes | UUID
    text: str

    def __str__(self) -> str:
        return self.text


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of one endpoint; times in seconds."""

    timeout: Annotated[float, Meta(ge=0.2, le=60, description="Wait for an answer.")] = 4.0
    period: Annotated[Seconds, Meta(description="Publishing, where nothing else says.")] = 1.0
    queue: Annotated[
        int, Meta(ge=1, le=10_000, description="Values kept per node between two publishes.")
    ] = 100
    batch: Annotated[int, Meta(ge=1, le=10_000, description="Nodes per call.")] = 500
    watchdog: Annotated[
        float, Meta(ge=0.2, le=600, description="Between two looks at the server's state.")
    ] = 5.0
    keepalive: Annotated[
        float, Meta(ge=0.2, le=600, description="Sign of life of an idle subscription.")
    ] = 10.0
    retry_bad: Annotated[
        float, Meta(ge=0.05, description="Until refused nodes are tried again.")
    ] = 600.0


class DeviceAddress(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device: how its session is secured, and how it is watched."""

    security: Security = "None"
    period: Seconds | None = None
    mode: Literal["subscribe", "poll"] = "subscribe"


class PointAddress(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A point: a variable; or, with `object`, a method of that object to be called."""

    node: str
    object: str | None = None
    period: Seconds | None = None
    sampling: Seconds | None = None
    queue: Annotated[int, Meta(ge=1, le=10_000)] | None = None


class Slot(Struct, frozen=True, kw_only=True):
    """One point as it is watched, written or called."""

    device: str
    point: str
    node: NodeRef
    object: NodeRef | None
    period: float
    sampling: float
    queue: int
    poll: bool
    form: Form
    writable: bool


def parse_node(text: str) -> NodeRef:
    """Read a node id; namespaces are named by URI, for indexes change with every restart.

    Raises:
        ValueError: it is no node id, or one by namespace index.
    """
    match = _NODE.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no node id")
    uri, index, kind, name = match.groups()
    if index and int(index):
        raise ValueError(f"{text!r} names its namespace by index, which servers renumber")
    return NodeRef(uri or "", _identifier(kind, name), text)


def _identifier(kind: str, name: str) -> int | str | bytes | UUID:
    if kind == "s":
        return name
    if kind == "g":
        return UUID(name)
    if kind == "b":
        try:
            return base64.b64decode(name, validate=True)
        except binascii.Error as error:
            raise ValueError(f"{name!r} is not base64: {error}") from error
    if not name.isascii() or not name.isdigit() or int(name) >= 2**32:
        raise ValueError(f"{name!r} is no number of 32 bits")
    return int(name)


def check_endpoint(url: str) -> list[Fault]:
    """Return what is wrong with an endpoint's URL."""
    where = "link.endpoint"
    expected = "opc.tcp://host:4840/path"
    parts = urlsplit(url)
    try:
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        port_ok = False
    if parts.scheme != "opc.tcp" or not parts.hostname or not port_ok:
        return [Fault(where=where, message=f"{url!r} is no OPC UA URL", expected=expected)]
    if parts.username is not None:
        message = "holds a user: name a credential in link.credential instead"
        return [Fault(where=where, message=message, expected=expected)]
    return []


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
    yield from check_endpoint(link.endpoint)
    faults = mistakes(DeviceAddress, link.address, "link.address")
    yield from faults
    if not faults and security_of(device) != "None" and link.credential is None:
        yield Fault(
            where="link.credential",
            message="signing needs a certificate",
            expected="a credential with cert_file and key_file",
        )
    for point in device.points:
        yield from _check_point(point)


def _check_point(point: Point) -> Iterable[Fault]:
    where = f"points[{point.name}]"
    faults = mistakes(PointAddress, point.address, f"{where}.address")
    yield from faults
    for name in ("node", "object"):
        text = point.address.get(name)
        if isinstance(text, str):
            try:
                parse_node(text)
            except ValueError as error:
                yield Fault(
                    where=f"{where}.address.{name}", message=str(error), expected=_NODE_FORMS
                )
    if point.scale == 0:
        yield Fault(where=f"{where}.scale", message="zero would erase every value")
    if point.type is ValueType.INT and not (
        float(point.scale).is_integer() and float(point.offset).is_integer()
    ):
        yield Fault(
            where=f"{where}.type",
            message=f"scale {point.scale:g} and offset {point.offset:g} give fractions",
            expected="a point of type float",
        )


def security_of(device: Device) -> str:
    """Return the security a device asks for; `None` where its address is wrong."""
    asked = device.link.address.get("security", "None") if device.link else "None"
    return asked if isinstance(asked, str) else "None"


def slots_of(device: Device, settings: Settings) -> list[Slot]:
    """Compile a device's points; those with mistakes are left out (`check_device` names them)."""
    link = device.link
    if link is None or mistakes(DeviceAddress, link.address, ""):
        return []
    own = msgspec.convert(link.address, DeviceAddress)
    slots = []
    for point in device.points:
        if any(_check_point(point)):
            continue
        address = msgspec.convert(point.address, PointAddress)
        period = address.period or own.period or point.cadence or settings.period
        slots.append(
            Slot(
                device=device.id,
                point=point.name,
                node=parse_node(address.node),
                object=parse_node(address.object) if address.object else None,
                period=period,
                sampling=address.sampling or period,
                queue=address.queue or settings.queue,
                poll=own.mode == "poll",
                form=Form(
                    value=point.type,
                    scale=point.scale,
                    offset=point.offset,
                    deadband=point.deadband,
                ),
                writable=point.writable,
            )
        )
    return slots
