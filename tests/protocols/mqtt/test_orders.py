"""Commands over a real broker."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from protocols.adapter import Commandable
from protocols.mqtt.client import MqttClient
from registry.model import (
    SECOND,
    Command,
    Outcome,
    OutcomeState,
    Point,
    ValueRange,
    ValueType,
    ulid,
)
from tests.contract.suite import House
from tests.protocols.mqtt.devices import sensor
from tests.protocols.mqtt.mosquitto import Mosquitto
from tests.protocols.mqtt.test_adapter import client, run

SETPOINT = Point(
    name="setpoint", writable=True, scale=0.1, offset=-40, range=ValueRange(low=-20, high=80)
)
STEP = Point(name="step", type=ValueType.INT, writable=True, scale=10)
LAMP = Point(name="lamp", type=ValueType.BOOL, writable=True)
READ_ONLY = Point(name="level")
ANSWERS = {"command_topic": "city/{local}/cmd", "reply_topic": "city/{local}/cmd/reply"}
PUMP = sensor(0, SETPOINT, STEP, LAMP, READ_ONLY, **ANSWERS)


def order(action: str = "publish", *, seconds: float = 5, **more: Any) -> Command:
    now = time.time_ns()
    return Command(
        id=ulid(now),
        device="city~d0",
        action=action,
        deadline=now + round(seconds * SECOND),
        asked_by="operator",
        asked_time=now,
        **more,
    )


async def give(house: House, command: Command) -> Outcome:
    assert isinstance(house.adapter, Commandable)
    return await house.adapter.command(command)


async def obey(device: MqttClient, reply: dict[str, Any]) -> dict[str, Any]:
    """Play the device: wait for one command, answer it, return it."""
    (message,) = await device.messages()
    device.ack([message])
    body: dict[str, Any] = msgspec.json.decode(message.payload)
    await device.publish("city/d0/cmd/reply", msgspec.json.encode({"id": body["id"], **reply}))
    return body


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"point": "setpoint", "value": 25.5}, {"point": "setpoint", "value": 655.0}),
        ({"point": "step", "value": 30}, {"point": "step", "value": 3}),
        ({"point": "lamp", "value": True}, {"point": "lamp", "value": True}),
        ({"params": {"mode": "fast", "id": "forged"}}, {"mode": "fast"}),
    ],
)
async def test_a_command_and_its_reply(
    broker: Mosquitto, asked: dict[str, Any], sent: dict[str, Any]
) -> None:
    command = order("publish" if "params" in asked else "write", **asked)
    async with run(broker, [PUMP]) as house, client(broker) as device:
        await house.until_connected()
        await device.subscribe([("city/d0/cmd", 1)])
        playing = asyncio.create_task(obey(device, {"ok": True, "detail": "set", "value": 1.5}))
        outcome = await give(house, command)
        body = await playing
    assert body == {"id": command.id, **{k: pytest.approx(v) for k, v in sent.items()}}
    assert outcome.state is OutcomeState.DONE
    assert (outcome.command, outcome.detail, outcome.value) == (command.id, "set", 1.5)


async def test_a_device_that_says_no(broker: Mosquitto) -> None:
    async with run(broker, [PUMP]) as house, client(broker) as device:
        await house.until_connected()
        await device.subscribe([("city/d0/cmd", 1)])
        playing = asyncio.create_task(obey(device, {"ok": False, "detail": "locked"}))
        outcome = await give(house, order())
        await playing
    assert (outcome.state, outcome.detail) == (OutcomeState.FAILED, "locked")


async def test_a_device_that_never_replies(broker: Mosquitto) -> None:
    async with run(broker, [PUMP]) as house:
        await house.until_connected()
        outcome = await give(house, order(seconds=0.2))
    assert outcome.state is OutcomeState.SENT_NO_ANSWER


async def test_a_device_without_a_reply_topic(broker: Mosquitto) -> None:
    deaf = sensor(0, command_topic="city/{local}/cmd")
    async with run(broker, [deaf]) as house, client(broker) as device:
        await house.until_connected()
        await device.subscribe([("city/d0/cmd", 1)])
        outcome = await give(house, order(value="go"))
        (message,) = await device.messages()
    assert outcome.state is OutcomeState.SENT_NO_ANSWER
    assert msgspec.json.decode(message.payload)["value"] == "go"


async def test_a_broker_that_dies_under_a_command(broker: Mosquitto) -> None:
    async with run(broker, [PUMP]) as house:
        await house.until_connected()
        broker.freeze()
        waiting = asyncio.create_task(give(house, order()))
        await asyncio.sleep(0)
        broker.kill()
        outcome = await waiting
        assert outcome.state is OutcomeState.SENT_NO_ANSWER
        assert "lost" in outcome.detail
        late = await give(house, order())
    assert late.state is OutcomeState.NOT_CONNECTED


@pytest.mark.parametrize(
    ("action", "asked", "state", "why"),
    [
        ("publish", {"seconds": -1}, OutcomeState.EXPIRED, "deadline"),
        ("reboot", {}, OutcomeState.REFUSED, "publish and write"),
        ("write", {"point": "level", "value": 1}, OutcomeState.REFUSED, "not writable"),
        ("write", {"point": "none", "value": 1}, OutcomeState.REFUSED, "does not exist"),
        ("write", {"point": "setpoint", "value": "x"}, OutcomeState.REFUSED, "number"),
        ("write", {"point": "setpoint", "value": True}, OutcomeState.REFUSED, "number"),
        ("write", {"point": "setpoint", "value": 81}, OutcomeState.REFUSED, "outside"),
        ("write", {"point": "step", "value": 5}, OutcomeState.REFUSED, "whole-number"),
        ("write", {"point": "lamp", "value": 1}, OutcomeState.REFUSED, "takes a bool"),
    ],
)
async def test_what_cannot_be_sent_is_refused_with_a_reason(
    broker: Mosquitto, action: str, asked: dict[str, Any], state: OutcomeState, why: str
) -> None:
    async with run(broker, [PUMP]) as house:
        await house.until_connected()
        outcome = await give(house, order(action, **asked))
    assert outcome.state is state
    assert why in outcome.detail


async def test_the_same_command_twice_is_sent_once(broker: Mosquitto) -> None:
    async with run(broker, [PUMP]) as house, client(broker) as device:
        await house.until_connected()
        await device.subscribe([("city/d0/cmd", 1)])
        command = order()
        first = asyncio.create_task(give(house, command))
        await asyncio.sleep(0)
        second = await give(house, command)
        await obey(device, {"ok": True})
        assert (await first).state is OutcomeState.DONE
    assert second.state is OutcomeState.SENT


async def test_devices_that_take_no_commands(broker: Mosquitto) -> None:
    async with run(broker, [sensor(0)]) as house:
        await house.until_connected()
        mute = await give(house, order())
        unknown = await give(house, msgspec.structs.replace(order(), device="city~other"))
    assert mute.state is unknown.state is OutcomeState.REFUSED
    assert "command_topic" in mute.detail
