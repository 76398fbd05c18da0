"""The door: what every source of events looks like to the house."""

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from typing import Annotated, Protocol, runtime_checkable

from msgspec import Meta, Struct

from registry.model import Command, Device, Event, Fault, Outcome

Emit = Callable[[Sequence[Event]], Awaitable[None]]
"""Returns once the batch is committed: awaiting it is the back-pressure; several may be at once."""

Dispatch = Callable[[Command], Awaitable[Outcome]]


class LinkLost(Exception):
    """The peer is gone or was never there: the supervisor retries with jittered back-off."""


class Refused(Exception):
    """The peer said no (credentials, certificate, version): retrying soon is pointless.

    The supervisor parks the endpoint, shows the text to the operator, and tries again when
    the configuration or the endpoint's devices change, or after a long pause.
    """


class DeviceFeed(Protocol):
    """The devices of one endpoint: now, and whenever they change."""

    def take(self) -> Mapping[str, Device]:
        """Return all devices of the endpoint by id, and consider them seen."""
        ...

    async def changed(self) -> None:
        """Return when the devices differ from what `take` last returned."""
        ...


@runtime_checkable
class Adapter(Protocol):
    """One conversation with one endpoint: a broker, a server, a bus, a camera, a lower tier."""

    async def run(self, devices: DeviceFeed, emit: Emit) -> None:
        """Converse until cancelled.

        Raises:
            LinkLost: the peer is gone; run will be called again.
            Refused: the peer will not have us; run is called again much later.
        """
        ...


@runtime_checkable
class Commandable(Protocol):
    """An adapter that can pass orders on."""

    async def command(self, order: Command) -> Outcome:
        """Carry out `order`; without a live link return `not_connected` at once, never raise."""
        ...


@runtime_checkable
class Discoverable(Protocol):
    """An adapter that can look for devices."""

    def discover(self) -> AsyncIterator[Device]: ...


class Credential(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A secret and the hosts it may be sent to; its repr never shows the secret."""

    username: Annotated[str, Meta(description="Name to sign in with.")] = ""
    password: Annotated[str, Meta(description="Secret; write `file:PATH` or `${NAME}`.")] = ""
    hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="The only hosts it may be sent to. A device's link needs its host here; "
            "empty: only the broker of `upper` or `lower`."
        ),
    ] = ()
    ca_file: Annotated[
        str | None, Meta(description="PEM file of the authority that signs the peer.")
    ] = None
    cert_file: Annotated[str | None, Meta(description="PEM file of our certificate.")] = None
    key_file: Annotated[str | None, Meta(description="PEM file of its private key.")] = None

    def __repr__(self) -> str:
        return f"Credential(username={self.username!r}, hosts={self.hosts!r})"


class Context(Struct, frozen=True, kw_only=True):
    """What the house hands to an adapter when it is made."""

    node: str
    endpoint: str
    credential: Credential | None
    now: Callable[[], int]
    settings: Mapping[str, object] = {}
    connected: Callable[[], None] = lambda: None
    """To be called each time the link is up: resets the back-off and marks the endpoint healthy."""


class ProtocolModule(Protocol):
    """What a protocol folder offers in its `__init__`: cheap to import, no library loaded."""

    def check(self, device: Device) -> Iterable[Fault]:
        """Return every mistake in the device's link and point addresses, without any I/O."""
        ...

    def open(self, context: Context) -> Adapter:
        """Make the adapter for one endpoint; here the protocol's library may be imported.

        Raises:
            Faulty: the endpoint's URL or settings cannot be used.
        """
        ...
