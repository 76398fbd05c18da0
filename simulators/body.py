"""A simulated device without its protocol: what it shows, what it lets itself be told."""

import math

from registry.model import SECOND, Time, Value, ValueType
from simulators import incidents as happening
from simulators.cast import Role
from simulators.scenario import PointPlan
from simulators.signals import Series, limited, own_base, seed_of, value


class Rejected(ValueError):
    """A device will not take what it was told; the text says why."""


class Body:
    """The state of one device; all times are UTC nanoseconds and never run backwards."""

    def __init__(self, role: Role, seed: int, start: Time) -> None:
        self.role = role
        self._start = start
        self._points = {point.name: point for point in role.profile.points}
        self._series = {
            point.name: Series(
                shape=point.signal, seed=seed_of(seed, role.id, point.name), start=start
            )
            for point in role.profile.points
        }
        self._told: dict[str, Value] = {
            name: _typed(point, own_base(self._series[name]))
            for name, point in self._points.items()
            if point.writable
        }
        self._followed: dict[str, tuple[Time, float]] = {}

    def alive(self, now: Time) -> bool:
        """Tell whether the device answers at all."""
        return happening.alive(self.role.incidents, self._elapsed(now))

    def show(self, now: Time) -> dict[str, Value]:
        """Return the value of every point."""
        return {name: self._value(name, now) for name in self._points}

    def told(self) -> dict[str, Value]:
        """Return the values of the writable points."""
        return dict(self._told)

    def tell(self, point: str, wanted: Value) -> Value:
        """Set a writable point and return the value taken.

        Raises:
            Rejected: there is no such point, it is read-only, or the value does not fit.
        """
        plan = self._points.get(point)
        if plan is None:
            raise Rejected(f"no point {point!r}; there are {', '.join(self._points)}")
        if not plan.writable:
            raise Rejected(f"point {point!r} is read-only")
        taken = _fitting(plan, wanted)
        self._told[point] = taken
        return taken

    def reset(self) -> None:
        """Set every writable point to what it was at the start."""
        for name in self._told:
            self._told[name] = _typed(self._points[name], own_base(self._series[name]))

    def _elapsed(self, now: Time) -> float:
        return (now - self._start) / SECOND

    def _value(self, name: str, now: Time) -> Value:
        if name in self._told:
            return self._told[name]
        point = self._points[name]
        number = value(self._series[name], now) + self._follow(point, now)
        number = limited(point.signal, number)
        number = happening.bent(self.role.incidents, name, self._elapsed(now), number)
        return _typed(point, number)

    def _follow(self, point: PointPlan, now: Time) -> float:
        """Return what following another point adds: it nears its aim with time constant lag."""
        shape = point.signal
        if shape.follows is None:
            return 0.0
        aim = shape.gain * float(self._told[shape.follows])
        then, was = self._followed.get(point.name, (now, aim))
        share = 1 - math.exp(-(now - then) / SECOND / shape.lag) if shape.lag else 1.0
        reached = was + (aim - was) * share
        self._followed[point.name] = (now, reached)
        return reached


def _typed(point: PointPlan, number: float) -> Value:
    if point.type is ValueType.BOOL:
        return number >= 0.5
    if point.type is ValueType.INT:
        return round(number)
    return round(number, point.signal.digits)


def _fitting(point: PointPlan, wanted: Value) -> Value:
    if point.type is ValueType.BOOL:
        if not isinstance(wanted, bool):
            raise Rejected(f"point {point.name!r} takes true or false, not {wanted!r}")
        return wanted
    if isinstance(wanted, bool | str) or not math.isfinite(wanted):
        raise Rejected(f"point {point.name!r} takes a number, not {wanted!r}")
    if point.range is not None and not point.range.low <= wanted <= point.range.high:
        limits = f"{point.range.low:g} to {point.range.high:g}"
        raise Rejected(f"point {point.name!r} takes {limits}, not {wanted:g}")
    if point.type is ValueType.INT:
        if wanted != int(wanted):
            raise Rejected(f"point {point.name!r} takes whole numbers, not {wanted:g}")
        return int(wanted)
    return float(wanted)
