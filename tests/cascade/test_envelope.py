"""Envelopes: what goes in comes out; whatever else comes in is refused by its field."""

import random
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from cascade.envelope import (
    Leap,
    Sealed,
    Stowed,
    decode,
    encode,
    open_sealed,
    seal,
    stow,
    stow_tombstone,
    unpack,
)
from cascade.faults import BadEnvelope
from cascade.parcel import MAX_BODY, Parcel, Tombstone, open_body, pack
from registry.model import (
    Alarm,
    AlarmState,
    Box,
    Delivery,
    Detection,
    Device,
    DeviceKind,
    DeviceState,
    Discovered,
    Event,
    Lane,
    Mark,
    Misfit,
    MisfitReason,
    Moved,
    Place,
    ReadingBatch,
    Receipt,
    SessionStarted,
    Severity,
    StatusChange,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
VALUES = st.one_of(st.none(), st.booleans(), INT64, st.floats(allow_nan=False), st.text())
TIMES = st.one_of(
    st.integers(0, 2**62), st.integers(1_700_000_000, 1_700_000_100).map(lambda s: s * 10**9)
)
ROW = st.tuples(
    st.text(max_size=8), st.text(max_size=4), VALUES, TIMES, st.integers(0, 2), st.text(max_size=5)
)


@st.composite
def batches(draw: st.DrawFn) -> ReadingBatch:
    rows = draw(st.lists(ROW, min_size=1, max_size=40))
    if draw(st.booleans()):  # values of one type take a shorter way
        kind = draw(st.sampled_from([st.floats(allow_nan=False), INT64, st.booleans(), st.text()]))
        rows = [(d, p, draw(kind), t, q, r) for d, p, _, t, q, r in rows]
    device, point, value, time, quality, reason = (list(c) for c in zip(*rows, strict=True))
    graded = draw(st.booleans()) and (any(quality) or any(reason))
    return ReadingBatch(
        device=device,
        point=point,
        value=value,
        source_time=time,
        quality=quality if graded else None,
        reason=reason if graded else None,
        historical=draw(st.booleans()),
    )


def enveloped(events: list[Event], lane: Lane = Lane.TELEMETRY, sequence: int = 7) -> bytes:
    return encode(
        source="edge1",
        epoch="e1",
        lane=lane,
        sequence=sequence,
        created=5,
        requires=3,
        events=events,
    )


def typed(values: list[Any]) -> list[tuple[type, Any]]:
    return [(type(value), value) for value in values]


@given(batches())
@settings(max_examples=60)
def test_readings_come_back_as_they_were(batch: ReadingBatch) -> None:
    (found,) = decode(enveloped([batch])).events
    assert isinstance(found, ReadingBatch)
    assert found == batch
    assert typed(found.value) == typed(batch.value)


@given(st.lists(batches(), min_size=1, max_size=4))
@settings(max_examples=25)
def test_merging_loses_no_reading_and_keeps_live_and_late_apart(group: list[ReadingBatch]) -> None:
    bodies = [open_body(parcel.body) for parcel in pack(group)]
    found = [e for body in bodies for e in body.events if isinstance(e, ReadingBatch)]
    for late in (False, True):
        sent = [
            structs.replace(r, received_time=0)
            for b in group
            if b.historical is late
            for r in b.rows()
        ]
        came = [r for b in found if b.historical is late for r in b.rows()]
        assert came == sent


def test_a_missing_source_time_becomes_the_received_time() -> None:
    batch = ReadingBatch(
        device=["d", "d"], point=["p", "p"], value=[1.0, 2.0], source_time=[0, 9], received_time=8
    )
    (found,) = decode(enveloped([batch])).events
    assert isinstance(found, ReadingBatch)
    assert found.source_time == [8, 9]
    assert found.received_time == 0


def test_a_number_beyond_64_bits_travels_as_a_float() -> None:
    batch = ReadingBatch(
        device=["d"] * 3, point=["p"] * 3, value=[2**63, -(10**400), 3], source_time=[1, 1, 1]
    )
    (found,) = decode(enveloped([batch])).events
    assert isinstance(found, ReadingBatch)
    assert typed(found.value) == [(float, float(2**63)), (float, float("-inf")), (int, 3)]


def alarm(n: int = 1, message: str = "high") -> Alarm:
    return Alarm(
        id=f"alarm-{n}",
        key="k",
        device="edge1~d",
        type="threshold",
        severity=Severity.MAJOR,
        state=AlarmState.RAISED,
        message=message,
        raised_time=n,
        updated_time=n,
        value=3,
    )


DEVICE = Device(id="edge1~d", home="edge1", name="泵站", kind=DeviceKind.SENSOR)
CARRIED: list[tuple[Event, Lane]] = [
    (alarm(), Lane.ALARM),
    (StatusChange(device="edge1~d", state=DeviceState.OFFLINE, since=4), Lane.STATUS),
    (Moved(device="edge1~d", place=Place(lon=120.0, lat=30.0), time=4), Lane.STATUS),
    (Discovered(device=DEVICE), Lane.REGISTRY),
    (
        Detection(
            device="c",
            model="fire",
            time=1,
            boxes=(Box(label="fire", score=0.5, x1=0, y1=0, x2=1, y2=1),),
        ),
        Lane.TELEMETRY,
    ),
    (Misfit(source="s", reason=MisfitReason.BAD_TIME, detail="x", time=1), Lane.TELEMETRY),
]


@pytest.mark.parametrize(("event", "lane"), CARRIED)
def test_other_events_come_back_as_they_were(event: Event, lane: Lane) -> None:
    envelope = decode(enveloped([event], lane))
    assert envelope.events == (event,)
    assert (envelope.source, envelope.epoch, envelope.lane) == ("edge1", "e1", lane)
    assert (envelope.sequence, envelope.created, envelope.requires) == (7, 5, 3)


def test_packing_sorts_by_lane_registry_first_and_leaves_marks_at_home() -> None:
    batch = ReadingBatch(device=["d"], point=["p"], value=[1], source_time=[1])
    receipt = Receipt(source="s", mid=1, digest=b"", dup=False)
    events: list[Event] = [
        Mark(source="x", epoch="e", lane=Lane.ALARM, sequence=1),
        Delivery(receipt=receipt, readings=batch),
        SessionStarted(source="s"),
        *(event for event, _ in CARRIED),
    ]
    parcels = pack(events)
    order = [Lane.REGISTRY, Lane.ALARM, Lane.STATUS, Lane.TELEMETRY, Lane.TELEMETRY]
    assert [p.lane for p in parcels] == order
    assert [len(open_body(p.body).events) for p in parcels] == [1, 1, 2, 1, 2]
    assert [p.readings for p in parcels] == [0, 0, 0, 1, 0]


def rows(count: int, text: str = "") -> ReadingBatch:
    return ReadingBatch(
        device=["d"] * count,
        point=["p"] * count,
        value=[f"{text}{i}" for i in range(count)],
        source_time=list(range(1, count + 1)),
    )


def test_parcels_hold_at_most_1000_rows() -> None:
    parcels = pack([rows(1500), rows(800)])
    assert [p.readings for p in parcels] == [1000, 1000, 300]


def test_parcels_are_halved_until_they_are_small_enough() -> None:
    noise = random.Random(1).randbytes
    values = [noise(200).hex() for _ in range(64)]
    parcels = pack([structs.replace(rows(64), value=values)], size=3000)
    assert len(parcels) > 1
    assert all(len(p.body) <= 3000 for p in parcels)
    found = [e for p in parcels for e in open_body(p.body).events]
    assert sum(len(e) for e in found if isinstance(e, ReadingBatch)) == 64


def test_what_no_receiver_would_take_becomes_a_misfit() -> None:
    giant = "x" * (MAX_BODY + 1)
    (parcel,) = pack([rows(1, giant)])
    (event,) = open_body(parcel.body).events
    assert isinstance(event, Misfit)
    assert event.reason is MisfitReason.TOO_LARGE
    assert (event.device, event.point) == ("d", "p")
    (parcel,) = pack([alarm(1, giant)])
    (event,) = open_body(parcel.body).events
    assert isinstance(event, Misfit)


def test_sealing_leaves_the_stored_bytes_alone() -> None:
    stored = stow(pack([alarm()])[0], created=1, requires=2)
    assert stored in seal("edge1", "e1", Lane.ALARM, 9, stored)


def test_a_tombstone_speaks_for_its_range() -> None:
    stone = Tombstone(reason="quota", envelopes=3, readings=30, oldest=1, newest=2)
    sealed = open_sealed(seal("e", "e1", Lane.TELEMETRY, 9, stow_tombstone(7, stone, created=1)))
    assert unpack(sealed).tombstone == stone
    assert sealed.mark == Leap(source="e", epoch="e1", lane=Lane.TELEMETRY, sequence=9, first=7)


@given(st.binary(max_size=200))
def test_garbage_is_refused(payload: bytes) -> None:
    with pytest.raises(BadEnvelope):
        decode(payload)


@given(st.data())
@settings(max_examples=120)
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    good = enveloped([rows(5)])
    at = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadEnvelope):
        decode(bytes(bad))


@given(st.data())
@settings(max_examples=120)
def test_a_body_with_changed_bytes_is_read_or_refused_never_worse(data: st.DataObject) -> None:
    plain = bytearray(zstandard.decompress(pack([rows(5), alarm()])[-1].body))
    for _ in range(data.draw(st.integers(1, 4))):
        plain[data.draw(st.integers(0, len(plain) - 1))] = data.draw(st.integers(0, 255))
    try:
        contents = open_body(zstandard.compress(bytes(plain)))
    except BadEnvelope:
        return
    for event in contents.events:
        if isinstance(event, ReadingBatch):
            lengths = {
                len(event.device),
                len(event.point),
                len(event.value),
                len(event.source_time),
            }
            assert len(lengths) == 1


def body_of(*parts: Any) -> bytes:
    return zstandard.compress(msgspec.msgpack.encode(parts))


def sealed_body(body: bytes) -> Sealed:
    return Sealed(1, "e", "e1", Lane.ALARM, 1, Stowed(1, 0, 0, body))


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zstandard.compress(b"\0" * (MAX_BODY + 1))
    assert len(bomb) < 10_000
    with pytest.raises(BadEnvelope, match="body"):
        unpack(sealed_body(bomb))


def test_a_frame_that_hides_its_size_is_refused() -> None:
    hidden = zstandard.ZstdCompressor(write_content_size=False).compress(b"\x92\x90\x90")
    with pytest.raises(BadEnvelope, match="body"):
        unpack(sealed_body(hidden))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(BadEnvelope):
        open_body(zstandard.compress(b"\x92\x90\x91" + b"\x91" * 100_000 + b"\x90"))


def test_too_many_events_are_refused() -> None:
    with pytest.raises(BadEnvelope, match="events"):
        open_body(body_of([], [0] * 10_001))


def test_too_many_rows_are_refused() -> None:
    parcels = pack([rows(10_001)], rows=20_000, size=2**24)
    with pytest.raises(BadEnvelope, match="tables"):
        open_body(parcels[0].body)


def test_unknown_kinds_are_counted_and_broken_ones_named() -> None:
    newer = {"event": "hologram", "depth": 3}
    broken = {"event": "alarm", "id": 5}
    good = msgspec.to_builtins(alarm())
    contents = open_body(body_of([], [newer, broken, good, 17]))
    assert contents.events == (alarm(),)
    assert contents.ignored == 1
    assert [why.partition(":")[0] for why, _ in contents.unreadable] == ["events[1]", "events[3]"]


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"\0" * 2_000_000, "size"),
        (b"", "header"),
        (seal("e", "e1", "hologram", 1, b""), "lane"),  # type: ignore[arg-type]
        (seal("e", "", Lane.ALARM, 1, b""), "epoch"),
        (seal("e", "e1", Lane.ALARM, 1, b"\xc1"), "parcel"),
        (
            seal("e", "e1", Lane.ALARM, 0, stow(Parcel(Lane.ALARM, b"", 0), created=1, requires=0)),
            "sequence",
        ),
        (enveloped([rows(2)])[:-1] + b"\0", "checksum"),
    ],
)
def test_a_bad_header_names_its_field(payload: bytes, field: str) -> None:
    with pytest.raises(BadEnvelope) as caught:
        open_sealed(payload)
    assert caught.value.field == field


def test_encode_wants_events_of_one_envelope() -> None:
    with pytest.raises(ValueError, match="one envelope"):
        enveloped([alarm()], Lane.STATUS)
    with pytest.raises(ValueError, match="one envelope"):
        enveloped([])
