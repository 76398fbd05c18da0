"""Looking at what a lower tier sends before it is handed on: may it speak of these devices?"""

from collections.abc import Callable, Sequence

from msgspec import Struct, structs

from registry.model import (
    Alarm,
    Detection,
    Device,
    Discovered,
    Event,
    Misfit,
    MisfitReason,
    Moved,
    Outcome,
    ReadingBatch,
    StatusChange,
    Time,
)

Permits = Callable[[str, str | Device], bool]
"""May this source speak of this device? The id asks for a known device, the Device for what the
source says about it: its home must be the source or a descendant, its area within the grant."""

_SAMPLE = 512


class Screened(Struct, frozen=True):
    """Events that may pass, misfits for those that may not included."""

    events: list[Event]
    refused: int


def screen(source: str, events: Sequence[Event], permits: Permits, now: Time) -> Screened:
    """Replace what `source` may not say by one misfit per device, and all events of kinds that
    never come from below (commands, acknowledgements) by one more; `refused` counts events and
    readings that were replaced. A misfit passes as one of `source`, whatever it names."""
    passed: list[Event] = []
    refused: dict[str, int] = {}
    strange = 0
    for event in events:
        if isinstance(event, ReadingBatch):
            passed += _screen_rows(source, event, permits, refused)
            continue
        if isinstance(event, Misfit):
            passed.append(structs.replace(event, source=source))
            continue
        subject = _subject(event)
        if subject is None:
            strange += 1
        elif permits(source, subject):
            passed.append(event)
        else:
            device = subject if isinstance(subject, str) else subject.id
            refused[device] = refused.get(device, 0) + 1
    passed += (forbidden(source, device, count, now) for device, count in refused.items())
    if strange:
        passed.append(_from_above_only(source, strange, now))
    return Screened(passed, sum(refused.values()) + strange)


def forbidden(source: str, device: str, count: int, now: Time) -> Misfit:
    """Return the misfit for `count` things that `source` said of a device that is not its own."""
    return Misfit(
        source=source,
        reason=MisfitReason.FORBIDDEN,
        detail=f"{count} events or readings refused: the device's home is not {source} or a node "
        f"below it, or its area lies outside the grant of {source}. Check both in the "
        "configuration of this node.",
        time=now,
        device=device,
    )


def unreadable(source: str, why: str, sample: str, now: Time) -> Misfit:
    """Return the misfit for something from `source` that cannot be read."""
    return Misfit(
        source=source,
        reason=MisfitReason.UNREADABLE,
        detail=f"From {source}: {why}. If the other node runs a newer version, upgrade this one.",
        time=now,
        sample=sample[:_SAMPLE],
    )


def _from_above_only(source: str, count: int, now: Time) -> Misfit:
    return Misfit(
        source=source,
        reason=MisfitReason.FORBIDDEN,
        detail=f"{count} events refused: commands and acknowledgements go down only, {source} sent "
        "them up. Check who uses the credential of that node.",
        time=now,
    )


def _subject(event: Event) -> str | Device | None:
    """Return the device that an event from below speaks of; None: no such event comes from
    below."""
    match event:
        case Discovered():
            return event.device
        case StatusChange() | Moved() | Detection() | Alarm() | Outcome():
            return event.device
    return None


def _screen_rows(
    source: str, batch: ReadingBatch, permits: Permits, refused: dict[str, int]
) -> list[ReadingBatch]:
    banned = {device for device in set(batch.device) if not permits(source, device)}
    if not banned:
        return [batch]
    kept = [i for i, device in enumerate(batch.device) if device not in banned]
    for device in batch.device:
        if device in banned:
            refused[device] = refused.get(device, 0) + 1
    if not kept:
        return []
    return [
        ReadingBatch(
            device=[batch.device[i] for i in kept],
            point=[batch.point[i] for i in kept],
            value=[batch.value[i] for i in kept],
            source_time=[batch.source_time[i] for i in kept],
            quality=None if batch.quality is None else [batch.quality[i] for i in kept],
            reason=None if batch.reason is None else [batch.reason[i] for i in kept],
            historical=batch.historical,
        )
    ]
