"""MQTT addresses as the registry holds them: endpoint, topic templates, JSON pointers."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from registry.model import Device, Fault, Point, Scalar, ValueType, local_part

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_TOPICS: Final = ("topic", "command_topic", "reply_topic", "status_topic")
_TEMPLATE: Final = "a topic such as city/{local}/telemetry, with {local} or {id}, without + or #"
_StructT = TypeVar("_StructT", bound=Struct)


class TimeFormat(StrEnum):
    """How a payload writes its time: text, or a number of units since 1970 UTC."""

    RFC3339 = "rfc3339"
    S = "s"
    MS = "ms"
    NS = "ns"


class LinkAddress(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`link.address` of a device: topic templates, and where the payload keeps its time."""

    topic: str = ""
    command_topic: str = ""
    reply_topic: str = ""
    status_topic: str = ""
    time: str | None = None
    time_format: TimeFormat = TimeFormat.RFC3339


class PointAddress(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`address` of a point: a JSON pointer into the payload, `/<point name>` if not given."""

    pointer: str | None = None


class Endpoint(NamedTuple):
    """Where a broker listens."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_endpoint(url: str) -> Endpoint:
    """Read `mqtt://host[:port]` or `mqtts://host[:port]`.

    Raises:
        ValueError: the text says what is wrong with the URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError(f"scheme {parts.scheme!r} is neither mqtt nor mqtts")
    if not parts.hostname:
        raise ValueError("the host is missing")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a login does not belong in the URL; name a credential instead")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("nothing may follow the port")
    return Endpoint(parts.hostname, parts.port or _PORTS[parts.scheme], parts.scheme == "mqtts")


def expand(template: str, device: str) -> str:
    """Return the topic of one device."""
    return template.replace("{local}", local_part(device)).replace("{id}", device)


def topic_filter(template: str) -> str:
    """Return the one subscription that covers all devices of a template."""
    levels = template.split("/")
    return "/".join("+" if "{" in level else level for level in levels)


def pointer_keys(pointer: str) -> tuple[str, ...]:
    """Split a JSON pointer (RFC 6901); the empty one means the whole payload.

    Raises:
        ValueError: it is no JSON pointer.
    """
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise ValueError("a JSON pointer starts with /")
    if "~" in pointer.replace("~0", "").replace("~1", ""):
        raise ValueError("~ is written ~0 and / is written ~1")
    return tuple(k.replace("~1", "/").replace("~0", "~") for k in pointer[1:].split("/"))


def point_pointer(point: Point) -> str:
    """Return the JSON pointer of a point."""
    pointer = point.address.get("pointer")
    return pointer if isinstance(pointer, str) else f"/{point.name}"


def read_link(device: Device) -> tuple[LinkAddress, list[Fault]]:
    """Read the link's address and all point addresses; where something is wrong, a default.

    Every mistake is reported; with none, the device can be served.
    """
    if device.link is None:
        return LinkAddress(), [Fault(where="link", message="is missing", expected="an MQTT link")]
    faults: list[Fault] = []
    address = _convert(device.link.address, LinkAddress, "link.address", faults)
    try:
        parse_endpoint(device.link.endpoint)
    except ValueError as error:
        faults.append(
            Fault(
                where="link.endpoint", message=str(error), expected="mqtt://host:1883 or mqtts://"
            )
        )
    faults += _topic_faults(address, device)
    faults += _pointer_faults(address.time or "", "link.address.time")
    for point in device.points:
        faults += _point_faults(point)
    return address, faults


def _convert(
    given: Mapping[str, Scalar], kind: type[_StructT], where: str, faults: list[Fault]
) -> _StructT:
    """Convert field by field, so that one wrong field does not hide another."""
    types = get_type_hints(kind)
    good: dict[str, Any] = {}
    for key, value in given.items():
        if key not in types:
            faults.append(
                Fault(where=f"{where}.{key}", message="is unknown", expected=", ".join(types))
            )
            continue
        try:
            good[key] = msgspec.convert(value, types[key], strict=True)
        except msgspec.ValidationError as error:
            faults.append(Fault(where=f"{where}.{key}", message=str(error)))
    return kind(**good)


def _topic_faults(address: LinkAddress, device: Device) -> Iterator[Fault]:
    if device.points and not address.topic:
        yield Fault(where="link.address.topic", message="is missing", expected=_TEMPLATE)
    if address.reply_topic and not address.command_topic:
        yield Fault(
            where="link.address.command_topic",
            message="is missing, but there is a reply_topic",
            expected=_TEMPLATE,
        )
    for name in _TOPICS:
        template: str = getattr(address, name)
        wrong = _template_error(template, device.id) if template else ""
        if wrong:
            yield Fault(where=f"link.address.{name}", message=wrong, expected=_TEMPLATE)


def _template_error(template: str, device: str) -> str:
    topic = expand(template, device)
    if any(c in topic for c in "+#{}\0"):
        return f"{template!r} holds a character or a {{name}} that a topic template cannot hold"
    if any(0xD800 <= ord(c) <= 0xDFFF for c in topic) or len(topic.encode()) > 65_535:
        return "is too long, or no valid text"
    return ""


def _pointer_faults(pointer: str, where: str) -> Iterator[Fault]:
    try:
        pointer_keys(pointer)
    except ValueError as error:
        yield Fault(where=where, message=f"{pointer!r}: {error}", expected="e.g. /level or /a/b")


def _point_faults(point: Point) -> list[Fault]:
    where = f"points[{point.name}]"
    faults: list[Fault] = []
    _convert(point.address, PointAddress, f"{where}.address", faults)
    faults += _pointer_faults(point_pointer(point), f"{where}.address.pointer")
    if point.scale == 0:
        faults.append(Fault(where=f"{where}.scale", message="is 0", expected="another number"))
    plain = point.scale == 1 and point.offset == 0
    whole = float(point.scale).is_integer() and float(point.offset).is_integer()
    if point.type is ValueType.INT and not whole:
        faults.append(
            Fault(
                where=f"{where}.scale",
                message="an int point with a scale or offset that is not whole",
                expected="whole numbers, or type float",
            )
        )
    if point.type in (ValueType.BOOL, ValueType.STR) and not plain:
        faults.append(
            Fault(
                where=f"{where}.scale",
                message=f"a {point.type.value} cannot be scaled",
                expected="no scale and no offset",
            )
        )
    return faults
