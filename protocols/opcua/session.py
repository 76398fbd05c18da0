"""One OPC UA session: the services the adapter needs, in the house's terms."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes, get_name_and_doc
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from msgspec import Struct

from protocols.adapter import Credential, LinkLost, Refused
from protocols.opcua.address import NodeRef, Settings
from protocols.opcua.trust import secure

_T = TypeVar("_T")
_R = TypeVar("_R")

_SESSION_TIMEOUT: Final = 60_000
_LIFETIME: Final = 300.0
"""Seconds that a subscription outlives our silence, as while the house cannot commit."""
_CLOSING: Final = 2.0
_new_id: Any = ua.NodeId
_NAMESPACES: Final[ua.NodeId] = _new_id(ObjectIds.Server_NamespaceArray)
_ADMISSION: Final = {
    StatusCodes.BadUserAccessDenied: "the server refuses the user: check the credential",
    StatusCodes.BadIdentityTokenRejected: "the server refuses the user: check the credential",
    StatusCodes.BadIdentityTokenInvalid: (
        "the server takes no such login: give a credential with user and password, or none"
    ),
    StatusCodes.BadCertificateUntrusted: (
        "the server does not trust our certificate: accept it there"
    ),
    StatusCodes.BadSecurityChecksFailed: (
        "the server rejects our certificate: accept it there, and check its dates and URI"
    ),
    StatusCodes.BadCertificateUriInvalid: "our certificate names another application URI",
    StatusCodes.BadCertificateTimeInvalid: "our certificate's dates are wrong",
    StatusCodes.BadCertificateInvalid: "the server cannot use our certificate",
    StatusCodes.BadSecurityPolicyRejected: (
        "the server refuses this security: set link.address.security to one it offers"
    ),
    StatusCodes.BadSecurityModeRejected: (
        "the server refuses this security: set link.address.security to one it offers"
    ),
}
_TOO_MUCH: Final = (
    StatusCodes.BadTooManyOperations,
    StatusCodes.BadRequestTooLarge,
    StatusCodes.BadResponseTooLarge,
    StatusCodes.BadEncodingLimitsExceeded,
)
_GONE: Final = (
    StatusCodes.BadSessionIdInvalid,
    StatusCodes.BadSessionClosed,
    StatusCodes.BadSecureChannelClosed,
    StatusCodes.BadSecureChannelIdInvalid,
    StatusCodes.BadServerHalted,
    StatusCodes.BadShutdown,
    StatusCodes.BadConnectionClosed,
    StatusCodes.BadCommunicationError,
)


class Declined(Exception):
    """The server declined a service; the session stands."""

    def __init__(self, code: int) -> None:
        super().__init__(status_words(code))
        self.code = code


class UnknownNamespace(Exception):
    """The server has no namespace of this URI."""


class Created(Struct, frozen=True):
    """A subscription as the server granted it; times in seconds."""

    id: int
    interval: float
    silence: float


class Item(Struct, frozen=True):
    """What to monitor: times in seconds, `deadband` None for no filter."""

    node: ua.NodeId
    handle: int
    sampling: float
    queue: int
    deadband: float | None


def status_words(code: int) -> str:
    """Say a status code: its name and what the standard says of it."""
    name, doc = get_name_and_doc(code & 0xFFFF_0000)
    return f"{name} ({doc.rstrip('.')})" if doc else name


def status_name(code: int) -> str:
    """Return a status code's name."""
    return get_name_and_doc(code & 0xFFFF_0000)[0]


async def heeding(call: Awaitable[_T]) -> _T:
    """Await `call`, and be cancelled even where Python 3.11's `wait_for` swallows it."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    result = await call
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
    return result


class Session:
    """A secured, logged-in conversation with a server; made anew for each connection."""

    def __init__(
        self, url: str, node: str, settings: Settings, credential: Credential | None
    ) -> None:
        self._url = url
        self._settings = settings
        self._credential = credential
        self._client = Client(url, settings.timeout, watchdog_intervall=settings.watchdog)
        self._client.name = self._client.description = f"Ganzhi {node}"
        self._client.application_uri = f"urn:ganzhi:{node}"
        self._client.product_uri = "urn:ganzhi"
        self._client.session_timeout = _SESSION_TIMEOUT
        self._client.connection_lost_callback = self._on_loss
        self._lost = asyncio.Event()
        self._spaces: dict[str, int] = {"": 0}
        self._batch = settings.batch

    async def open(self, security: str) -> None:
        """Connect, secure, log in and learn the namespaces.

        Raises:
            LinkLost: the server is not there.
            Refused: it will not have us.
        """
        credential = self._credential
        host = urlsplit(self._url).hostname or ""
        if credential and credential.hosts and host not in credential.hosts:
            raise Refused(f"the credential may not be sent to {host}: add it to its hosts")
        if credential and credential.username:
            self._client.set_user(credential.username)
            self._client.set_password(credential.password)
        try:
            async with self._translated(), asyncio.timeout(3 * self._settings.timeout):
                if security != "None":
                    await heeding(secure(self._client, security, credential))
                await heeding(self._client.connect())
            await self.learn_namespaces()
        except Declined as error:
            if error.code in _ADMISSION:
                raise Refused(f"{_ADMISSION[error.code]} ({error})") from error
            raise LinkLost(f"the server does not open a session: {error}") from error

    async def close(self) -> None:
        """End the session politely if the server still listens; never raises."""
        try:
            with contextlib.suppress(TimeoutError, OSError, UaError):
                async with asyncio.timeout(_CLOSING):
                    await self._client.disconnect()
        finally:
            self._client.disconnect_socket()

    async def _on_loss(self, _error: Exception) -> None:
        self._lost.set()

    async def lost(self) -> None:
        """Wait for the connection to break; the server's state is read now and then to see.

        Raises:
            LinkLost: it broke.
        """
        await self._lost.wait()
        raise LinkLost(f"{self._url} is gone: the connection broke or the server does not answer")

    @contextlib.asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            yield
        except UaStatusCodeError as error:
            if error.code in _GONE:
                raise LinkLost(
                    f"the server ended the session: {status_words(error.code)}"
                ) from error
            raise Declined(error.code) from error
        except TimeoutError as error:
            raise LinkLost(f"{self._url} does not answer in time") from error
        except OSError as error:
            raise LinkLost(f"no connection to {self._url}: {error}") from error
        except UaError as error:
            raise LinkLost(f"{self._url} cannot be understood: {error}") from error

    async def _call(self, call: Awaitable[_T]) -> _T:
        async with self._translated():
            return await heeding(call)

    # -- nodes -----------------------------------------------------------------------------

    async def learn_namespaces(self) -> None:
        """Ask the server which namespaces it has now."""
        (value,) = await self.read([_NAMESPACES])
        uris = value.Value.Value if value.Value is not None else None
        for index, uri in enumerate(uris or ()):
            self._spaces[str(uri)] = index
        self._spaces[""] = 0

    def node_id(self, ref: NodeRef) -> ua.NodeId:
        """Resolve a node's namespace.

        Raises:
            UnknownNamespace: the server does not have it.
        """
        index = self._spaces.get(ref.uri)
        if index is None:
            known = ", ".join(uri for uri in self._spaces if uri)
            raise UnknownNamespace(f"the server has no namespace {ref.uri}; it has {known}")
        node: ua.NodeId = _new_id(ref.identifier, index)
        return node

    async def read(
        self, nodes: Sequence[ua.NodeId], attribute: AttributeIds = AttributeIds.Value
    ) -> list[ua.DataValue]:
        """Read an attribute of many nodes, in as few calls as the server takes."""

        async def part(some: Sequence[ua.NodeId]) -> list[ua.DataValue]:
            wanted = [ua.ReadValueId(NodeId=node, AttributeId=attribute) for node in some]
            parameters = ua.ReadParameters(
                TimestampsToReturn=ua.TimestampsToReturn.Both, NodesToRead=wanted
            )
            return await self._client.uaclient.session.read(parameters)

        return await self._in_parts(nodes, part)

    async def write(self, node: ua.NodeId, value: ua.Variant) -> int:
        """Write a node's value, without status and timestamps; return the status code."""
        data = ua.DataValue(value, StatusCode=None)
        wish = ua.WriteValue(NodeId=node, AttributeId=AttributeIds.Value, Value=data)
        parameters = ua.WriteParameters(NodesToWrite=[wish])
        (status,) = await self._call(self._client.uaclient.session.write(parameters))
        return int(status.value)

    async def call(
        self, target: ua.NodeId, method: ua.NodeId, inputs: list[ua.Variant]
    ) -> ua.CallMethodResult:
        """Call a method of an object."""
        request = ua.CallMethodRequest(ObjectId=target, MethodId=method, InputArguments=inputs)
        (result,) = await self._call(self._client.uaclient.session.call([request]))
        return result

    async def inputs_of(self, method: ua.NodeId) -> list[ua.Argument]:
        """Return the arguments a method takes."""
        node = self._client.get_node(method)
        try:
            found = await self._call(node.get_child("0:InputArguments"))
            return list(await self._call(found.read_value()) or ())
        except Declined as error:
            if error.code == StatusCodes.BadNoMatch:
                return []
            raise

    # -- subscriptions ---------------------------------------------------------------------

    async def subscribe(
        self, period: float, heard: Callable[[ua.PublishResult], Awaitable[None]]
    ) -> Created:
        """Create a subscription; `heard` is awaited for each publish before the next is asked for.

        Raises:
            Declined: the server gives none.
        """
        alive = max(1, round(self._settings.keepalive / period))
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=period * 1000,
            RequestedLifetimeCount=max(3 * alive, round(_LIFETIME / period)),
            RequestedMaxKeepAliveCount=alive,
            MaxNotificationsPerPublish=0,
            PublishingEnabled=True,
        )
        made = await self._call(
            self._client.uaclient.session.create_subscription(parameters, heard)
        )
        interval = made.RevisedPublishingInterval / 1000
        return Created(
            int(made.SubscriptionId), interval, interval * (made.RevisedMaxKeepAliveCount + 1)
        )

    async def unsubscribe(self, subscription: int) -> None:
        """Delete a subscription."""
        await self._call(self._client.uaclient.session.delete_subscriptions([subscription]))

    async def monitor(
        self, subscription: int, items: Sequence[Item]
    ) -> list[ua.MonitoredItemCreateResult]:
        """Add items to a subscription; each gets a result of its own."""

        async def part(some: Sequence[Item]) -> list[ua.MonitoredItemCreateResult]:
            parameters = ua.CreateMonitoredItemsParameters(
                SubscriptionId=subscription,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[_wish(item) for item in some],
            )
            return await self._client.uaclient.session.create_monitored_items(parameters)

        return await self._in_parts(items, part)

    async def forget(self, subscription: int, items: Sequence[int]) -> None:
        """Remove items from a subscription."""

        async def part(some: Sequence[int]) -> list[ua.StatusCode]:
            parameters = ua.DeleteMonitoredItemsParameters(
                SubscriptionId=subscription, MonitoredItemIds=list(some)
            )
            return await self._client.uaclient.session.delete_monitored_items(parameters)

        await self._in_parts(items, part)

    async def _in_parts(
        self, things: Sequence[_T], part: Callable[[Sequence[_T]], Awaitable[list[_R]]]
    ) -> list[_R]:
        """Do a call in batches, smaller ones when the server says that it is too much."""
        results: list[_R] = []
        while len(results) < len(things):
            some = things[len(results) : len(results) + self._batch]
            try:
                answer = await self._call(part(some))
            except Declined as error:
                if error.code not in _TOO_MUCH or len(some) == 1:
                    raise
                self._batch = max(1, len(some) // 2)
                continue
            if len(answer) != len(some):
                raise LinkLost(f"{self._url} answers {len(answer)} of {len(some)} questions")
            results.extend(answer)
        return results


def _wish(item: Item) -> ua.MonitoredItemCreateRequest:
    chosen: Any = None
    if item.deadband is not None:
        chosen = ua.DataChangeFilter(
            Trigger=ua.DataChangeTrigger.StatusValue,
            DeadbandType=int(ua.DeadbandType.Absolute),
            DeadbandValue=item.deadband,
        )
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=item.node, AttributeId=AttributeIds.Value),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=item.handle,
            SamplingInterval=item.sampling * 1000,
            Filter=chosen,
            QueueSize=item.queue,
            DiscardOldest=True,
        ),
    )
