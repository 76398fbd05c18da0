"""A scenario: the devices that are played, what they measure and what goes wrong."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

from registry.model import (
    DeviceKind,
    Severity,
    ThresholdRule,
    ValueRange,
    ValueType,
)
from registry.model.area import AreaCode
from registry.model.ids import NodeName
from registry.model.place import Latitude, Longitude
from registry.model.point import PointName
from simulators.incidents import Incident
from simulators.registers import RawType, WordOrder
from simulators.signals import Shape

Local = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,40}$")]
Port = Annotated[int, Meta(ge=0, le=65535, description="0 takes a free one.")]
Seconds = Annotated[float, Meta(ge=0.1, le=86400)]
Web = Annotated[str, Meta(pattern=r"^https?://[^/ ]+$", description="http://host:port")]


class MqttPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The broker that a node's MQTT sensors publish to; `credential` is the node's name for it."""

    host: str = "127.0.0.1"
    port: Port = 1883
    credential: str = "broker"
    username: str = "sensors"
    topic: Annotated[str, Meta(pattern=r"\{local\}")] = "site/{local}"


class ModbusPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the Modbus TCP server listens; `dead` says how it answers for a dead unit."""

    host: str = "127.0.0.1"
    port: Port = 15020
    dead: Literal["exception", "silence"] = "exception"


class OpcuaPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the OPC UA server listens, and the namespace its nodes are in."""

    host: str = "127.0.0.1"
    port: Port = 14840
    path: Annotated[str, Meta(pattern=r"^/[A-Za-z0-9/_-]*$")] = "/ganzhi"
    namespace: str = "urn:ganzhi:simulators"


class NodePlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Ganzhi node that devices of the scenario call home; `api` is where it takes reports."""

    name: NodeName
    title: str = ""
    title_en: str = ""
    api: Web | None = None
    mqtt: MqttPlan | None = None
    modbus: ModbusPlan | None = None
    opcua: OpcuaPlan | None = None


class RawPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How Modbus carries a point: raw = (value - offset) / scale in registers of `type`."""

    type: RawType | None = None
    order: WordOrder = WordOrder.ABCD
    scale: float = 1.0
    offset: float = 0.0


class PointPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One series of a profile; `writable` ones keep what was written last."""

    name: PointName
    title: str
    signal: Shape
    type: ValueType = ValueType.FLOAT
    unit: str = ""
    range: ValueRange | None = None
    deadband: Annotated[float, Meta(ge=0)] = 0.0
    writable: bool = False
    raw: RawPlan = RawPlan()


class ProfilePlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What like devices share; `every` is the seconds between two readings."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    title: str
    kind: DeviceKind
    category: Annotated[str, Meta(pattern=r"^[a-z0-9_]{0,32}$")]
    points: list[PointPlan]
    every: Seconds = 5.0
    maker: str = "Ganzhi"
    model: str = "simulated"


class Spot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place in WGS 84."""

    lon: Longitude
    lat: Latitude


Near = Literal["seat", "river", "road", "anywhere"]


class Wire(StrEnum):
    """The protocols that groups of devices may speak."""

    MQTT = "mqtt"
    MODBUS = "modbus"
    OPCUA = "opcua"


class Group(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`count` like devices in each of `areas` (or around `place`), named `<name>-<city>-<n>`.

    `spread` is in kilometres around the seat of a county or around `place`; the first
    `key_points` of each area are key monitoring points.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,24}$")]
    node: NodeName
    protocol: Wire
    profile: str
    count: Annotated[int, Meta(ge=1, le=500)] = 1
    areas: list[AreaCode] = []
    place: Spot | None = None
    near: Near = "seat"
    spread: Annotated[float, Meta(gt=0, le=200)] = 6.0
    key_points: Annotated[int, Meta(ge=0)] = 0
    tags: list[str] = []


class MobilePlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sensor on MQTT that drives to and fro on the longest road of an area."""

    local: Local
    name: str
    node: NodeName
    profile: str
    area: AreaCode
    speed_kmh: Annotated[float, Meta(gt=0, le=2000)] = 60.0
    tags: list[str] = []


class CitizenPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """People who report by HTTP: the `texts` in turn, from places around the seats of an area."""

    local: Local
    name: str
    node: NodeName
    area: AreaCode
    texts: Annotated[list[str], Meta(min_length=1)]
    at: Annotated[float, Meta(ge=0)] = 10.0
    every: Seconds = 60.0
    severity: Severity = Severity.NOTICE


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything in one file."""

    title: str
    seed: int
    nodes: list[NodePlan]
    profiles: list[ProfilePlan] = []
    groups: list[Group] = []
    mobile: MobilePlan | None = None
    citizens: CitizenPlan | None = None
    incidents: list[Incident] = []
    rules: list[ThresholdRule] = []

    def node(self, name: str) -> NodePlan | None:
        """Return the node called `name`, or None."""
        return next((node for node in self.nodes if node.name == name), None)

    def profile(self, name: str) -> ProfilePlan | None:
        """Return the profile called `name`, or None."""
        return next((profile for profile in self.profiles if profile.name == name), None)
