"""What readings of own devices imply: who is online, which rules change, who has moved."""

import time
from collections.abc import Callable, Sequence

from edge_ai.threshold import Crossing, Thresholds, Verdict, alarm_key
from gateway.commit import Write
from gateway.fit import AHEAD
from gateway.history import Sample
from gateway.presence import Presence
from gateway.roster import Roster
from registry.model import Alarm, AlarmState, Quality, StatusChange, Time, ulid


class Conclusions:
    """Judges live samples; what it concluded is noted in the write, and void if that fails."""

    def __init__(
        self,
        node: str,
        now: Callable[[], Time],
        roster: Roster,
        thresholds: Thresholds,
        presence: Presence,
    ) -> None:
        self._node = node
        self._now = now
        self._roster = roster
        self._thresholds = thresholds
        self._presence = presence
        self._judged: dict[tuple[str, str], Time] = {}

    def statuses(self, write: Write, samples: Sequence[Sample]) -> list[StatusChange]:
        """Return who is online now that was not."""
        return self.heard(write, {s.device for s in samples})

    def heard(self, write: Write, devices: set[str]) -> list[StatusChange]:
        """Note that these devices live."""
        changes = self._presence.observed(devices, self._now(), time.monotonic_ns())
        write.told.update(change.device for change in changes)
        return changes

    def told(self, write: Write, word: StatusChange) -> list[StatusChange]:
        """Take the word of an adapter or of the supervisor for a device's state."""
        changes = self._presence.told(word, self._now(), time.monotonic_ns())
        write.told.update(change.device for change in changes)
        return changes

    def alarms(self, write: Write, samples: Sequence[Sample]) -> list[Alarm]:
        """Return what the rules make of samples; one that comes late is judged no more."""
        watched = self._thresholds.watched
        found: list[Alarm] = []
        for sample in samples:
            key = (sample[0], sample[1])
            if key not in watched or sample.quality >= Quality.BAD or self._late(key, sample):
                continue
            moment = sample.received_time if sample.reason == "clock" else sample.source_time
            crossings = self._thresholds.judge(*key, sample.value, moment)
            write.crossings += crossings
            found += [self._alarm(crossing) for crossing in crossings]
        return found

    def void(self, write: Write) -> None:
        """The write is not stored: rules and presence are what they were before it."""
        for crossing in write.crossings:
            key = alarm_key(crossing.rule, crossing.device)
            self._thresholds.active(key, is_active=crossing.verdict is Verdict.CLEAR)
        for sample in write.samples:
            self._judged.pop((sample.device, sample.point), None)
        self._presence.unsure(write.told)

    def _late(self, key: tuple[str, str], sample: Sample) -> bool:
        """Tell whether something newer was judged already (a clock that ran ahead aside)."""
        last = self._judged.get(key, 0)
        if sample.source_time < last <= sample.received_time + AHEAD:
            return True
        self._judged[key] = sample.source_time
        return False

    def _alarm(self, crossing: Crossing) -> Alarm:
        rule = crossing.rule
        known = self._roster.get(crossing.device)
        point = known.device.point(crossing.point) if known else None
        unit = f" {point.unit}" if point and point.unit else ""
        title = rule.title or (point.title if point and point.title else crossing.point)
        cleared = crossing.verdict is Verdict.CLEAR
        return Alarm(
            id=ulid(self._now()),
            key=alarm_key(rule, crossing.device),
            device=crossing.device,
            type="threshold",
            severity=rule.severity,
            state=AlarmState.CLEARED if cleared else AlarmState.RAISED,
            message=f"{title} {crossing.value:.6g}{unit}",
            raised_time=crossing.time,
            updated_time=crossing.time,
            cleared_time=crossing.time if cleared else 0,
            point=crossing.point,
            value=crossing.value,
            limit=rule.limit,
            rule=rule.id,
            source=self._node,
            area=known.device.area if known else None,
            place=known.device.place if known else None,
        )
