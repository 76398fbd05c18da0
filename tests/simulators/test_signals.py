"""Series are the same in every process, stay in their limits, and do what their shape says."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from registry.model import SECOND, from_rfc3339
from simulators.signals import Series, Shape, seed_of, uniform, value

START = from_rfc3339("2026-03-18T00:00:00Z")
ROOT = Path(__file__).parents[2]
RICH = Shape(base=5, vary=2, trend=1, daily=1, wander=1, noise=0.5, low=0, high=9)


def at(shape: Shape, seconds: float, seed: int = 1) -> float:
    return value(Series(shape=shape, seed=seed, start=START), START + int(seconds * SECOND))


def test_the_same_in_another_process() -> None:
    code = (
        "from tests.simulators.test_signals import *;"
        "print(repr([at(RICH, s, seed_of('a', 'b')) for s in range(0, 900, 60)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == repr([at(RICH, s, seed_of("a", "b")) for s in range(0, 900, 60)])


def test_seeds_differ() -> None:
    assert at(RICH, 10, seed=1) != at(RICH, 10, seed=2)
    assert seed_of(1, "a") != seed_of(1, "b")


@given(st.integers(0, 2**64 - 1), st.integers(-(2**40), 2**40))
def test_uniform_is_in_its_range(seed: int, index: int) -> None:
    assert 0 <= uniform(seed, index) < 1


@given(st.floats(0, 1e7), st.integers(0, 2**64 - 1))
def test_limits_hold(seconds: float, seed: int) -> None:
    assert 0 <= at(RICH, seconds, seed) <= 9


def test_trend_is_an_hour() -> None:
    shape = Shape(base=5, trend=2)
    assert at(shape, 0) == 5
    assert abs(at(shape, 3600) - 7) < 1e-9


def test_day_has_its_peak_at_the_hour() -> None:
    shape = Shape(daily=3, peak=14)
    peak = 6 * 3600  # 14:00 at UTC+8
    assert abs(at(shape, peak) - 3) < 1e-9
    assert abs(at(shape, peak + 12 * 3600) + 3) < 1e-9


def test_counter_only_grows_and_keeps_its_rate() -> None:
    shape = Shape(base=100, rate=18, daily=0.9, peak=20)
    day = [at(shape, 3600 * hour) for hour in range(25)]
    assert all(a < b for a, b in pairwise(day))
    assert abs(day[24] - day[0] - 18 * 24) < 1e-6


def test_wander_is_smooth() -> None:
    shape = Shape(wander=10, wander_period=300)
    steps = [abs(at(shape, s + 1) - at(shape, s)) for s in range(600)]
    assert 0 < max(steps) < 0.2
