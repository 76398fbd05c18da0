"""One broker: messages become events, acknowledged after the house has committed them."""

import asyncio
import logging
from hashlib import blake2b
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from protocols.adapter import Context, DeviceFeed, Emit, LinkLost
from protocols.mqtt.address import parse_endpoint
from protocols.mqtt.client import MqttClient, SubscriptionRefused
from protocols.mqtt.codec import Decoder
from protocols.mqtt.codec_routes import Routes
from protocols.mqtt.codec_value import Flaw
from protocols.mqtt.flight import Flight, first_end
from protocols.mqtt.orders import Orders
from registry.model import (
    Command,
    DeviceState,
    Event,
    Fault,
    Faulty,
    MisfitReason,
    Outcome,
    SessionStarted,
    StatusChange,
)

_log = logging.getLogger(__name__)

_CHUNK: Final = 2000


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of one broker's link."""

    keepalive: Annotated[float, Meta(gt=0, description="Seconds of silence allowed.")] = 30.0
    connect_timeout: Annotated[float, Meta(gt=0, description="Seconds.")] = 10.0
    payload_limit: Annotated[int, Meta(ge=1, description="Bytes of one payload.")] = 1024 * 1024
    receive_limit: Annotated[int, Meta(ge=1, description="Bytes waiting.")] = 2 * 1024 * 1024
    emits: Annotated[int, Meta(ge=1, le=16, description="Batches in flight to the disk.")] = 4


class MqttAdapter:
    """Adapter and Commandable for one MQTT broker.

    The session is kept by the broker (`clean_session` off) under a client id that is stable for
    node and endpoint: what is sent while the node is away waits there.
    """

    def __init__(self, context: Context) -> None:
        """Prepare.

        Raises:
            Faulty: the endpoint or a setting cannot be used.
        """
        try:
            parse_endpoint(context.endpoint)
        except ValueError as error:
            raise Faulty(
                [Fault(where="endpoint", message=str(error), expected="mqtt://host:1883")]
            ) from error
        try:
            self._settings = msgspec.convert(dict(context.settings), Settings)
        except msgspec.ValidationError as error:
            raise Faulty([Fault(where="settings", message=str(error))]) from error
        self._context = context
        digest = blake2b(context.endpoint.encode(), digest_size=6).hexdigest()
        self._client_id = f"ganzhi-{context.node}-{digest}"
        self._routes = Routes()
        self._decoder = Decoder(self._routes, source=self._client_id, endpoint=context.endpoint)
        self._orders = Orders(context.now)
        self._subscribed: set[str] = set()
        self._client: MqttClient | None = None

    async def run(self, devices: DeviceFeed, emit: Emit) -> None:
        """Converse until cancelled.

        Raises:
            LinkLost: the broker is gone.
            Refused: it does not accept the login.
        """
        settings = self._settings
        client = MqttClient(
            url=self._context.endpoint,
            client_id=self._client_id,
            credential=self._context.credential,
            clean_session=False,
            keepalive=settings.keepalive,
            receive_limit=settings.receive_limit,
            payload_limit=settings.payload_limit,
        )
        flight = Flight(client, emit, settings.emits)
        try:
            kept = await client.connect(settings.connect_timeout)
            if not kept:
                await emit([SessionStarted(source=self._client_id)])
            self._subscribed = set()
            await self._serve(client, devices, emit)
            self._client = client
            self._context.connected()
            await first_end(
                self._receive(client, flight), flight.settle(), self._follow(client, devices, emit)
            )
        except LinkLost:
            await flight.land()
            raise
        finally:
            self._client = None
            try:
                await client.close()
            finally:
                await flight.abandon()

    async def command(self, order: Command) -> Outcome:
        """Publish an order and wait for the device's reply; never raises."""
        return await self._orders.carry_out(order, self._routes.find(order.device), self._client)

    async def _follow(self, client: MqttClient, devices: DeviceFeed, emit: Emit) -> None:
        while True:
            await devices.changed()
            await self._serve(client, devices, emit)

    async def _serve(self, client: MqttClient, devices: DeviceFeed, emit: Emit) -> None:
        """Take the devices as they are now and bring the subscriptions in line."""
        for _ in self._routes.replace(devices.take()):
            await asyncio.sleep(0)
        events: list[Event] = [*self._misaddressed()]
        wanted = self._routes.filters
        gone, new = self._subscribed - wanted, wanted - self._subscribed
        if gone:
            await client.unsubscribe(sorted(gone))
        refused: tuple[str, ...] = ()
        if new:
            try:
                await client.subscribe([(f, 1) for f in sorted(new)])
            except SubscriptionRefused as error:
                refused = error.filters
                events += self._shut_out(error)
        self._subscribed = wanted - set(refused)
        if events:
            await emit(events)

    def _misaddressed(self) -> list[Event]:
        faults, self._routes.faults = self._routes.faults, []
        now = self._context.now()
        return [
            self._decoder.misfit(
                Flaw(MisfitReason.BAD_ADDRESS, str(fault)), "registry", b"", device, now
            )
            for device, fault in faults
        ]

    def _shut_out(self, error: SubscriptionRefused) -> list[Event]:
        now = self._context.now()
        return [
            StatusChange(
                device=device,
                state=DeviceState.OFFLINE,
                since=now,
                cause=str(error),
                source="mqtt",
            )
            for device in self._routes.users(error.filters)
        ]

    async def _receive(self, client: MqttClient, flight: Flight) -> None:
        """Decode what arrives and send it on its way, several batches at a time."""
        while True:
            waiting = await client.messages()
            for start in range(0, len(waiting), _CHUNK):
                chunk = waiting[start : start + _CHUNK]
                decoded = self._decoder.decode(chunk, self._context.now())
                for reply in decoded.replies:
                    if not self._orders.answered(reply):
                        _log.info("reply to no waiting command: %s", reply.id)
                await flight.launch(decoded.events, chunk)
