"""Presence: the one place where a device's run state is derived at its home.

Inputs: data that arrives, what an adapter says of a device, what the supervisor says of an
endpoint, silence against the declared cadence, and lifecycle. Output: status changes with
cause and since. Pure: time is an argument (UTC nanoseconds for `since`, monotonic
nanoseconds for ages, so that a corrected clock makes nobody silent).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from registry.model import SECOND, Device, DeviceState, Lifecycle, StatusChange, Time

DEGRADED_AFTER: Final = 3.0
OFFLINE_AFTER: Final = 6.0
"""Silence in cadences after which a device counts as degraded, then as offline."""
SHORTEST_SILENCE: Final = 5 * SECOND


@dataclass(slots=True)
class _Known:
    state: DeviceState
    since: Time
    cause: str
    cadence: Time
    maintenance: bool
    seen: Time | None = None
    seen_at: Time = 0
    unstored: bool = False


def _cadence(device: Device) -> Time:
    """The shortest declared cadence, in nanoseconds; 0 when the device owes no regular data."""
    cadences = [p.cadence for p in device.points if p.cadence is not None]
    return int(min(cadences) * SECOND) if cadences else 0


class Presence:
    """States of the devices whose home is this node."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._known: dict[str, _Known] = {}
        self._due: list[StatusChange] = []

    def load(
        self, device: Device, last: StatusChange | None, now: Time, monotonic: Time
    ) -> StatusChange | None:
        """Take a device that is new or changed; returns its first status when it has none.

        Silence of a device that was online before a restart counts from the restart.
        """
        known = self._known.get(device.id)
        maintenance = device.lifecycle is Lifecycle.MAINTENANCE
        if known is None:
            state = last.state if last else DeviceState.UNKNOWN
            since = last.since if last else now
            known = _Known(state, since, last.cause if last else "", 0, maintenance)
            if state in (DeviceState.ONLINE, DeviceState.DEGRADED):
                known.seen = monotonic
            self._known[device.id] = known
        known.cadence = _cadence(device)
        known.maintenance = maintenance
        if maintenance:
            return self._change(device.id, known, DeviceState.MAINTENANCE, now, "maintenance")
        if known.state is DeviceState.MAINTENANCE:
            return self._change(device.id, known, DeviceState.UNKNOWN, now, "maintenance ended")
        if last is None and known.state is DeviceState.UNKNOWN and not known.cause:
            known.cause = "no data yet"
            return self._status(device.id, known)
        return None

    def reload(self, device: Device, now: Time, monotonic: Time) -> None:
        """Take an edited device; what follows from it is told by the next `tick`."""
        change = self.load(device, None, now, monotonic)
        if change is not None:
            self._due.append(change)

    def unsure(self, devices: Iterable[str]) -> None:
        """A status of these devices could not be stored: whatever comes next is news."""
        for device in devices:
            known = self._known.get(device)
            if known is not None:
                known.unstored = True

    def forget(self, device: str) -> None:
        """Drop a removed device."""
        self._known.pop(device, None)
        self._due = [change for change in self._due if change.device != device]

    def observed(self, devices: Iterable[str], now: Time, monotonic: Time) -> list[StatusChange]:
        """Data of these devices arrived: they are online."""
        changes = []
        for device in devices:
            known = self._known.get(device)
            if known is None:
                continue
            known.seen = monotonic
            known.seen_at = now
            if not known.maintenance:
                changes += self._changed(device, known, DeviceState.ONLINE, now, "data arrives")
        return changes

    def told(self, word: StatusChange, now: Time, monotonic: Time) -> list[StatusChange]:
        """An adapter or the supervisor says how a device is."""
        known = self._known.get(word.device)
        if known is None or known.maintenance:
            return []
        if word.state is DeviceState.ONLINE:
            known.seen, known.seen_at = monotonic, now
        return self._changed(word.device, known, word.state, now, word.cause)

    def tick(self, now: Time, monotonic: Time) -> list[StatusChange]:
        """Find who has been silent for too long."""
        due, self._due = self._due, []
        changes = [change for change in due if change.state is self._known[change.device].state]
        for device, known in self._known.items():
            if not known.cadence or known.seen is None or known.maintenance:
                continue
            silent = monotonic - known.seen
            wanted = _judge_silence(silent, known.cadence)
            worse = wanted is DeviceState.OFFLINE or known.state is DeviceState.ONLINE
            if (
                wanted is not DeviceState.ONLINE
                and worse
                and known.state is not DeviceState.OFFLINE
            ):
                cause = (
                    f"no data for {silent // SECOND} s"
                    f" (expected every {known.cadence / SECOND:g} s)"
                )
                changes += self._changed(device, known, wanted, now, cause)
        return changes

    def current(self, device: str) -> StatusChange | None:
        """Return how a device is now; safe on any thread."""
        known = self._known.get(device)
        return self._status(device, known) if known is not None else None

    def seen(self) -> Mapping[str, Time]:
        """Return when data of each device last arrived (UTC nanoseconds), to be stored."""
        return {device: known.seen_at for device, known in self._known.items() if known.seen_at}

    def states(self) -> Mapping[str, DeviceState]:
        """Return the present state of each device."""
        return {device: known.state for device, known in self._known.items()}

    def _changed(
        self, device: str, known: _Known, state: DeviceState, now: Time, cause: str
    ) -> list[StatusChange]:
        change = self._change(device, known, state, now, cause)
        return [change] if change else []

    def _change(
        self, device: str, known: _Known, state: DeviceState, now: Time, cause: str
    ) -> StatusChange | None:
        if known.state is state and not known.unstored:
            return None
        if known.state is not state:
            known.state, known.since, known.cause = state, now, cause
        known.unstored = False
        return self._status(device, known)

    def _status(self, device: str, known: _Known) -> StatusChange:
        return StatusChange(
            device=device,
            state=known.state,
            since=known.since,
            cause=known.cause,
            source=self._node,
        )


def _judge_silence(silent: Time, cadence: Time) -> DeviceState:
    if silent > max(SHORTEST_SILENCE * 2, int(cadence * OFFLINE_AFTER)):
        return DeviceState.OFFLINE
    if silent > max(SHORTEST_SILENCE, int(cadence * DEGRADED_AFTER)):
        return DeviceState.DEGRADED
    return DeviceState.ONLINE
