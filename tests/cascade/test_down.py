"""Orders on their way down: once, in order, and after whatever was lost."""

import shutil
from pathlib import Path

import msgspec

from cascade import downbox, outbox, topics
from cascade.bus import BusMessage
from cascade.control import DownAck
from cascade.envelope import open_sealed
from cascade.outbox import Stream
from cascade.parcel import pack
from registry.model import Command, DeviceState, Outcome, OutcomeState
from registry.store import commands
from registry.store.database import open_writer, prepare
from tests.cascade.house import database, until
from tests.cascade.pair import Pair, states

ON = DeviceState.ONLINE


def order(n: int) -> Command:
    return Command(
        id=f"c{n:04}", device="edge1~d", action="write", deadline=9, asked_by="me", asked_time=1
    )


async def test_orders_arrive_once_and_in_order_over_a_bad_bus(pair: Pair) -> None:
    pair.bus.faults = type(pair.bus.faults)(loss=0.1, double=0.1, delay=0.01, cut=0.01)
    city, edge = pair.city(), pair.edge()
    assert city.downlink is not None
    orders = [order(n) for n in range(60)]
    for command in orders:
        await city.downlink.send("edge1", [command])
    await until(lambda: len(edge.came_down) >= 60)
    pair.bus.heal()
    sql = "SELECT COUNT(*) FROM down_queue"
    await until(lambda: city.connection.execute(sql).fetchone()[0] == 0)
    assert edge.came_down == orders


async def test_orders_wait_for_an_absent_child(pair: Pair) -> None:
    city = pair.city()
    assert city.downlink is not None
    await city.downlink.send("edge1", [order(1)])
    await city.gone()
    city = pair.city()
    assert not any(m.topic.endswith("/down") for m in pair.bus.log)
    edge = pair.edge()
    await until(lambda: edge.came_down == [order(1)])
    edge.kill()
    again = pair.edge()
    assert city.downlink is not None
    await city.downlink.send("edge1", [order(2)])
    await until(lambda: again.came_down == [order(2)])


async def test_a_child_that_lost_its_data_takes_the_next_order(pair: Pair) -> None:
    city, edge = pair.city(), pair.edge()
    assert city.downlink is not None
    await city.downlink.send("edge1", [order(1)])
    await until(lambda: len(edge.came_down) == 1)
    sql = "SELECT COUNT(*) FROM down_queue"
    await until(lambda: city.connection.execute(sql).fetchone()[0] == 0)
    await edge.gone()
    edge = pair.edge("other.db")
    assert city.downlink is not None
    await city.downlink.send("edge1", [order(2)])
    await until(lambda: edge.came_down == [order(2)])


async def test_a_restored_upper_database_goes_on_above_what_the_child_has(pair: Pair) -> None:
    city, edge = pair.city(), pair.edge()
    await until(lambda: states(city) == [ON])
    await city.gone()
    shutil.copy(pair.folder / "city.db", pair.folder / "image.db")
    city = pair.city()
    assert city.downlink is not None
    await city.downlink.send("edge1", [order(1)])
    await until(lambda: edge.came_down == [order(1)])
    await city.gone()
    shutil.copy(pair.folder / "image.db", pair.folder / "city.db")
    city = pair.city()
    assert city.downlink is not None
    await until(lambda: downbox.state(city.connection, "edge1") == Stream(next=2, acknowledged=1))
    await city.downlink.send("edge1", [order(2)])
    await until(lambda: edge.came_down == [order(1), order(2)])


async def test_what_a_child_claims_concerns_that_child_alone(pair: Pair) -> None:
    city = pair.city()
    edge = pair.edge()
    assert city.downlink is not None
    await until(lambda: edge.uppers == [ON])
    epoch = outbox.identity(city.connection).epoch
    for n, claim in enumerate((5, 900, 2**62, 2**63 - 1, -1)):
        name = f"liar{n}"
        await city.downlink.send(name, [order(8)])
        await city.downlink.send(name, [order(9)])
        answer = msgspec.msgpack.encode(DownAck(epoch=epoch, sequence=claim))
        pair.bus.route(BusMessage(topics.up("city", name, topics.DOWN_ACK), answer))
    await city.downlink.send("edge1", [order(1)])
    await until(lambda: edge.came_down == [order(1)])

    def sent_to_liar(n: int) -> list[int]:
        topic = topics.down("city", f"liar{n}")
        found = [open_sealed(m.payload).sequence for m in pair.bus.log if m.topic == topic]
        return sorted(set(found))

    await until(lambda: sent_to_liar(0) == [6, 7])
    await until(lambda: sent_to_liar(1) == [901, 902])
    await until(lambda: sent_to_liar(2) == [2**62 + 1, 2**62 + 2])
    assert sent_to_liar(3) == sent_to_liar(4) == []
    assert outbox.identity(city.connection).epoch == epoch
    assert len(city.clients) == 1


def test_waiting_orders_move_above_a_position_that_was_never_given() -> None:
    db = database(":memory:")
    parcels = [pack([order(n)])[0] for n in range(4)]
    downbox.append(db, "edge1", parcels[:3], now=1)
    downbox.acknowledge(db, "edge1", 1)
    bodies = [row.payload for row in downbox.read(db, "edge1", 0, 9)]
    downbox.skip_to(db, "edge1", 3)
    assert downbox.state(db, "edge1") == Stream(next=4, acknowledged=1)
    downbox.skip_to(db, "edge1", 4)
    assert [(r.sequence, r.payload) for r in downbox.read(db, "edge1", 0, 9)] == [
        (5, bodies[0]),
        (6, bodies[1]),
    ]
    assert downbox.append(db, "edge1", parcels[3:], now=1) == 7
    assert downbox.state(db, "edge1").acknowledged == 4
    db.close()


def test_an_outcome_concludes_commands_of_its_own_device_only(tmp_path: Path) -> None:
    prepare(tmp_path / "main.db", node="city", now=1)
    db = open_writer(tmp_path / "main.db")
    commands.put(db, order(1))
    done = Outcome(command="c0001", device="edge2~d", state=OutcomeState.DONE, time=2)
    assert not commands.conclude(db, done)
    assert commands.conclude(db, msgspec.structs.replace(done, device="edge1~d"))
    db.close()
