"""The cascade's envelope: how fast 1,000 readings are written and read, and how small they are.

The raw figure is what one would write without a format of one's own: a list of rows in
MessagePack (msgspec), compressed by zstd at the same level.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import zstandard

from benchmarks.figure import Measured, Scale
from benchmarks.workload import MILLISECOND, NODE, batches, devices
from cascade import envelope
from registry.model import Lane, ReadingBatch, Value

_LEVEL = 3
_Row = tuple[str, str, Value | None, int, int]
T = TypeVar("T")


async def run(scale: Scale, folder: Path) -> Sequence[Measured]:
    """Measure encoding, decoding and size."""
    count = scale.of(200, 20)
    start = time.time_ns() - count * 1000 * MILLISECOND
    work = list(batches(count, 1000, devices(250, 4), start))
    readings = sum(map(len, work))
    sealed, encode = _timed(lambda: [seal(i + 1, batch) for i, batch in enumerate(work)])
    _, decode = _timed(lambda: [envelope.decode(message) for message in sealed])
    packed, raw_encode = _timed(lambda: [_pack(batch) for batch in work])
    _, raw_decode = _timed(lambda: [_unpack(message) for message in packed])
    plain = sum(_plain(message) for message in sealed) / readings
    raw_plain = sum(map(_content, packed)) / readings
    return [
        Measured("envelope_encode", readings / encode, readings / raw_encode),
        Measured("envelope_decode", readings / decode, readings / raw_decode),
        Measured("envelope_plain", plain, raw_plain),
        Measured(
            "envelope_packed", sum(map(len, sealed)) / readings, sum(map(len, packed)) / readings
        ),
    ]


def _timed(work: Callable[[], list[T]]) -> tuple[list[T], float]:
    """Return what `work` makes and the seconds of its fastest of three runs."""
    fastest, made = float("inf"), []
    for _ in range(3):
        began = time.perf_counter()
        made = work()
        fastest = min(fastest, time.perf_counter() - began)
    return made, fastest


def seal(number: int, batch: ReadingBatch) -> bytes:
    """Write a batch as the envelope that travels."""
    return envelope.encode(
        source=NODE,
        epoch="01J00000000000000000000000",
        lane=Lane.TELEMETRY,
        sequence=number,
        created=time.time_ns(),
        requires=0,
        events=[batch],
    )


def _plain(message: bytes) -> int:
    """Return the bytes of an envelope were its body not compressed."""
    body = envelope.open_sealed(message).stowed.body
    return len(message) - len(body) + _content(body)


def _content(body: bytes) -> int:
    return zstandard.get_frame_parameters(body).content_size


def _pack(batch: ReadingBatch) -> bytes:
    rows: list[_Row] = [
        (device, point, value, moment, 0)
        for device, point, value, moment in zip(
            batch.device, batch.point, batch.value, batch.source_time, strict=True
        )
    ]
    return zstandard.ZstdCompressor(level=_LEVEL).compress(msgspec.msgpack.encode(rows))


def _unpack(message: bytes) -> ReadingBatch:
    plain = zstandard.ZstdDecompressor().decompress(message)
    rows = msgspec.msgpack.decode(plain, type=list[_Row])
    device, point, value, moment, _ = zip(*rows, strict=True)
    return ReadingBatch(
        device=list(device), point=list(point), value=list(value), source_time=list(moment)
    )
