"""A lower tier speaks of its own devices only."""

from cascade.screening import screen
from registry.model import (
    Acknowledgement,
    AlarmAcknowledged,
    Command,
    Device,
    DeviceKind,
    DeviceState,
    Discovered,
    Event,
    Lane,
    Mark,
    Misfit,
    MisfitReason,
    ReadingBatch,
    StatusChange,
)


def permits(source: str, device: str | Device) -> bool:
    if isinstance(device, Device):
        return device.home == source and (device.area or "").startswith("3301")
    return device.startswith(f"{source}~")


def device(home: str, area: str) -> Discovered:
    return Discovered(
        device=Device(id=f"{home}~x", home=home, name="x", kind=DeviceKind.SENSOR, area=area)
    )


def refusals(events: list[Event]) -> list[str]:
    found = [e for e in events if isinstance(e, Misfit)]
    assert all(e.reason is MisfitReason.FORBIDDEN for e in found)
    return [e.device for e in found]


def test_rows_of_others_are_taken_out_of_a_batch() -> None:
    batch = ReadingBatch(
        device=["a~1", "b~1", "a~2", "b~1"],
        point=["p", "q", "r", "s"],
        value=[1, 2, 3, 4],
        source_time=[1, 2, 3, 4],
        quality=[0, 1, 2, 0],
        reason=["", "x", "y", ""],
        historical=True,
    )
    found = screen("a", [batch], permits, 9)
    assert found.events[0] == ReadingBatch(
        device=["a~1", "a~2"],
        point=["p", "r"],
        value=[1, 3],
        source_time=[1, 3],
        quality=[0, 2],
        reason=["", "y"],
        historical=True,
    )
    assert refusals(found.events) == ["b~1"]
    assert found.refused == 2


def test_a_permitted_batch_is_passed_on_as_it_is() -> None:
    batch = ReadingBatch(device=["a~1"], point=["p"], value=[1], source_time=[1])
    found = screen("a", [batch], permits, 9)
    assert found.events[0] is batch
    assert found.refused == 0


def test_a_batch_of_others_only_is_refused_whole() -> None:
    batch = ReadingBatch(device=["b~1"], point=["p"], value=[1], source_time=[1])
    assert [type(e) for e in screen("a", [batch], permits, 9).events] == [Misfit]


def test_definitions_are_judged_by_home_and_area() -> None:
    good, foreign, outside = device("a", "330102"), device("b", "330102"), device("a", "990101")
    found = screen("a", [good, foreign, outside], permits, 9)
    assert found.events[0] is good
    assert refusals(found.events) == ["b~x", "a~x"]


def test_states_of_others_are_refused() -> None:
    status = StatusChange(device="b~1", state=DeviceState.ONLINE, since=1)
    assert refusals(screen("a", [status], permits, 9).events) == ["b~1"]


def test_nothing_is_ordered_or_acknowledged_from_below_not_even_of_own_devices() -> None:
    order = Command(
        id="c", device="a~1", action="write", deadline=9, asked_by="a", asked_time=1, value=1
    )
    noted = AlarmAcknowledged(alarm="x", acknowledgement=Acknowledgement(by="me", time=1))
    mark = Mark(source="b", epoch="e", lane=Lane.ALARM, sequence=7)
    found = screen("a", [order, noted, mark], permits, 9)
    assert [type(e) for e in found.events] == [Misfit]
    assert refusals(found.events) == [""]
    assert found.refused == 3


def test_a_misfit_from_below_is_one_of_its_sender() -> None:
    misfit = Misfit(source="made up", reason=MisfitReason.BAD_TIME, detail="d", time=1)
    (passed,) = screen("a", [misfit], permits, 9).events
    assert isinstance(passed, Misfit)
    assert (passed.source, passed.detail) == ("a", "d")
