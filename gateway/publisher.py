"""From commits to the change log that the screens follow."""

from collections.abc import Sequence

from gateway.api.changelog import ChangeLog, Changes
from gateway.history import Sample
from registry.model import Alarm, Command, Discovered, Event, Moved, Outcome, StatusChange


class Publisher:
    """A `pipeline.Listener` that publishes what a commit made true."""

    def __init__(self, changes: ChangeLog) -> None:
        self._changes = changes

    def committed(self, samples: Sequence[Sample], events: Sequence[Event]) -> None:
        if not samples and not events:
            return
        changes = Changes(latest=[(s[0], s[1], s[2], s[3], s[5]) for s in samples])
        if events:
            _add(changes, events)
        self._changes.publish(changes)


def _add(changes: Changes, events: Sequence[Event]) -> None:
    changes.status = [
        (e.device, e.state.value, e.since, e.cause) for e in events if isinstance(e, StatusChange)
    ]
    changes.moved = [
        (e.device, e.place.lon, e.place.lat, e.time) for e in events if isinstance(e, Moved)
    ]
    changes.alarms = [e.id for e in events if isinstance(e, Alarm)]
    changes.devices = [e.device.id for e in events if isinstance(e, Discovered)]
    changes.outcomes = [
        e.command if isinstance(e, Outcome) else e.id
        for e in events
        if isinstance(e, Outcome | Command)
    ]
