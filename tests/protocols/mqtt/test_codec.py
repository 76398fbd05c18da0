"""Batches of messages into events, and the routes that devices need."""

from collections.abc import Sequence
from typing import Any

from protocols.mqtt.codec import Decoded, Decoder
from protocols.mqtt.codec_packet import Message
from protocols.mqtt.codec_routes import Routes
from registry.model import (
    Delivery,
    Device,
    DeviceKind,
    DeviceState,
    Link,
    Misfit,
    MisfitReason,
    Point,
    Quality,
    ReadingBatch,
    StatusChange,
)
from tests.protocols.mqtt.devices import sensor

NOW = 1_773_835_200 * 10**9


def message(topic: str, payload: bytes, **more: Any) -> Message:
    fields: dict[str, Any] = {"qos": 1, "mid": 9, "dup": False, "retain": False}
    fields.update(more)
    return Message(topic, payload, **fields)


def routes_for(*devices: Device) -> Routes:
    routes = Routes()
    serve(routes, *devices)
    return routes


def serve(routes: Routes, *devices: Device) -> None:
    for _ in routes.replace({d.id: d for d in devices}):
        pass


def decode(routes: Routes, messages: Sequence[Message]) -> Decoded:
    return Decoder(routes, source="ganzhi-city-1", endpoint="mqtt://broker").decode(messages, NOW)


TIMED = {"time": "/ts", "time_format": "ns"}


def test_many_messages_with_a_time_become_one_batch() -> None:
    routes = routes_for(*(sensor(n, **TIMED) for n in range(3)))
    payloads = [b'{"value": %d, "ts": %d}' % (n, NOW + n) for n in range(3)]
    got = decode(routes, [message(f"city/d{n}/telemetry", p) for n, p in enumerate(payloads)])
    assert got.events == [
        ReadingBatch(
            device=["city~d0", "city~d1", "city~d2"],
            point=["value"] * 3,
            value=[0.0, 1.0, 2.0],
            source_time=[NOW, NOW + 1, NOW + 2],
        )
    ]


def test_a_message_without_a_time_is_a_delivery_known_by_its_receipt() -> None:
    routes = routes_for(sensor(0))
    first = decode(routes, [message("city/d0/telemetry", b'{"value": 1}')]).events
    again = decode(routes, [message("city/d0/telemetry", b'{"value": 1}', dup=True)]).events
    other = decode(routes, [message("city/d0/telemetry", b'{"value": 2}')]).events
    receipts = [e.receipt for (e,) in (first, again, other) if isinstance(e, Delivery)]
    assert [r.dup for r in receipts] == [False, True, False]
    assert receipts[0].digest == receipts[1].digest != receipts[2].digest
    assert len(receipts[0].digest) == 16
    assert {(r.source, r.mid) for r in receipts} == {("ganzhi-city-1", 9)}
    delivery = first[0]
    assert isinstance(delivery, Delivery)
    assert delivery.readings.source_time == [0]


def test_qos_0_without_a_time_is_emitted_plainly() -> None:
    routes = routes_for(sensor(0))
    (batch,) = decode(routes, [message("city/d0/telemetry", b'{"value": 1}', qos=0, mid=0)]).events
    assert isinstance(batch, ReadingBatch)
    assert batch.source_time == [0]


def test_a_retained_value_of_unknown_time_is_uncertain() -> None:
    routes = routes_for(sensor(0), sensor(1, **TIMED))
    got = decode(
        routes,
        [
            message("city/d0/telemetry", b'{"value": 1}', qos=0, retain=True),
            message("city/d1/telemetry", b'{"value": 1, "ts": %d}' % NOW, retain=True),
        ],
    )
    (batch,) = got.events
    assert isinstance(batch, ReadingBatch)
    assert batch.quality == [int(Quality.UNCERTAIN), int(Quality.GOOD)]
    assert batch.reason is not None
    assert "retained" in batch.reason[0]


def test_unknown_topics_are_shown_once_with_their_count() -> None:
    routes = routes_for(sensor(0))
    got = decode(routes, [message("city/new/telemetry", b"x%d" % n) for n in range(3)])
    (misfit,) = got.events
    assert isinstance(misfit, Misfit)
    assert misfit.reason is MisfitReason.UNKNOWN_DEVICE
    assert misfit.sample == "x0"
    assert "city/new/telemetry" in misfit.detail
    assert "3 messages" in misfit.detail


def test_a_payload_that_was_cut_is_too_large() -> None:
    routes = routes_for(sensor(0))
    (misfit,) = decode(routes, [message("city/d0/telemetry", b"x" * 512, cut=2_000_000)]).events
    assert isinstance(misfit, Misfit)
    assert misfit.reason is MisfitReason.TOO_LARGE
    assert misfit.device == "city~d0"
    assert "2000000" in misfit.detail
    assert len(misfit.sample) == 512


def test_status_topics() -> None:
    routes = routes_for(sensor(0, status_topic="city/{local}/status"))
    got = decode(
        routes,
        [message("city/d0/status", text) for text in (b"online", b" OFFLINE\n", b"broken")],
    )
    up, down, misfit = got.events
    assert isinstance(up, StatusChange)
    assert isinstance(down, StatusChange)
    assert (up.device, up.state, down.state) == (
        "city~d0",
        DeviceState.ONLINE,
        DeviceState.OFFLINE,
    )
    assert down.cause
    assert isinstance(misfit, Misfit)
    assert misfit.reason is MisfitReason.UNREADABLE


def test_replies_are_handed_out_and_bad_ones_shown() -> None:
    routes = routes_for(sensor(0, command_topic="c/{local}", reply_topic="r/{local}"))
    got = decode(
        routes,
        [message("r/d0", b'{"id": "1", "ok": true, "value": 2, "x": 1}'), message("r/d0", b"[]")],
    )
    (reply,) = got.replies
    assert (reply.id, reply.ok, reply.value) == ("1", True, 2)
    (misfit,) = got.events
    assert isinstance(misfit, Misfit)


def test_several_devices_on_one_topic() -> None:
    link = Link(protocol="mqtt", endpoint="mqtt://b", address={"topic": "plant", **TIMED})
    devices = [
        Device(
            id=f"city~{name}",
            home="city",
            name=name,
            kind=DeviceKind.METER,
            link=link,
            points=(Point(name="flow", address={"pointer": f"/{name}"}),),
        )
        for name in ("p1", "p2")
    ]
    routes = routes_for(*devices)
    (batch,) = decode(routes, [message("plant", b'{"p1": 1, "p2": 2, "ts": %d}' % NOW)]).events
    assert isinstance(batch, ReadingBatch)
    assert list(zip(batch.device, batch.value, strict=True)) == [("city~p1", 1), ("city~p2", 2)]
    serve(routes, devices[1])
    assert routes.filters == {"plant"}
    assert routes.target("plant") is not None


def test_like_devices_share_one_subscription() -> None:
    routes = routes_for(*(sensor(n, status_topic="city/{local}/status") for n in range(500)))
    assert routes.filters == {"city/+/telemetry", "city/+/status"}
    serve(routes, sensor(3))
    assert routes.filters == {"city/+/telemetry"}
    assert routes.target("city/d3/telemetry") is not None
    assert routes.target("city/d4/telemetry") is None
    serve(routes)
    assert routes.filters == set()
    assert routes.target("city/d3/telemetry") is None


def test_a_changed_device_takes_its_new_topic_only() -> None:
    routes = routes_for(sensor(0))
    serve(routes, sensor(0, topic="town/{id}"))
    assert routes.filters == {"town/+"}
    assert routes.target("city/d0/telemetry") is None
    assert routes.target("town/city~d0") is not None


def test_a_device_with_faults_is_not_served_and_named() -> None:
    routes = routes_for(sensor(0, topic="city/#"), sensor(1))
    assert [device for device, _ in routes.faults] == ["city~d0"]
    assert routes.filters == {"city/+/telemetry"}
    assert routes.users(["city/+/telemetry"]) == ["city~d1"]
