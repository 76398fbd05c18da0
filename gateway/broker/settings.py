"""The `broker` section of the configuration."""

from typing import Annotated

from msgspec import Meta, Struct


class BrokerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The MQTT 3.1.1 broker inside the node; a login is needed on every address."""

    bind: Annotated[
        str, Meta(description="Address to listen on.", examples=["127.0.0.1", "::1"])
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0 takes a free one.")] = 1883
    password: Annotated[
        str,
        Meta(
            description="Password of the user `sensors`, as devices sign in; empty: one is made"
            " in secrets/broker-sensors. Write `file:PATH` or `${NAME}`."
        ),
    ] = ""
    certificate: Annotated[
        str | None, Meta(description="PEM file of the TLS certificate chain; turns MQTTS on.")
    ] = None
    key: Annotated[str | None, Meta(description="PEM file of the certificate's private key.")] = (
        None
    )
    max_connections: Annotated[
        int, Meta(ge=1, description="Clients that may be connected at the same time.")
    ] = 1_000
    max_packet: Annotated[
        int,
        Meta(
            ge=1_024,
            le=268_435_455,
            description="Largest packet that is taken, in bytes; a client that sends a larger one"
            " is cut off.",
        ),
    ] = 4_194_304
    max_queued: Annotated[
        int,
        Meta(
            ge=1,
            description="Messages kept for a client that is away or slow; then the oldest go.",
        ),
    ] = 10_000
    connect_timeout: Annotated[
        float, Meta(gt=0, description="Seconds a new connection has for its CONNECT.")
    ] = 10.0

    def __repr__(self) -> str:
        return f"BrokerSettings(bind={self.bind!r}, port={self.port})"

    @property
    def url(self) -> str:
        """Where a client on this computer finds the broker."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared, not bound
        host = everywhere.get(self.bind, f"[{self.bind}]" if ":" in self.bind else self.bind)
        return f"{'mqtts' if self.certificate else 'mqtt'}://{host}:{self.port}"
