"""What goes wrong in a scenario, and when: pure functions of the seconds since the start."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct


class Effect(StrEnum):
    """What an incident does to its device."""

    CROSSES = "crosses"
    STEPS = "steps"
    DIES = "dies"
    RETURNS = "returns"


class Incident(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happens `at` seconds after the start, again `every` so many seconds.

    `crosses` takes `point` to the value `to` within `ramp` seconds and back after `duration`;
    `steps` adds `by` to it for `duration` (or from then on); `dies` silences the device for
    `duration` (or until it `returns`).
    """

    at: Annotated[float, Meta(ge=0)]
    device: str
    effect: Effect
    duration: Annotated[float, Meta(gt=0)] | None = None
    every: Annotated[float, Meta(gt=0)] | None = None
    point: str | None = None
    to: float | None = None
    by: float | None = None
    ramp: Annotated[float, Meta(ge=0)] = 3.0


def since(incident: Incident, elapsed: float) -> float | None:
    """Return the seconds since the incident's latest occurrence, or None before the first."""
    if elapsed < incident.at:
        return None
    past = elapsed - incident.at
    return past % incident.every if incident.every else past


def alive(incidents: Iterable[Incident], elapsed: float) -> bool:
    """Tell whether a device with these incidents answers now."""
    latest: tuple[float, bool] | None = None
    for incident in incidents:
        past = since(incident, elapsed)
        if past is None or incident.effect not in (Effect.DIES, Effect.RETURNS):
            continue
        lives = incident.effect is Effect.RETURNS
        if not lives and incident.duration is not None and past >= incident.duration:
            past, lives = past - incident.duration, True
        if latest is None or past < latest[0]:
            latest = (past, lives)
    return latest is None or latest[1]


def bent(incidents: Iterable[Incident], point: str, elapsed: float, number: float) -> float:
    """Return a point's number as the incidents that are under way bend it."""
    for incident in incidents:
        past = since(incident, elapsed)
        if past is None or incident.point != point:
            continue
        if incident.effect is Effect.STEPS and incident.by is not None:
            if incident.duration is None or past < incident.duration:
                number += incident.by
        elif incident.effect is Effect.CROSSES and incident.to is not None:
            number += (incident.to - number) * _strength(incident, past)
    return number


def _strength(incident: Incident, past: float) -> float:
    """Return 0 to 1: rises for `ramp` seconds, holds, falls for `ramp` after `duration`."""
    ramp = incident.ramp or 1e-9
    rise = min(1.0, past / ramp)
    if incident.duration is None or past <= incident.duration:
        return rise
    return max(0.0, 1.0 - (past - incident.duration) / ramp)
