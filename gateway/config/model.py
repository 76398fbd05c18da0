"""Every setting of a node, typed, described and defaulted: the one configuration model."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from gateway.api.settings import ApiSettings
from gateway.broker.settings import BrokerSettings
from protocols.adapter import Credential
from registry.model.area import AreaCode
from registry.model.ids import NodeName


class Role(StrEnum):
    """What a node is for; the code is the same."""

    EDGE = "edge"
    CITY = "city"
    PROVINCE = "province"


class NodeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who this node is."""

    name: Annotated[NodeName, Meta(description="Name of the node, unique in the province.")]
    role: Annotated[Role, Meta(description="edge, city or province.")]
    title: Annotated[str, Meta(description="What the screen calls it, in Chinese.")] = ""
    title_en: Annotated[str, Meta(description="What the screen calls it, in English.")] = ""


class DataSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where things are kept, how much and how long."""

    folder: Annotated[
        str,
        Meta(description="Folder of main.db, history/, evidence/ and secrets/; default data/NAME."),
    ] = ""
    retention_days: Annotated[
        int, Meta(ge=1, le=3650, description="Days of history and of state changes that are kept.")
    ] = 30
    main_megabytes: Annotated[
        int, Meta(ge=16, description="Largest size of main.db; telemetry to be sent gets 80 %.")
    ] = 4096
    outbox_megabytes: Annotated[
        int, Meta(ge=4, description="Most that may wait to be sent to the upper tier.")
    ] = 1024


class UpperSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tier above: everything that happens here is told there."""

    name: Annotated[NodeName, Meta(description="Name of the upper node.")]
    url: Annotated[
        str,
        Meta(
            pattern=r"^mqtts?://", description="Broker of the upper tier, mqtts:// beyond one host."
        ),
    ]
    credential: Annotated[str, Meta(description="Entry of `credentials` to sign in with.")]


class LowerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node below, and what it may speak of."""

    name: Annotated[NodeName, Meta(description="Name of the lower node.")]
    nodes: Annotated[
        tuple[NodeName, ...], Meta(description="Nodes below it whose devices it may bring.")
    ] = ()
    areas: Annotated[
        tuple[AreaCode, ...],
        Meta(description="Areas its devices may lie in, with all below them; empty: any."),
    ] = ()


class LowerTier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tier below: the broker its nodes come to, and the nodes."""

    url: Annotated[
        str,
        Meta(description="Broker the lower nodes come to; empty: the node's own embedded broker."),
    ] = ""
    credential: Annotated[
        str | None, Meta(description="Entry of `credentials` for a broker that is not embedded.")
    ] = None
    nodes: Annotated[tuple[LowerSettings, ...], Meta(description="The lower nodes.")] = ()


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the node writes to standard error."""

    level: Annotated[LogLevel, Meta(description="debug, info, warning or error.")] = LogLevel.INFO
    json: Annotated[bool, Meta(description="One JSON object a line instead of text.")] = False


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node's configuration file, `ganzhi.yaml`."""

    node: Annotated[NodeSettings, Meta(description="Who this node is.")]
    data: Annotated[DataSettings, Meta(description="Where things are kept.")] = DataSettings()
    api: Annotated[ApiSettings, Meta(description="API and screen.")] = ApiSettings()
    broker: Annotated[
        BrokerSettings | None, Meta(description="Embedded MQTT broker; without it none runs.")
    ] = None
    upper: Annotated[UpperSettings | None, Meta(description="The tier above.")] = None
    lower: Annotated[LowerTier | None, Meta(description="The tier below.")] = None
    credentials: Annotated[
        dict[str, Credential], Meta(description="Secrets by name, as devices refer to them.")
    ] = {}
    log: Annotated[LogSettings, Meta(description="Logging.")] = LogSettings()
