"""Fit: a batch of readings against the registry. Pure: no I/O, time is an argument.

What fits becomes samples for the stores; what does not is set aside with a reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Final

from gateway.history import Sample
from gateway.roster import PointFit
from registry.model import (
    MINUTE,
    SECOND,
    Misfit,
    MisfitReason,
    Quality,
    Reading,
    ReadingBatch,
    Time,
    Value,
    ValueType,
)

AHEAD: Final[Time] = 5 * MINUTE
"""A source time further ahead of the node than this is `uncertain: clock`."""
BEHIND: Final[Time] = 946_684_800 * SECOND
"""A source time before the year 2000 is `uncertain: clock`."""
_LATEST_TIME: Final[Time] = (1 << 63) - 1
_LOWEST: Final = -(1 << 63)


@dataclass(slots=True)
class Fitted:
    """The outcome of a fit."""

    samples: list[Sample] = field(default_factory=list)
    aside: list[Sample] = field(default_factory=list)
    misfits: list[Misfit] = field(default_factory=list)


class Fit:
    """Judges one batch after the other for one node."""

    def __init__(self, fits: Mapping[str, Mapping[str, PointFit]]) -> None:
        self._fits = fits

    def own(self, batch: ReadingBatch, source: str, now: Time) -> Fitted:
        """Fit readings of this node's own devices: known, of the right type, plausible."""
        return self._run(batch, source, now, judge=True)

    def takes(self, reading: Reading) -> bool:
        """Tell whether a reading's device and point are known and its value is of their type."""
        fit = self._fits.get(reading.device, {}).get(reading.point)
        return fit is not None and (reading.value is None or type(reading.value) in fit.types)

    def cascaded(self, batch: ReadingBatch, source: str, now: Time) -> Fitted:
        """Fit readings that their home has judged already: known, of the right type."""
        return self._run(batch, source, now, judge=False)

    def _run(self, batch: ReadingBatch, source: str, now: Time, *, judge: bool) -> Fitted:
        result = Fitted()
        add = result.samples.append
        fits = self._fits
        received = batch.received_time or now
        points, values, times = batch.point, batch.value, batch.source_time
        qualities, reasons = batch.quality, batch.reason
        ahead = now + AHEAD
        for i, device in enumerate(batch.device):
            point, value, time = points[i], values[i], times[i] or received
            quality = qualities[i] if qualities else 0
            reason = reasons[i] if reasons else ""
            known = fits.get(device)
            fit = known.get(point) if known is not None else None
            if fit is None or (value is not None and type(value) not in fit.types):
                self._set_aside(
                    result, Sample(device, point, value, quality, reason, time, received), source
                )
                continue
            if type(value) is int and fit.type is ValueType.FLOAT:
                value = _as_float(value)
            elif type(value) is str:
                value = _storable(value)
            elif type(value) is int and not _LOWEST <= value <= _LATEST_TIME:
                value, quality, reason = None, int(Quality.BAD), "beyond 64 bits"
            if judge:
                value, quality, reason = _judge(fit, value, quality, reason)
                if not BEHIND <= time <= ahead:
                    quality, reason = max(quality, int(Quality.UNCERTAIN)), "clock"
                    time = min(max(time, 0), _LATEST_TIME)
            add(Sample(device, point, value, quality, reason, time, received))
        return result

    def _set_aside(self, result: Fitted, sample: Sample, source: str) -> None:
        known = self._fits.get(sample.device)
        if known is None:
            reason = MisfitReason.UNKNOWN_DEVICE
            detail = f"device {sample.device} is not in the registry: import it, or fix its id"
        elif sample.point not in known:
            reason = MisfitReason.UNKNOWN_POINT
            detail = f"device {sample.device} has no point {sample.point}: add it to the device"
        else:
            reason = MisfitReason.WRONG_TYPE
            wanted = known[sample.point].type.value
            detail = f"{sample.point} is of type {wanted}, got {type(sample.value).__name__}"
        result.aside.append(
            sample._replace(
                device=_storable(sample.device),
                point=_storable(sample.point),
                value=_storable_value(sample.value),
            )
        )
        if len(result.misfits) < 32:
            result.misfits.append(
                Misfit(
                    source=source,
                    reason=reason,
                    detail=detail,
                    time=sample.received_time,
                    device=_storable(sample.device),
                    point=_storable(sample.point),
                    sample=_storable(str(sample.value)[:512]),
                )
            )


def _storable(text: str) -> str:
    """Return text that a database takes: halves of characters become question marks."""
    return text.encode("utf-8", "replace").decode()


def _storable_value(value: Value | None) -> Value | None:
    if isinstance(value, str):
        return _storable(value)
    if type(value) is int and not _LOWEST <= value <= _LATEST_TIME:
        return str(value)[:512]
    return value


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return inf


def _judge(
    fit: PointFit, value: Value | None, quality: int, reason: str
) -> tuple[Value | None, int, str]:
    """Return value, quality and reason as plausibility demands."""
    if value is None:
        return (None, quality or int(Quality.BAD), reason or "no value")
    if isinstance(value, str):
        return value, quality, reason
    if not isfinite(value):
        return None, int(Quality.BAD), "not a number"
    if not fit.low <= value <= fit.high:
        return value, max(quality, int(Quality.UNCERTAIN)), reason or "range"
    return value, quality, reason
