"""The cast of a scenario: every simulated device, with its id, its place and its incidents."""

from collections.abc import Iterator

from msgspec import Struct, structs

from registry.model import ValueType, device_id
from simulators.incidents import Incident
from simulators.province.geography import to_lonlat
from simulators.province.world import areas, centre
from simulators.registers import Cell, RawType, Table, width_of
from simulators.scenario import Group, PointPlan, ProfilePlan, Scenario, Wire
from simulators.signals import seed_of
from simulators.siting import Site, counties_of, route, site, site_around


class Role(Struct, frozen=True, kw_only=True):
    """One simulated device. `unit` is its Modbus unit, 0 elsewhere; `mobile` if it drives."""

    local: str
    node: str
    protocol: Wire
    name: str
    profile: ProfilePlan
    site: Site
    key_point: bool = False
    tags: tuple[str, ...] = ()
    unit: int = 0
    mobile: bool = False
    incidents: tuple[Incident, ...] = ()

    @property
    def id(self) -> str:
        """The device's id in the registry."""
        return device_id(self.node, self.local)

    @property
    def dies(self) -> bool:
        """Tell whether some incident ever silences the device."""
        return any(incident.point is None for incident in self.incidents)


def cast(scenario: Scenario) -> list[Role]:
    """Return every device that is played over MQTT, Modbus or OPC UA, in the file's order.

    The scenario must have passed its check.
    """
    incidents: dict[str, list[Incident]] = {}
    for incident in scenario.incidents:
        incidents.setdefault(incident.device, []).append(incident)
    units: dict[str, int] = {}
    roles = []
    for role in _all(scenario):
        unit = 0
        if role.protocol is Wire.MODBUS:
            unit = units[role.node] = units.get(role.node, 0) + 1
        own = tuple(incidents.get(role.local, ()))
        roles.append(structs.replace(role, unit=unit, incidents=own))
    return roles


def _all(scenario: Scenario) -> Iterator[Role]:
    for group in scenario.groups:
        profile = scenario.profile(group.profile)
        if profile is not None:
            yield from _group(group, profile, scenario.seed)
    mobile = scenario.mobile
    if mobile is None:
        return
    profile = scenario.profile(mobile.profile)
    road = route(mobile.area)
    if profile is None or road is None:
        return
    lon, lat = road.at(0)
    yield Role(
        local=mobile.local,
        node=mobile.node,
        protocol=Wire.MQTT,
        name=mobile.name,
        profile=profile,
        site=Site(lon=lon, lat=lat, area=mobile.area),
        tags=tuple(mobile.tags),
        mobile=True,
    )


def _group(group: Group, profile: ProfilePlan, seed: int) -> Iterator[Role]:
    names = {area.code: area.name for area in areas()}
    own = seed_of(seed, group.name)
    spots: list[tuple[str, int, Site]] = []
    if group.place is not None:
        for i in range(group.count):
            spots.append(("at", i, site_around(group.place, i, group.spread, own)))
    for area in group.areas:
        for i in range(group.count):
            found = site(area, i, group.near, group.spread, own)
            spots.append((_short(area), i, found))
    for short, i, spot in spots:
        yield Role(
            local=f"{group.name}-{short}-{i + 1:02d}",
            node=group.node,
            protocol=group.protocol,
            name=f"{names[spot.area]}{profile.title} {i + 1:02d}",
            profile=profile,
            site=spot,
            key_point=i < group.key_points,
            tags=tuple(group.tags),
        )


def _short(area: str) -> str:
    """Return what a local name says of an area: `07` for a city, `0721` for a county."""
    tail = area[2:]
    return tail[:2] if tail.endswith("00") and tail != "0000" else tail


def cells(profile: ProfilePlan) -> dict[str, Cell]:
    """Lay the points of a profile into Modbus tables, in order and without gaps.

    Writable numbers become holding registers, others input registers; writable switches
    become coils, others discrete inputs.
    """
    free = dict.fromkeys(Table, 0)
    laid = {}
    for point in profile.points:
        kind = raw_type(point)
        table = _table(kind, point.writable)
        laid[point.name] = Cell(
            point=point.name,
            table=table,
            register=free[table],
            type=kind,
            order=point.raw.order,
            scale=point.raw.scale,
            offset=point.raw.offset,
        )
        free[table] += width_of(kind)
    return laid


def raw_type(point: PointPlan) -> RawType:
    """Return the raw type of a point: its own, or the usual one for its value type."""
    if point.raw.type is not None:
        return point.raw.type
    usual = {ValueType.BOOL: RawType.BOOL, ValueType.INT: RawType.INT16}
    return usual.get(point.type, RawType.FLOAT32)


def _table(kind: RawType, writable: bool) -> Table:
    if kind is RawType.BOOL:
        return Table.COIL if writable else Table.DISCRETE
    return Table.HOLDING if writable else Table.INPUT


def seats(area: str) -> list[tuple[float, float]]:
    """Return longitude and latitude of the seats of an area's counties."""
    return [to_lonlat(*centre(code)) for code in counties_of(area)]
