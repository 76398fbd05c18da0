"""The two ends of one link: who is there, who may say what, what comes after a loss."""

import asyncio
import shutil
from pathlib import Path

import pytest
from msgspec import structs

from cascade import control, outbox, topics
from cascade.bus import BusMessage
from cascade.control import Ack, Farewell, Heartbeat
from cascade.downlink import Downlink
from cascade.envelope import open_sealed, seal, stow
from cascade.outbox import MAX_WINDOW
from cascade.parcel import pack
from cascade.upstairs import Figures
from registry.model import Device, DeviceKind, DeviceState, Discovered, Lane
from tests.cascade.broker import Broker
from tests.cascade.house import QUICK, House, until
from tests.cascade.pair import Pair, live_through, same, states

ON, OFF = DeviceState.ONLINE, DeviceState.OFFLINE


async def test_a_link_comes_up_and_carries(pair: Pair) -> None:
    city, edge = pair.city(), pair.edge()
    live_through(edge, 0, 20)
    await until(same(city, edge))
    await until(lambda: not edge.waiting())
    assert states(city) == [ON]
    assert edge.uppers == [ON]
    await until(lambda: pair.sent("heartbeat") > 0)


async def test_a_lost_connection_is_told_by_the_will(pair: Pair) -> None:
    city, edge = pair.city(), pair.edge()
    await until(lambda: states(city) == [ON])
    edge.kill()
    await until(lambda: states(city) == [ON, OFF])
    assert city.links[-1][2] == "The connection broke."
    pair.edge()
    await until(lambda: states(city) == [ON, OFF, ON])


async def test_silence_is_noticed_without_a_will(pair: Pair) -> None:
    city, edge = pair.city(), pair.edge()
    await until(lambda: states(city) == [ON])
    pair.bus.drop = lambda message: "/up/" in message.topic
    await until(lambda: states(city) == [ON, OFF])
    assert "heard" in city.links[-1][2]
    await until(lambda: OFF in edge.uppers)
    pair.bus.drop = lambda message: False
    await until(lambda: states(city) == [ON, OFF, ON])
    await until(lambda: edge.uppers[-1] is ON)


async def test_an_expected_node_that_never_speaks_counts_as_offline(pair: Pair) -> None:
    city = pair.city(expected=["edge9"])
    await until(lambda: states(city, "edge9") == [OFF])


async def test_a_stale_farewell_is_ignored(pair: Pair) -> None:
    city = pair.city()
    pair.edge()
    await until(lambda: states(city) == [ON])
    late = Farewell(node="edge1", session="another", cause="late will")
    pair.bus.route(BusMessage(topics.up("city", "edge1", topics.FAREWELL), control.write(late)))
    beats = pair.sent("heartbeat")
    await until(lambda: pair.sent("heartbeat") > beats + 1)
    assert states(city) == [ON]


async def test_a_heartbeat_brings_the_figures(pair: Pair) -> None:
    city, edge = pair.city(), pair.edge()
    await until(lambda: edge.uppers == [ON])
    pair.bus.drop = lambda message: "/ack/telemetry" in message.topic
    live_through(edge, 0, 5)

    def waiting() -> bool:
        figures = city.figures.get("edge1")
        return isinstance(figures, Figures) and figures.readings == 35 and figures.oldest == 1

    await until(waiting)


async def test_an_upper_tier_that_restarts_goes_on_where_it_was(pair: Pair) -> None:
    city, edge = pair.city(), pair.edge()
    live_through(edge, 0, 10)
    await until(same(city, edge))
    await city.gone()
    live_through(edge, 10, 30)
    city = pair.city()
    await until(same(city, edge))
    assert len(city.got()) == len(set(city.got()))


def envelope(source: str, lane: Lane, sequence: int, body: bytes | None = None) -> bytes:
    device = Device(id=f"{source}~x", home=source, name="x", kind=DeviceKind.SENSOR)
    parcel = pack([Discovered(device=device)])[0]
    stored = stow(parcel, created=1, requires=0)
    if body is not None:
        stored = stored[: -len(parcel.body)] + body.ljust(len(parcel.body), b"\0")
    return seal(source, "e", lane, sequence, stored)


def misfits(house: House) -> list[str]:
    return [key for what, _, key in house.got() if what == "misfit"]


async def test_a_node_speaks_for_itself_only(pair: Pair) -> None:
    city = pair.city()
    await until(lambda: bool(pair.bus.clients))
    topic = topics.up("city", "edge1", "registry")
    pair.bus.route(BusMessage(topic, envelope("edge2", Lane.REGISTRY, 1)))
    await until(lambda: len(misfits(city)) == 1)
    assert "edge2" in misfits(city)[0]
    assert len(city.got()) == 1


async def test_devices_of_others_are_refused_and_the_lane_moves_on(pair: Pair) -> None:
    city = pair.city(permits=lambda source, device: "d1" not in str(getattr(device, "id", device)))
    edge = pair.edge()
    live_through(edge, 0, 31)
    await until(lambda: not edge.waiting())
    devices = {device for what, device, _ in city.got() if what == "reading"}
    assert devices == {"edge1~d0", "edge1~d2"}
    assert any("home" in detail for detail in misfits(city))


async def test_an_unreadable_envelope_is_set_aside_and_the_lane_moves_on(pair: Pair) -> None:
    city = pair.city()
    await until(lambda: bool(pair.bus.clients))
    topic = topics.up("city", "edge1", "registry")
    pair.bus.route(BusMessage(topic, envelope("edge1", Lane.REGISTRY, 1, b"rubbish")))
    pair.bus.route(BusMessage(topic, envelope("edge1", Lane.REGISTRY, 2)))
    await until(lambda: ("device", "edge1~x", "x") in city.got())
    assert len(misfits(city)) == 1
    await until(lambda: pair.sent("ack/registry") > 0)


async def test_garbage_and_damage_are_counted(pair: Pair) -> None:
    city = pair.city()
    await until(lambda: bool(pair.bus.clients))
    good = envelope("edge1", Lane.REGISTRY, 1)
    for part, payload in [
        ("registry", good[:-1] + b"\0"),
        ("alarm", b"\xc1"),
        ("birth", b"\xc1"),
        ("heartbeat", b"\x80" * 70_000),
        ("hologram", b""),
        ("registry", good),
    ]:
        pair.bus.route(BusMessage(topics.up("city", "edge1", part), payload))
    await until(lambda: ("device", "edge1~x", "x") in city.got())
    assert city.downlink is not None
    counters = city.downlink.counters["edge1"]
    assert (counters.damaged, counters.unreadable, counters.envelopes) == (1, 3, 1)


async def test_telemetry_waits_for_the_device_it_speaks_of(pair: Pair) -> None:
    city, edge = pair.city(), pair.edge()
    await until(lambda: edge.uppers == [ON])
    held = True
    pair.bus.drop = lambda message: held and message.topic.endswith("up/registry")
    live_through(edge, 0, 5)
    await until(lambda: pair.sent("up/registry") > 2)
    assert city.got() == []
    held = False
    await until(same(city, edge))
    assert city.connection.execute("SELECT * FROM violation").fetchall() == []


async def test_a_gap_is_complained_about_before_the_sender_would_notice(pair: Pair) -> None:
    patient = structs.replace(QUICK, resend=60.0, silence=60.0)
    city, edge = pair.city(), pair.edge(timing=patient)
    await until(lambda: edge.uppers == [ON])
    lost: list[str] = []

    def the_first(message: BusMessage) -> bool:
        if message.topic.endswith("up/telemetry") and not lost:
            lost.append(message.topic)
            return True
        return False

    pair.bus.drop = the_first
    live_through(edge, 0, 5)
    await until(same(city, edge))
    assert lost


async def test_an_acknowledgement_of_another_epoch_deletes_nothing(pair: Pair) -> None:
    city, edge = pair.city(), pair.edge()
    await until(lambda: edge.uppers == [ON])
    pair.bus.drop = lambda message: message.topic.endswith("up/telemetry")
    live_through(edge, 0, 5)
    await until(lambda: pair.sent("up/telemetry") >= 5)
    forged = control.write(Ack(epoch="another", sequence=5))
    pair.bus.route(BusMessage(topics.ack("city", "edge1", "telemetry"), forged))
    beats = pair.sent("heartbeat")
    await until(lambda: pair.sent("heartbeat") > beats + 1)
    pair.bus.drop = lambda message: False
    await until(same(city, edge))


async def test_what_was_dropped_is_declared_and_the_rest_arrives(pair: Pair) -> None:
    edge = pair.edge()
    live_through(edge, 0, MAX_WINDOW + 40)
    gone = outbox.expire(edge.connection, now=9, before=2)
    assert gone.envelopes == 40
    live_through(edge, MAX_WINDOW + 40, MAX_WINDOW + 45)
    city = pair.city()
    await until(lambda: not edge.waiting())
    assert city.downlink is not None
    counters = city.downlink.counters["edge1"]
    assert counters.declared_lost_envelopes == gone.envelopes
    assert counters.declared_lost_readings == gone.readings
    readings = [row for row in city.got() if row[0] == "reading"]
    assert len(readings) == 7 * (MAX_WINDOW + 5)


async def test_an_upper_tier_that_lost_its_data_is_told_everything_again(pair: Pair) -> None:
    city, edge = pair.city(), pair.edge()
    live_through(edge, 0, 20)
    await until(lambda: not edge.waiting())
    await city.gone()
    for file in pair.folder.glob("city.db*"):
        file.unlink()
    republished = edge.republished
    city = pair.city()
    live_through(edge, 20, 25)
    await until(lambda: not edge.waiting() and edge.republished > republished)
    keys = set(city.got())
    assert {row for row in edge.got() if row[0] == "device"} <= keys
    assert city.connection.execute("SELECT * FROM violation").fetchall() == []


async def test_its_devices_come_before_what_waits_for_them(pair: Pair) -> None:
    city, edge = pair.city(), pair.edge()
    live_through(edge, 0, 5)
    await until(lambda: not edge.waiting())
    await city.gone()
    for file in pair.folder.glob("city.db*"):
        file.unlink()
    live_through(edge, 5, 10)
    held = True

    def definition(message: BusMessage) -> bool:
        if not held or not message.topic.endswith("up/registry"):
            return False
        return not open_sealed(message.payload).stowed.first  # the declared loss may pass

    pair.bus.drop = definition
    before = pair.sent("up/registry")
    city = pair.city()
    await until(lambda: pair.sent("up/registry") > before + 4)
    assert city.got() == []
    held = False
    await until(lambda: not edge.waiting())
    assert city.connection.execute("SELECT * FROM violation").fetchall() == []


@pytest.mark.parametrize("later", [3, MAX_WINDOW + 60])
async def test_a_restored_lower_database_begins_a_new_epoch(pair: Pair, later: int) -> None:
    """Whether the copy has fewer rows than the upper tier knows, or has passed it since."""
    city, edge = pair.city(), pair.edge()
    live_through(edge, 0, 5)
    await until(lambda: not edge.waiting())
    await edge.gone()
    shutil.copy(pair.folder / "edge1.db", pair.folder / "image.db")
    edge = pair.edge()
    live_through(edge, 5, MAX_WINDOW + 40)
    await until(lambda: not edge.waiting())
    await edge.gone()
    pair.bus.drop = lambda message: True
    copy = pair.edge("image.db")
    before = outbox.identity(copy.connection).epoch
    live_through(copy, 1000, 1000 + later)
    pair.bus.drop = lambda message: False
    await until(lambda: outbox.identity(copy.connection).epoch != before)
    await until(lambda: not copy.waiting())
    keys = {key for what, _, key in city.got() if what == "reading"}
    assert {key for what, _, key in copy.got() if what == "reading"} <= keys


async def test_alarms_overtake_telemetry_that_waits(pair: Pair) -> None:
    edge = pair.edge()
    live_through(edge, 0, 40)
    city = pair.city()
    await until(lambda: not edge.waiting())
    kinds = [what for what, _, _ in city.got()]
    assert kinds.index("alarm") < kinds.index("reading")
    last_alarm = max(i for i, what in enumerate(kinds) if what == "alarm")
    assert kinds[last_alarm:].count("reading") > 7 * 20


async def test_what_the_pipeline_did_not_store_is_not_acknowledged_and_comes_again(
    pair: Pair,
) -> None:
    city, edge = pair.city(), pair.edge()
    city.refuse = 5
    live_through(edge, 0, 20)
    await until(same(city, edge))
    assert city.refuse == 0
    assert len(city.got()) == len(set(city.got()))
    assert city.downlink is not None
    assert city.downlink.counters["edge1"].not_stored > 0


async def test_strangers_are_not_listened_to(tmp_path: Path) -> None:

    bus = Broker()
    house = House(tmp_path / "city.db", "city")
    downlink = Downlink(
        node="city",
        open_bus=bus.open,
        store=house.store,
        permits=lambda source, device: True,
        on_link=lambda *_: None,
        now=lambda: 1,
        admits=lambda source: source == "edge1",
        timing=QUICK,
    )
    task = asyncio.create_task(downlink.run(house.emit))
    await until(lambda: bool(bus.clients and bus.clients[0].filters))
    beat = Heartbeat(node="edge2", epoch="e", session="s", birth=1, backlog={})
    bus.route(BusMessage(topics.up("city", "edge2", topics.HEARTBEAT), control.write(beat)))
    await until(lambda: downlink.strangers == 1)
    assert downlink.counters == {}
    task.cancel()
    await asyncio.wait([task])
    await house.gone()
    assert bus.clients == []
