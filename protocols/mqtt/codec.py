"""Batches of messages into events for the house."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from protocols.mqtt.codec_packet import Message
from protocols.mqtt.codec_payload import Sample, Unfit
from protocols.mqtt.codec_routes import Routes, Target
from protocols.mqtt.codec_value import Flaw
from registry.model import (
    Delivery,
    DeviceState,
    Event,
    Misfit,
    MisfitReason,
    Quality,
    ReadingBatch,
    Receipt,
    StatusChange,
    Time,
    Value,
)

_SAMPLE: Final = 512
_STATES: Final = {b"online": DeviceState.ONLINE, b"offline": DeviceState.OFFLINE}
_RETAINED: Final = "retained by the broker, time unknown"


class Reply(Struct, frozen=True, kw_only=True):
    """A device's answer to a command; unknown fields are ignored."""

    id: str
    ok: bool
    detail: str = ""
    value: bool | int | float | str | None = None


class _Columns:
    """A ReadingBatch in the making."""

    __slots__ = ("device", "flagged", "point", "time", "value")

    def __init__(self) -> None:
        self.device: list[str] = []
        self.point: list[str] = []
        self.value: list[Value | None] = []
        self.time: list[Time] = []
        self.flagged: dict[int, tuple[Quality, str]] = {}

    def add(self, device: str, sample: Sample, *, retained: bool = False) -> None:
        names, values, time, bad, _ = sample
        count, start = len(names), len(self.device)
        self.device += [device] * count
        self.point += names
        self.value += values
        self.time += [time] * count
        if retained and not time:
            for index in range(start, start + count):
                self.flagged[index] = (Quality.UNCERTAIN, _RETAINED)
        for index, reason in (bad or {}).items():
            self.flagged[start + index] = (Quality.BAD, reason)

    def batch(self) -> ReadingBatch:
        quality: list[int] | None = None
        reason: list[str] | None = None
        if self.flagged:
            quality, reason = [0] * len(self.device), [""] * len(self.device)
            for index, (grade, why) in self.flagged.items():
                quality[index], reason[index] = int(grade), why
        return ReadingBatch(
            device=self.device,
            point=self.point,
            value=self.value,
            source_time=self.time,
            quality=quality,
            reason=reason,
        )


class Decoded(NamedTuple):
    """What a batch of messages says: events for the house, replies for those who wait."""

    events: list[Event]
    replies: list[Reply]


class Decoder:
    """Turns batches of messages into events. `source` names the session in receipts,
    `endpoint` names the broker in misfits."""

    def __init__(self, routes: Routes, *, source: str, endpoint: str) -> None:
        self._routes = routes
        self._source = source
        self._endpoint = endpoint
        self._reply = msgspec.json.Decoder(Reply)

    def decode(self, messages: Sequence[Message], now: Time) -> Decoded:
        """Decode; `now` is the moment of arrival in UTC nanoseconds."""
        work = _Work(self, now)
        target_of = self._routes.target
        columns = work.columns
        for message in messages:
            target = target_of(message.topic)
            if target is None:
                work.unknown[message.topic] = work.unknown.get(message.topic, 0) + 1
                work.samples.setdefault(message.topic, message.payload)
            elif message.cut:
                work.too_large(message, target)
            else:
                if target.telemetry:
                    self._telemetry(work, columns, message, target)
                if target.status:
                    work.status(message, target.status)
                if target.replies:
                    self._take_reply(work, message)
        return work.result()

    def _telemetry(
        self, work: "_Work", columns: _Columns, message: Message, target: Target
    ) -> None:
        alone: _Columns | None = None
        for device, plan in target.telemetry:
            try:
                sample = plan.read(message.payload)
            except Unfit as unfit:
                work.misfit(unfit.flaw, message, device)
                continue
            for flaw in sample.flaws:
                work.misfit(flaw, message, device)
            if plan.timed or not message.qos:
                columns.add(device, sample, retained=message.retain)
            elif sample.names:
                if alone is None:
                    alone = _Columns()
                alone.add(device, sample, retained=message.retain)
        if alone is not None:
            work.deliveries.append(
                Delivery(receipt=_receipt(self._source, message), readings=alone.batch())
            )

    def _take_reply(self, work: "_Work", message: Message) -> None:
        try:
            work.replies.append(self._reply.decode(message.payload))
        except (msgspec.MsgspecError, RecursionError) as error:
            work.misfit(
                Flaw(
                    MisfitReason.UNREADABLE,
                    f'no reply to a command: {error}; expected {{"id": …, "ok": true or false}}',
                ),
                message,
                "",
            )

    def misfit(self, flaw: Flaw, topic: str, payload: bytes, device: str, now: Time) -> Misfit:
        """Build a misfit with a sample of what came."""
        return Misfit(
            source=self._endpoint,
            reason=flaw.reason,
            detail=f"{topic[:200]}: {flaw.detail}",
            time=now,
            device=device,
            point=flaw.point,
            sample=payload[:_SAMPLE].decode("utf-8", "replace"),
        )


class _Work:
    """What gathers while one batch of messages is decoded."""

    def __init__(self, decoder: Decoder, now: Time) -> None:
        self._decoder = decoder
        self._now = now
        self.columns = _Columns()
        self.deliveries: list[Delivery] = []
        self.replies: list[Reply] = []
        self.unknown: dict[str, int] = {}
        self.samples: dict[str, bytes] = {}
        self._others: list[Event] = []

    def misfit(self, flaw: Flaw, message: Message, device: str) -> None:
        self._others.append(
            self._decoder.misfit(flaw, message.topic, message.payload, device, self._now)
        )

    def too_large(self, message: Message, target: Target) -> None:
        devices = [device for device, _ in target.telemetry] or target.status or [""]
        detail = f"a payload of {message.cut} bytes is over the limit: send less, or raise it"
        self.misfit(Flaw(MisfitReason.TOO_LARGE, detail), message, devices[0])

    def status(self, message: Message, devices: Sequence[str]) -> None:
        state = _STATES.get(message.payload.strip().lower())
        for device in devices:
            if state is None:
                detail = "a status topic takes the payload online or offline"
                self.misfit(Flaw(MisfitReason.UNREADABLE, detail), message, device)
                continue
            cause = "" if state is DeviceState.ONLINE else "its status topic says offline"
            self._others.append(
                StatusChange(
                    device=device, state=state, since=self._now, cause=cause, source="mqtt"
                )
            )

    def result(self) -> Decoded:
        events: list[Any] = [self.columns.batch()] if self.columns.device else []
        events += self.deliveries
        events += self._others
        for topic, count in self.unknown.items():
            detail = f"no device has this topic ({count} messages): register one, or stop sending"
            flaw = Flaw(MisfitReason.UNKNOWN_DEVICE, detail)
            events.append(self._decoder.misfit(flaw, topic, self.samples[topic], "", self._now))
        return Decoded(events, self.replies)


def _receipt(source: str, message: Message) -> Receipt:
    digest = blake2b(message.topic.encode(), digest_size=16)
    digest.update(b"\0")
    digest.update(message.payload)
    return Receipt(source=source, mid=message.mid, digest=digest.digest(), dup=message.dup)
