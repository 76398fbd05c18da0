"""MQTT into a receiver in its own process: shared by the benchmarks of messages and of CPU."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.children import mosquitto, python, running
from benchmarks.figure import Scale, middle, say
from benchmarks.workload import TOPIC

_POINTS: Final = 4
_STATIONS: Final = 100
_BILLION: Final = 1e9


@dataclass(frozen=True)
class Intake:
    """How a receiver did: messages a second, and its CPU milliseconds a message."""

    rate: float
    cpu: float


@dataclass(frozen=True)
class Pair:
    """The middle of several rounds: our edge, and paho receiving only."""

    ours: Intake
    raw: Intake


async def compare(folder: Path, scale: Scale, messages: int, rate: float = 0.0) -> Pair:
    """Let edge and paho take the same messages in turn; `rate` a second, 0: all that come."""
    ours, raw = [], []
    for turn in range(scale.of(3, 1)):
        raw.append(await _round(folder, f"raw-{turn}", messages, rate, ours=False))
        ours.append(await _round(folder, f"edge-{turn}", messages, rate, ours=True))
    return Pair(_middle(ours), _middle(raw))


async def _round(folder: Path, name: str, messages: int, rate: float, *, ours: bool) -> Intake:
    place = folder / f"{name}-{rate:.0f}"
    place.mkdir()
    patience = 60 + messages / 200
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(mosquitto(place))
        if ours:
            command = python(
                "benchmarks.peers.edge", place / "data", port, messages * _POINTS,
                "--stations", _STATIONS, "--points", _POINTS,
            )  # fmt: skip
        else:
            topic = TOPIC.replace("{local}", "+")
            command = python("benchmarks.peers.paho_receiver", port, topic, messages)
        receiver = await stack.enter_async_context(running(name, command, place))
        publishing = python(
            "benchmarks.peers.publisher", port, messages,
            "--stations", _STATIONS, "--points", _POINTS, "--rate", rate,
        )  # fmt: skip
        publisher = await stack.enter_async_context(running("publisher", publishing, place))
        await receiver.line()
        await publisher.line(patience)
        publisher.go()
        sent = await publisher.answer(patience)
        came = await receiver.answer(patience)
    seconds = (came["ended"] - sent["began"]) / _BILLION
    found = Intake(messages / seconds, came["cpu"] * 1000 / messages)
    say(f"   {name}: {found.rate:,.0f} messages/s, {found.cpu:.4f} ms CPU each")
    return found


def _middle(rounds: Sequence[Intake]) -> Intake:
    return Intake(middle([r.rate for r in rounds]), middle([r.cpu for r in rounds]))
