"""The roster: the registry in memory, as the hot path and the supervisor need it.

One writer (the event loop, after a commit); readers never wait. Listeners hear of each change.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace

from registry.model import Device, Lifecycle, Place, Point, ValueType

_TYPES: Final[dict[ValueType, frozenset[type]]] = {
    ValueType.FLOAT: frozenset((float, int)),
    ValueType.INT: frozenset((int,)),
    ValueType.BOOL: frozenset((bool,)),
    ValueType.STR: frozenset((str,)),
}


class PointFit(NamedTuple):
    """What the pipeline must know of a point to judge a value."""

    types: frozenset[type]
    type: ValueType
    low: float
    high: float


class Known(NamedTuple):
    """A device and the child node that delivered it (None: its home is this node)."""

    device: Device
    via: str | None


Listener = Callable[[Device | None, Device | None], None]
"""Called with (before, after); None means the device was not there, or is gone."""


def _fit(point: Point) -> PointFit:
    low = point.range.low if point.range else float("-inf")
    high = point.range.high if point.range else float("inf")
    return PointFit(_TYPES[point.type], point.type, low, high)


class Roster:
    """Devices by id, with what the fit needs by point."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._known: dict[str, Known] = {}
        self._fits: dict[str, dict[str, PointFit]] = {}
        self._listeners: list[Listener] = []

    def load(self, rows: Iterable[tuple[Device, str | None]]) -> None:
        """Take everything the registry holds; listeners are not called."""
        for device, via in rows:
            if device.lifecycle is not Lifecycle.RETIRED:
                self._known[device.id] = Known(device, via)
                self._fits[device.id] = {p.name: _fit(p) for p in device.points}

    def listen(self, listener: Listener) -> None:
        """Call `listener` on each change from now on."""
        self._listeners.append(listener)

    def apply(self, device: Device, via: str | None) -> None:
        """Take a new, changed or retired device."""
        before = self._known.get(device.id)
        if device.lifecycle is Lifecycle.RETIRED:
            self._known.pop(device.id, None)
            self._fits.pop(device.id, None)
            after = None
        else:
            self._known[device.id] = Known(device, via)
            self._fits[device.id] = {p.name: _fit(p) for p in device.points}
            after = device
        for listener in self._listeners:
            listener(before.device if before else None, after)

    def moved(self, device: str, place: Place) -> None:
        """A mobile device is somewhere else now; nobody but alarms asks for it here."""
        known = self._known.get(device)
        if known is not None:
            self._known[device] = Known(replace(known.device, place=place), known.via)

    @property
    def fits(self) -> Mapping[str, Mapping[str, PointFit]]:
        """By device and point, for the hot path."""
        return self._fits

    def get(self, device: str) -> Known | None:
        """Return a device, or None."""
        return self._known.get(device)

    def own(self) -> dict[str, Device]:
        """Return the devices whose home is this node."""
        return {k: known.device for k, known in self._known.items() if self.is_own(k)}

    def is_own(self, device: str) -> bool:
        """Tell whether this node owns the link of `device`."""
        known = self._known.get(device)
        return known is not None and known.device.home == self._node

    def under(self, child: str) -> list[str]:
        """Return the ids of the devices that came by the child node `child`."""
        return [k for k, known in self._known.items() if known.via == child]

    def __len__(self) -> int:
        return len(self._known)
