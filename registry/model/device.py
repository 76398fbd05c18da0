"""The device: one thing that senses or acts, however it is reached."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from registry.model.area import AreaCode
from registry.model.ids import DeviceId, NodeName
from registry.model.place import Place
from registry.model.point import Point, Scalar


class DeviceKind(StrEnum):
    CAMERA = "camera"
    SENSOR = "sensor"
    METER = "meter"
    ALARM_INPUT = "alarm_input"
    ACTUATOR = "actuator"
    GATEWAY = "gateway"
    PLATFORM = "platform"


class Sensing(StrEnum):
    """How a device senses: 固定, 移动, 被动, 主动感知."""

    FIXED = "fixed"
    MOBILE = "mobile"
    PASSIVE = "passive"
    ACTIVE = "active"


class Lifecycle(StrEnum):
    PLANNED = "planned"
    INSTALLED = "installed"
    ACTIVE = "active"
    MAINTENANCE = "maintenance"
    RETIRED = "retired"


class Capability(StrEnum):
    VIDEO = "video"
    PTZ = "ptz"
    TALK = "talk"
    OBSERVE = "observe"
    COMMAND = "command"


class Link(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a device is reached: an endpoint shared with others, and its address there.

    Only the device's home dials it; everywhere else a link is display data.
    `credential` is the name of an entry of the node's configuration, never the secret.
    """

    protocol: Annotated[str, Meta(pattern=r"^[a-z0-9]{1,24}$")]
    endpoint: Annotated[
        str, Meta(max_length=512, description="URL, e.g. modbus+tcp://10.0.0.5:502")
    ]
    address: dict[str, Scalar] = {}
    credential: str | None = None
    profile: str | None = None


class Device(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One device as every tier knows it; `home` is the node that owns its link."""

    id: DeviceId
    home: NodeName
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    kind: DeviceKind
    sensing: Sensing = Sensing.FIXED
    category: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9_]{0,32}$",
            description="water, gas, tilt, meter, fire, rain ...",
        ),
    ] = ""
    codes: dict[str, str] = {}
    link: Link | None = None
    place: Place | None = None
    area: AreaCode | None = None
    owner: str = ""
    tags: tuple[str, ...] = ()
    key_point: Annotated[bool, Meta(description="重点监测点位")] = False
    lifecycle: Lifecycle = Lifecycle.ACTIVE
    parent: DeviceId | None = None
    maker: str = ""
    model: str = ""
    capabilities: tuple[Capability, ...] = (Capability.OBSERVE,)
    points: tuple[Point, ...] = ()

    def point(self, name: str) -> Point | None:
        """Return the point called `name`, or None."""
        return next((p for p in self.points if p.name == name), None)


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What like devices share, so that a row of a table is enough to add one more."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    kind: DeviceKind = DeviceKind.SENSOR
    sensing: Sensing = Sensing.FIXED
    category: str = ""
    maker: str = ""
    model: str = ""
    capabilities: tuple[Capability, ...] = (Capability.OBSERVE,)
    address: dict[str, Scalar] = {}
    points: tuple[Point, ...] = ()
