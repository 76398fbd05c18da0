"""The cascade's bus, on our MQTT client: QoS 0, because the cascade itself acknowledges."""

import secrets
from collections.abc import Callable, Sequence

from cascade.bus import Bus, BusMessage, OpenBus
from protocols.adapter import Credential
from protocols.mqtt.client import MqttClient, Will


class MqttBus:
    """One connection (`cascade.bus.Bus`)."""

    def __init__(self, client: MqttClient) -> None:
        self._client = client

    async def subscribe(self, filters: Sequence[str]) -> None:
        await self._client.subscribe([(topic, 0) for topic in filters])

    async def publish(self, topic: str, payload: bytes) -> None:
        await self._client.publish(topic, payload, qos=0)

    async def messages(self) -> Sequence[BusMessage]:
        return [BusMessage(m.topic, bytes(m.payload)) for m in await self._client.messages()]

    async def close(self) -> None:
        await self._client.close()


def mqtt_bus(
    url: str,
    node: str,
    credential: Credential | None,
    will: Callable[[], BusMessage | None] = lambda: None,
) -> OpenBus:
    """Return what connects `node` to the broker at `url`; `will` is asked at each connection.

    The client id ends in a boot nonce: two boxes that carry one name never evict one another.
    """
    client_id = f"ganzhi-{node}-{secrets.token_hex(4)}"

    async def connect() -> Bus:
        last = will()
        client = MqttClient(
            url=url,
            client_id=client_id,
            credential=credential,
            clean_session=True,
            will=Will(last.topic, last.payload) if last is not None else None,
        )
        await client.connect()
        return MqttBus(client)

    return connect
