"""Orders on their way down: once, in order, and after whatever was lost."""

import shutil

from cascade import outbox
from registry.model import Command, DeviceState
from tests.cascade.house import until
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


async def test_a_restored_upper_database_begins_a_new_epoch_for_its_orders(pair: Pair) -> None:
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
    await until(lambda: outbox.identity(city.connection).epoch != "city-epoch")
    await city.downlink.send("edge1", [order(2)])
    await until(lambda: edge.came_down == [order(1), order(2)])
