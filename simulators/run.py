"""Plays a scenario: every simulated device of it, until it is told to stop."""

import asyncio
import time
from collections.abc import Collection, Coroutine, Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path

from registry.model import SECOND, Time
from simulators.bodies import bodies
from simulators.body import Body
from simulators.failure import Failed
from simulators.loading import load
from simulators.login import read_login
from simulators.scenario import Scenario, Wire

Playing = Coroutine[None, None, None]


class Part(StrEnum):
    """What can be played alone."""

    MQTT = "mqtt"
    MODBUS = "modbus"
    OPCUA = "opcua"
    CITIZEN = "citizen"


async def simulate(
    scenario: Path | Scenario,
    *,
    only: Collection[Part] = tuple(Part),
    broker_login: Path | None = None,
    api_token: Path | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Play the scenario until `stop` is set or the task is cancelled.

    `broker_login` is a file with `user:password` (or the password alone, for the user named in
    the scenario) and `api_token` one with a bearer token; both may appear later. Brokers and
    APIs that are not there yet are tried again by themselves.

    Raises:
        Faulty: the scenario holds mistakes.
        Failed: a server's port is taken; the text names the setting that moves it.
    """
    plan = await asyncio.to_thread(load, scenario) if isinstance(scenario, Path) else scenario
    start = time.time_ns()
    cast = await asyncio.to_thread(bodies, plan, start)
    playing = [
        *_wired(plan, cast, only, broker_login),
        *_citizens(plan, only, api_token, start),
    ]
    ended = stop or asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(part) for part in playing]
            await ended.wait()
            for task in running:
                task.cancel()
    except* Failed as failures:
        raise _first(failures) from None


def _first(group: BaseExceptionGroup[Failed]) -> Failed:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            return _first(error)
        return error
    return Failed("a simulator ended")


def _wired(
    plan: Scenario, cast: list[Body], only: Collection[Part], broker_login: Path | None
) -> Iterator[Playing]:
    """Yield the players of what speaks MQTT, Modbus or OPC UA, a node and a protocol at a time."""
    # The libraries are heavy: each is loaded only if something speaks its protocol.
    for node in plan.nodes:
        mine = [body for body in cast if body.role.node == node.name]
        mqtt = [body for body in mine if body.role.protocol is Wire.MQTT]
        if mqtt and node.mqtt and Part.MQTT in only:
            from simulators.mqtt_sensors import MqttSensors

            login = partial(read_login, broker_login, node.mqtt.username) if broker_login else None
            yield MqttSensors(node.name, node.mqtt, mqtt, login=login, now=time.time_ns).run()
        modbus = [body for body in mine if body.role.protocol is Wire.MODBUS]
        if modbus and node.modbus and Part.MODBUS in only:
            from simulators.modbus_server import ModbusServer

            yield ModbusServer(node.name, node.modbus, modbus, now=time.time_ns).run()
        opcua = [body for body in mine if body.role.protocol is Wire.OPCUA]
        if opcua and node.opcua and Part.OPCUA in only:
            from simulators.opcua_server import OpcuaServer

            yield OpcuaServer(node.name, node.opcua, opcua, now=time.time_ns).run()


def _citizens(
    plan: Scenario, only: Collection[Part], api_token: Path | None, start: Time
) -> Iterator[Playing]:
    citizens = plan.citizens
    node = plan.node(citizens.node) if citizens else None
    if citizens is None or node is None or node.api is None or Part.CITIZEN not in only:
        return
    from simulators.citizen import Citizens

    yield Citizens(
        citizens,
        node.api,
        seed=plan.seed,
        token_file=api_token,
        elapsed=lambda: (time.time_ns() - start) / SECOND,
    ).run()
