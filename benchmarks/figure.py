"""What a benchmark measures: figures with the raw library's figure beside them, and a target."""

import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeVar

T = TypeVar("T")


class Failed(Exception):
    """A benchmark could not be run; the text says why. Missing a target is no failure."""


@dataclass(frozen=True)
class Target:
    """A bound on the value itself, or on its ratio to the raw library's figure."""

    limit: float
    on: Literal["value", "ratio"]
    sense: Literal["at least", "at most"]

    def met(self, value: float, ratio: float) -> bool:
        """Tell whether a measured figure keeps the bound."""
        measured = value if self.on == "value" else ratio
        return measured >= self.limit if self.sense == "at least" else measured <= self.limit

    def __str__(self) -> str:
        sign = ">=" if self.sense == "at least" else "<="
        return f"{self.on} {sign} {self.limit:,g}"


@dataclass(frozen=True)
class Figure:
    """One number that a benchmark brings. `raw` says what the library alone does."""

    name: str
    unit: str
    raw: str
    target: Target


@dataclass(frozen=True)
class Measured:
    """A figure's outcome, in its unit: ours and the raw library's."""

    name: str
    value: float
    raw: float

    @property
    def ratio(self) -> float:
        """Ours divided by the raw library's."""
        return self.value / self.raw if self.raw else float("nan")


@dataclass(frozen=True)
class Scale:
    """How long to measure: `quick` only shows that everything runs."""

    quick: bool = False

    def of(self, full: T, quick: T) -> T:
        """Choose between the size of a real measurement and that of a quick one."""
        return quick if self.quick else full


Run = Callable[[Scale, Path], Any]
"""`async def run(scale, folder) -> Sequence[Measured]`; `folder` is empty and on the real disk."""


def middle(values: Sequence[float]) -> float:
    """Return the median of several rounds."""
    return median(values)


def line(figure: Figure, found: Measured) -> str:
    """Write a figure for people."""
    met = "yes" if figure.target.met(found.value, found.ratio) else "NO"
    return (
        f"{figure.name:<24} {_short(found.value):>11} {figure.unit:<13}"
        f" raw {_short(found.raw):>11}  ratio {found.ratio:>7.3f}"
        f"  target {figure.target!s:<16} met {met}"
    )


def record(figure: Figure, found: Measured, scale: Scale) -> dict[str, object]:
    """Write a figure for machines: one line of results.jsonl."""
    return {
        "name": figure.name,
        "value": found.value,
        "unit": figure.unit,
        "raw": found.raw,
        "ratio": found.ratio,
        "target": figure.target.limit,
        "target_on": figure.target.on,
        "target_sense": figure.target.sense,
        "met": figure.target.met(found.value, found.ratio),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "quick": scale.quick,
    }


def say(text: str) -> None:
    """Tell the progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"
