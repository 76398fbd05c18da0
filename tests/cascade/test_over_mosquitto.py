"""A link over a real broker in another process, which is killed and started again."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cascade.bus import BusMessage
from cascade.timing import Timing
from gateway.bus import MqttBus
from protocols.mqtt.client import MqttClient, Will
from registry.model import DeviceState
from tests.cascade.house import House, until
from tests.cascade.test_chain import happenings
from tests.protocols.mqtt.mosquitto import Mosquitto

TIMING = Timing(resend=0.4, birth=0.2, heartbeat=0.3, silence=3.0, complaint=0.1, tick=0.05)


class RealClient(MqttBus):
    """A connection that a dying House need not cut: it closes when its task is cancelled."""

    def cut(self) -> None:
        return


class RealBroker:
    """Opens connections to Mosquitto, as `broker.Broker` does in memory."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._count = 0

    async def open(self, will: BusMessage | None = None) -> RealClient:
        self._count += 1
        client = MqttClient(
            url=self._url,
            client_id=f"node{self._count}",
            credential=None,
            clean_session=True,
            will=Will(will.topic, will.payload) if will else None,
        )
        await client.connect()
        return RealClient(client)


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    process = Mosquitto(tmp_path)
    await process.start()
    yield process
    process.kill()


async def test_nothing_is_lost_when_the_broker_dies(mosquitto: Mosquitto, tmp_path: Path) -> None:
    bus = RealBroker(mosquitto.url)
    city = House(tmp_path / "city.db", "city", below=bus, timing=TIMING)  # type: ignore[arg-type]
    edge = House(
        tmp_path / "edge1.db",
        "edge1",
        above=bus,  # type: ignore[arg-type]
        upper="city",
        timing=TIMING,
    )
    try:
        for n in range(60):
            edge.own(happenings("edge1", n))
            if n == 30:
                await until(lambda: len(city.got()) > 20)
                mosquitto.kill()
                await until(lambda: DeviceState.OFFLINE in edge.uppers)
                await mosquitto.start()
        await until(lambda: not edge.waiting())
        assert sorted(city.got()) == sorted(edge.got())
        assert city.connection.execute("SELECT * FROM violation").fetchall() == []
    finally:
        await edge.gone()
        await city.gone()
