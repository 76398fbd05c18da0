"""The `api` section of the configuration."""

from ipaddress import ip_address
from typing import Annotated

from msgspec import Meta, Struct


class ApiSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the API and the screen are served, and who may use them."""

    bind: Annotated[
        str,
        Meta(
            description="Address to listen on. Anything but a loopback address demands a token.",
            examples=["127.0.0.1", "::1"],
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0 takes a free one.")] = 8080
    open_on_loopback: Annotated[
        bool,
        Meta(
            description="On a loopback address, let everybody on this computer in without a token."
        ),
    ] = True
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Further names under which browsers reach this node, without port,"
            " e.g. behind a reverse proxy.",
            examples=[["ganzhi.example.org"]],
        ),
    ] = ()
    read_only_tokens: Annotated[
        tuple[str, ...],
        Meta(description="Names of tokens that may look but change nothing, e.g. of wall screens."),
    ] = ()
    session_hours: Annotated[
        float, Meta(gt=0, le=24 * 366, description="Hours a signed-in browser stays signed in.")
    ] = 12.0
    login_attempts: Annotated[
        int, Meta(ge=1, description="Wrong tokens an address may try within a minute.")
    ] = 10
    max_body: Annotated[
        int, Meta(ge=1024, description="Largest request body that is read, in bytes.")
    ] = 1_048_576
    max_streams: Annotated[
        int, Meta(ge=1, description="Screens that may follow live changes at the same time.")
    ] = 200
    certificate: Annotated[
        str | None, Meta(description="PEM file of the TLS certificate chain; turns HTTPS on.")
    ] = None
    key: Annotated[str | None, Meta(description="PEM file of the certificate's private key.")] = (
        None
    )
    map: Annotated[
        str | None,
        Meta(description="Folder with map.json and the files it names; without it a blank map."),
    ] = None

    @property
    def loopback(self) -> bool:
        """Whether only this computer can reach the listener."""
        if self.bind == "localhost":
            return True
        try:
            return ip_address(self.bind.strip("[]")).is_loopback
        except ValueError:
            return False

    @property
    def token_required(self) -> bool:
        """Whether a request needs a token or a session."""
        return not (self.loopback and self.open_on_loopback)
