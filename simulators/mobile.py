"""A sensor on wheels: a body whose points `lon` and `lat` follow a road."""

from registry.model import SECOND, Time, Value
from simulators.body import Body
from simulators.cast import Role
from simulators.siting import Route

_SECONDS_AN_HOUR = 3600.0


class MobileBody(Body):
    """A body that drives to and fro; `speed_kmh` is its speed on the ground."""

    def __init__(
        self, role: Role, seed: int, start: Time, *, road: Route, speed_kmh: float
    ) -> None:
        super().__init__(role, seed, start)
        self._road = road
        self._speed = speed_kmh

    def show(self, now: Time) -> dict[str, Value]:
        """Return the value of every point, `lon` and `lat` in degrees where the road leads."""
        km = self._speed * (now - self._start) / SECOND / _SECONDS_AN_HOUR
        lon, lat = self._road.at(km)
        return {**super().show(now), "lon": lon, "lat": lat}
