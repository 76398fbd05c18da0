"""Commands over MQTT: checked against the registry, published, answered on the reply topic."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from protocols.adapter import LinkLost
from protocols.mqtt.address import expand
from protocols.mqtt.client import MqttClient
from protocols.mqtt.codec import Reply
from protocols.mqtt.codec_routes import Served
from registry.model import (
    SECOND,
    Command,
    Outcome,
    OutcomeState,
    Point,
    Time,
    Value,
    ValueType,
)

_ACTIONS: Final = ("publish", "write")


class NotAllowed(ValueError):
    """A command that cannot be sent; the text says why and what to do."""


class Orders:
    """Sends commands and pairs the replies with them."""

    def __init__(self, now: Callable[[], Time]) -> None:
        self._now = now
        self._waiting: dict[str, asyncio.Future[Reply]] = {}

    def answered(self, reply: Reply) -> bool:
        """Hand a reply to the command that waits for it; False if none does."""
        waiter = self._waiting.get(reply.id)
        if waiter is None or waiter.done():
            return False
        waiter.set_result(reply)
        return True

    async def carry_out(
        self, order: Command, served: Served | None, client: MqttClient | None
    ) -> Outcome:
        """Publish `order` and wait for its reply until its deadline; never raises."""
        if client is None or not client.connected:
            return self._outcome(
                order, OutcomeState.NOT_CONNECTED, "there is no link to the broker"
            )
        if order.id in self._waiting:
            return self._outcome(order, OutcomeState.SENT, "it is already under way")
        try:
            topic, payload = _message(order, served)
        except NotAllowed as error:
            return self._outcome(order, OutcomeState.REFUSED, str(error))
        left = (order.deadline - self._now()) / SECOND
        if left <= 0:
            return self._outcome(order, OutcomeState.EXPIRED, "the deadline passed before sending")
        answers = bool(served and served.address and served.address.reply_topic)
        waiter: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[order.id] = waiter
        try:
            async with asyncio.timeout(left):
                await client.publish(topic, payload, qos=1)
                if not answers:
                    return self._unanswered(order, "sent; the device has no reply_topic")
                reply = await waiter
        except TimeoutError:
            return self._unanswered(order, "sent, no reply came before the deadline")
        except LinkLost as error:
            return self._unanswered(order, f"perhaps sent: the link was lost meanwhile ({error})")
        finally:
            del self._waiting[order.id]
        state = OutcomeState.DONE if reply.ok else OutcomeState.FAILED
        return self._outcome(order, state, reply.detail, reply.value)

    def _unanswered(self, order: Command, detail: str) -> Outcome:
        return self._outcome(order, OutcomeState.SENT_NO_ANSWER, detail)

    def _outcome(
        self, order: Command, state: OutcomeState, detail: str, value: Value | None = None
    ) -> Outcome:
        return Outcome(
            command=order.id,
            device=order.device,
            state=state,
            time=self._now(),
            detail=detail,
            value=value,
        )


def _message(order: Command, served: Served | None) -> tuple[str, bytes]:
    """Build topic and payload.

    Raises:
        NotAllowed: the device or the point does not take this command.
    """
    if order.action not in _ACTIONS:
        raise NotAllowed(f"an MQTT device takes {' and '.join(_ACTIONS)}, not {order.action!r}")
    if served is None or served.address is None:
        raise NotAllowed("the device is unknown here, or its link has faults: check its address")
    if not served.address.command_topic:
        raise NotAllowed("the device has no command_topic: set it in its link")
    body: dict[str, object] = dict(order.params)
    if order.point:
        body["point"] = order.point
    if order.value is not None:
        body["value"] = order.value
    if order.action == "write":
        body["value"] = _raw(served.device.point(order.point), order)
    body["id"] = order.id
    return expand(served.address.command_topic, order.device), msgspec.json.encode(body)


def _raw(point: Point | None, order: Command) -> Value:
    """Return the value as the device counts it: scale and offset undone."""
    if point is None or not point.writable:
        raise NotAllowed(f"point {order.point!r} does not exist or is not writable")
    value = order.value
    if point.type in (ValueType.BOOL, ValueType.STR):
        if not isinstance(value, bool if point.type is ValueType.BOOL else str):
            raise NotAllowed(f"point {point.name} takes a {point.type.value}, not {value!r}")
        return value
    if isinstance(value, bool | str) or value is None:
        raise NotAllowed(f"point {point.name} takes a number, not {value!r}")
    if point.range and not point.range.low <= value <= point.range.high:
        raise NotAllowed(
            f"{value} is outside {point.range.low:g} to {point.range.high:g} of point {point.name}"
        )
    if point.scale == 1 and point.offset == 0 and point.type is ValueType.FLOAT:
        return value
    raw = (value - point.offset) / point.scale
    if point.type is ValueType.FLOAT:
        return raw
    if not raw.is_integer():
        raise NotAllowed(f"{value} cannot be written to the whole-number point {point.name}")
    return int(raw)
