"""Threshold rules with hysteresis: a reading in, what changed out. No I/O, no clock."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple

from registry.model import Comparison, Device, ThresholdRule, Time, Value


class Verdict(Enum):
    """What a reading did to a rule."""

    RAISE = "raise"
    CLEAR = "clear"


class Crossing(NamedTuple):
    """A rule changed its mind about one point of one device."""

    rule: ThresholdRule
    device: str
    point: str
    verdict: Verdict
    value: float
    time: Time


def applies(rule: ThresholdRule, device: Device) -> bool:
    """Tell whether `rule` speaks of `device`: every given selector must match."""
    return (
        rule.enabled
        and (rule.device is None or rule.device == device.id)
        and (rule.category is None or rule.category == device.category)
        and (rule.tag is None or rule.tag in device.tags)
        and device.point(rule.point) is not None
    )


def breaches(rule: ThresholdRule, value: float) -> bool:
    """Tell whether `value` lies beyond the limit."""
    return value > rule.limit if rule.comparison is Comparison.ABOVE else value < rule.limit


def recovered(rule: ThresholdRule, value: float) -> bool:
    """Tell whether `value` is back past the limit by the hysteresis."""
    if rule.comparison is Comparison.ABOVE:
        return value <= rule.limit - rule.hysteresis
    return value >= rule.limit + rule.hysteresis


def alarm_key(rule: ThresholdRule, device: str) -> str:
    """What makes two breaches the same alarm while it is open."""
    return f"{rule.id}/{device}/{rule.point}"


class Thresholds:
    """Which rules are breached now. Open alarms are handed in at the start, so a restart
    neither raises again nor forgets to clear."""

    def __init__(self) -> None:
        self._rules: dict[str, ThresholdRule] = {}
        self._by_series: dict[tuple[str, str], tuple[ThresholdRule, ...]] = {}
        self._active: set[str] = set()

    def load(
        self,
        rules: Iterable[ThresholdRule],
        devices: Mapping[str, Device],
        open_keys: Iterable[str],
    ) -> None:
        """Take all rules, the devices they may speak of, and the keys of open alarms."""
        self._rules = {rule.id: rule for rule in rules}
        self._by_series = {}
        for device in devices.values():
            self.add(device)
        self._active = set(open_keys)

    def add(self, device: Device) -> None:
        """Take a new or changed device."""
        for point in device.points:
            self._by_series.pop((device.id, point.name), None)
        for rule in self._rules.values():
            if applies(rule, device):
                key = (device.id, rule.point)
                self._by_series[key] = (*self._by_series.get(key, ()), rule)

    def remove(self, device: Device) -> None:
        """Forget a device."""
        for point in device.points:
            self._by_series.pop((device.id, point.name), None)

    def active(self, key: str, *, is_active: bool) -> None:
        """Correct the state of one alarm key, when its alarm could not be stored."""
        if is_active:
            self._active.add(key)
        else:
            self._active.discard(key)

    def limits(self, device: str, point: str) -> tuple[ThresholdRule, ...]:
        """Return the rules that watch one point."""
        return self._by_series.get((device, point), ())

    @property
    def watched(self) -> Mapping[tuple[str, str], tuple[ThresholdRule, ...]]:
        """The rules by (device, point); the pipeline asks this before anything else."""
        return self._by_series

    def judge(self, device: str, point: str, value: Value | None, time: Time) -> list[Crossing]:
        """Return what a good reading changes; values that are no numbers change nothing."""
        if value is None or isinstance(value, str):
            return []
        number = float(value)
        changes = []
        for rule in self._by_series.get((device, point), ()):
            key = alarm_key(rule, device)
            if key not in self._active:
                if breaches(rule, number):
                    self._active.add(key)
                    changes.append(Crossing(rule, device, point, Verdict.RAISE, number, time))
            elif recovered(rule, number):
                self._active.discard(key)
                changes.append(Crossing(rule, device, point, Verdict.CLEAR, number, time))
        return changes
