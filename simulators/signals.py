"""Made-up measurements: pure functions of a series and a time, the same for the same seed."""

import hashlib
import math
from typing import Annotated, Final

from msgspec import Meta, Struct

from registry.model import SECOND, Time

_MASK: Final = (1 << 64) - 1
_HOUR: Final = 3600.0
_COUNTER_ZERO: Final = 1_767_225_600.0  # 2026-01-01T00:00:00Z: counters count from here
_LOCAL_OFFSET: Final = 8 * _HOUR  # the fictional province keeps UTC+8

Positive = Annotated[float, Meta(gt=0)]
Amount = Annotated[float, Meta(ge=0)]


class Shape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a made-up measurement behaves, in the unit of its point.

    `vary` sets each device's own base within base +- vary. `trend` is the change in an hour
    since the start. `daily` is the amplitude of a wave of 24 h with its maximum at hour `peak`
    (UTC+8). `wander` is the amplitude of slow random change, a new direction about every
    `wander_period` seconds; `noise` the standard deviation of change from second to second.
    With `rate` (an hour) the series is a counter that only grows; `daily` is then the share, 0
    to 1, by which it runs faster at the peak. With `follows` it adds `gain` times the value of
    that writable point, reached with time constant `lag` seconds.
    """

    base: float = 0.0
    vary: Amount = 0.0
    trend: float = 0.0
    daily: Amount = 0.0
    peak: Annotated[float, Meta(ge=0, lt=24)] = 14.0
    wander: Amount = 0.0
    wander_period: Positive = 300.0
    noise: Amount = 0.0
    rate: Amount = 0.0
    low: float | None = None
    high: float | None = None
    digits: Annotated[int, Meta(ge=0, le=9)] = 2
    follows: str | None = None
    gain: float = 0.0
    lag: Amount = 0.0


class Series(Struct, frozen=True, kw_only=True):
    """A shape made particular: by a seed, and by the time its trend starts from."""

    shape: Shape
    seed: int
    start: Time


def seed_of(*parts: object) -> int:
    """Return 64 bits that depend on the parts alone, in every process alike."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def uniform(seed: int, index: int) -> float:
    """Return the `index`-th random number of a seed, 0 <= u < 1 (splitmix64)."""
    mixed = (seed + (index + 1) * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((mixed ^ (mixed >> 31)) >> 11) / (1 << 53)


def normal(seed: int, index: int) -> float:
    """Return the `index`-th random number of a seed, normally distributed, variance 1."""
    radius = math.sqrt(-2 * math.log(1 - uniform(seed, 2 * index)))
    return radius * math.cos(2 * math.pi * uniform(seed, 2 * index + 1))


def own_base(series: Series) -> float:
    """Return the base of this one device: within `vary` of the shape's."""
    shape = series.shape
    return shape.base + shape.vary * (2 * uniform(series.seed, -2) - 1)


def value(series: Series, time: Time) -> float:
    """Return what the series shows at `time`, limited but not rounded; `follows` is not added."""
    shape = series.shape
    seconds = time / SECOND
    if shape.rate > 0:
        return own_base(series) + shape.rate * _counted_hours(shape, seconds)
    result = own_base(series)
    result += shape.trend * (time - series.start) / SECOND / _HOUR
    result += shape.daily * math.cos(_day_angle(shape, seconds))
    if shape.wander:
        result += shape.wander * _smooth(series.seed ^ 0x57, seconds / shape.wander_period)
    if shape.noise:
        result += shape.noise * normal(series.seed ^ 0xA1, int(seconds))
    return limited(shape, result)


def limited(shape: Shape, number: float) -> float:
    """Return the number held between the shape's `low` and `high`."""
    if shape.low is not None:
        number = max(shape.low, number)
    if shape.high is not None:
        number = min(shape.high, number)
    return number


def _day_angle(shape: Shape, seconds: float) -> float:
    hours = (seconds + _LOCAL_OFFSET) / _HOUR - shape.peak
    return 2 * math.pi * (hours % 24) / 24


def _counted_hours(shape: Shape, seconds: float) -> float:
    hours = (seconds - _COUNTER_ZERO) / _HOUR
    share = min(1.0, shape.daily)
    return hours + share * 24 / (2 * math.pi) * math.sin(_day_angle(shape, seconds))


def _smooth(seed: int, position: float) -> float:
    """Return value noise, -1 to 1: random at whole positions, smooth between them."""
    whole = math.floor(position)
    share = position - whole
    share = share * share * (3 - 2 * share)
    before = uniform(seed, whole)
    after = uniform(seed, whole + 1)
    return 2 * (before + (after - before) * share) - 1
