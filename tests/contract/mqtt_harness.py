"""The contract's peer for MQTT: a Mosquitto broker, and a client that plays the devices."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from protocols.adapter import Adapter, Context
from protocols.mqtt import open as open_adapter
from protocols.mqtt.client import MqttClient
from registry.model import SECOND, Command, Device, DeviceKind, Link, Point, ulid
from tests.contract.suite import POINT
from tests.protocols.mqtt.mosquitto import Mosquitto


class MqttHarness:
    """Devices `city~d<number>` publish to `city/d<number>/telemetry` with QoS 1."""

    every_value = True
    grace = 4.0

    def __init__(self, folder: Path) -> None:
        self._broker = Mosquitto(folder)
        self._publisher: MqttClient | None = None

    async def start(self) -> None:
        await self._broker.start()
        self._publisher = MqttClient(
            url=self._broker.url, client_id="devices", credential=None, clean_session=True
        )
        await self._publisher.connect()

    async def stop(self) -> None:
        self.kill()
        if self._publisher is not None:
            await self._publisher.close()

    def kill(self) -> None:
        self._broker.kill()

    async def restart(self) -> None:
        if self._publisher is not None:
            await self._publisher.close()
        await self.start()

    def freeze(self) -> None:
        self._broker.freeze()

    def thaw(self) -> None:
        self._broker.thaw()

    def adapter(self, connected: Callable[[], None]) -> Adapter:
        return open_adapter(
            Context(
                node="city",
                endpoint=self._broker.url,
                credential=None,
                now=time.time_ns,
                settings={"keepalive": 1.0, "connect_timeout": 2.0},
                connected=connected,
            )
        )

    def device(self, number: int) -> Device:
        return Device(
            id=f"city~d{number}",
            home="city",
            name=f"Device {number}",
            kind=DeviceKind.SENSOR,
            link=Link(
                protocol="mqtt",
                endpoint=self._broker.url,
                address={
                    "topic": "city/{local}/telemetry",
                    "command_topic": "city/{local}/cmd",
                    "time": "/ts",
                    "time_format": "ns",
                },
            ),
            points=(Point(name=POINT),),
        )

    def dead_device(self) -> Device:
        dead = self.device(0)
        return Device(id="city~dead", home="city", name="Dead", kind=dead.kind, link=dead.link)

    async def produce(self, number: int, value: float) -> None:
        await self._send(number, msgspec.json.encode({POINT: value, "ts": time.time_ns()}))

    async def garbage(self, number: int) -> None:
        await self._send(number, b"\x00\xff{]")

    async def _send(self, number: int, payload: bytes) -> None:
        assert self._publisher is not None
        await self._publisher.publish(f"city/d{number}/telemetry", payload)

    def order(self, number: int) -> Command:
        now = time.time_ns()
        return Command(
            id=ulid(now),
            device=self.device(number).id,
            action="publish",
            value=1.0,
            deadline=now + 3 * SECOND,
            asked_by="operator",
            asked_time=now,
        )


def make(folder: Path) -> MqttHarness:
    """Make the harness; the broker keeps its files in `folder`."""
    return MqttHarness(folder)
