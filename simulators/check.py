"""What the types of a scenario cannot say: names that must exist, and numbers that must agree."""

from collections import Counter
from collections.abc import Iterable, Iterator

from registry.model import Comparison, Fault, ValueType
from simulators.cast import Role, cast, raw_type
from simulators.incidents import Effect, Incident
from simulators.registers import RawType
from simulators.scenario import Group, PointPlan, ProfilePlan, Scenario
from simulators.siting import counties_of, route

MAX_UNITS = 247


def check(scenario: Scenario) -> Iterator[Fault]:
    """Yield every mistake in a scenario whose types are right."""
    yield from _twice("nodes", "name", [node.name for node in scenario.nodes])
    yield from _twice("profiles", "name", [profile.name for profile in scenario.profiles])
    yield from _twice("groups", "name", [group.name for group in scenario.groups])
    yield from _twice("rules", "id", [rule.id for rule in scenario.rules])
    for i, profile in enumerate(scenario.profiles):
        yield from _profile(profile, f"profiles[{i}]")
    before = []
    for i, group in enumerate(scenario.groups):
        before += list(_group(scenario, group, f"groups[{i}]"))
    before += list(_mobile(scenario))
    before += list(_citizens(scenario))
    yield from before
    if before:
        return  # the cast cannot be named yet, so incidents cannot be judged
    roles = cast(scenario)
    yield from _units(roles)
    yield from _incidents(scenario, {role.local: role for role in roles})


def _twice(where: str, field: str, names: Iterable[str]) -> Iterator[Fault]:
    seen = Counter[str]()
    for i, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            yield Fault(
                where=f"{where}[{i}].{field}",
                message=f"{name!r} is used twice",
                expected="a name of its own",
            )


def _profile(profile: ProfilePlan, where: str) -> Iterator[Fault]:
    yield from _twice(f"{where}.points", "name", [p.name for p in profile.points])
    writable = [p.name for p in profile.points if p.writable]
    for i, point in enumerate(profile.points):
        yield from _point(point, writable, f"{where}.points[{i}]")


def _point(point: PointPlan, writable: list[str], where: str) -> Iterator[Fault]:
    followed = point.signal.follows
    if followed is not None and (followed not in writable or point.writable):
        yield Fault(
            where=f"{where}.signal.follows",
            message=f"{followed!r} cannot be followed",
            expected="a point that is not writable follows one that is: "
            + (", ".join(writable) or "there is none"),
        )
    low, high = point.signal.low, point.signal.high
    if low is not None and high is not None and low >= high:
        yield Fault(
            where=f"{where}.signal.low", message="is not below high", expected=f"less than {high}"
        )
    if point.range is not None and point.range.low >= point.range.high:
        yield Fault(
            where=f"{where}.range.low",
            message="is not below high",
            expected=f"less than {point.range.high}",
        )
    if point.raw.scale == 0:
        yield Fault(where=f"{where}.raw.scale", message="is 0", expected="another number")
    if point.type is ValueType.STR:
        yield Fault(
            where=f"{where}.type", message="text cannot be simulated", expected="float, int or bool"
        )
    if (point.type is ValueType.BOOL) != (raw_type(point) is RawType.BOOL):
        yield Fault(
            where=f"{where}.raw.type",
            message=f"{raw_type(point)} does not carry {point.type}",
            expected="bool for bool, another for numbers",
        )


def _home(scenario: Scenario, name: str, needs: str, where: str) -> Iterator[Fault]:
    node = scenario.node(name)
    if node is None:
        yield Fault(
            where=f"{where}.node",
            message=f"there is no node {name!r}",
            expected="one of " + ", ".join(n.name for n in scenario.nodes),
        )
    elif getattr(node, needs) is None:
        yield Fault(
            where=f"{where}.node",
            message=f"node {name!r} has no {needs!r}",
            expected=f"nodes[{scenario.nodes.index(node)}].{needs}",
        )


def _known_profile(scenario: Scenario, name: str, where: str) -> Iterator[Fault]:
    if scenario.profile(name) is None:
        yield Fault(
            where=f"{where}.profile",
            message=f"there is no profile {name!r}",
            expected="one of " + ", ".join(p.name for p in scenario.profiles),
        )


def _area(code: str, where: str) -> Iterator[Fault]:
    if not counties_of(code):
        yield Fault(
            where=where,
            message=f"the province has no area {code}",
            expected="990000, a city 990100 to 991100, or one of its counties",
        )


def _group(scenario: Scenario, group: Group, where: str) -> Iterator[Fault]:
    yield from _home(scenario, group.node, group.protocol, where)
    yield from _known_profile(scenario, group.profile, where)
    if bool(group.areas) == (group.place is not None):
        yield Fault(
            where=f"{where}.areas",
            message="where the devices stand is not clear",
            expected="either areas or place",
        )
    for i, code in enumerate(group.areas):
        yield from _area(code, f"{where}.areas[{i}]")


def _mobile(scenario: Scenario) -> Iterator[Fault]:
    mobile = scenario.mobile
    if mobile is None:
        return
    yield from _home(scenario, mobile.node, "mqtt", "mobile")
    yield from _known_profile(scenario, mobile.profile, "mobile")
    yield from _area(mobile.area, "mobile.area")
    if counties_of(mobile.area) and route(mobile.area) is None:
        yield Fault(
            where="mobile.area", message="no road runs there", expected="an area with a road"
        )
    profile = scenario.profile(mobile.profile)
    missing = [n for n in ("lon", "lat") if profile and n not in {p.name for p in profile.points}]
    if missing:
        yield Fault(
            where="mobile.profile",
            message=f"{mobile.profile!r} lacks {' and '.join(missing)}",
            expected="a profile with points lon and lat",
        )


def _citizens(scenario: Scenario) -> Iterator[Fault]:
    citizens = scenario.citizens
    if citizens is not None:
        yield from _home(scenario, citizens.node, "api", "citizens")
        yield from _area(citizens.area, "citizens.area")


def _units(roles: list[Role]) -> Iterator[Fault]:
    for role in roles:
        if role.unit == MAX_UNITS + 1:
            yield Fault(
                where="groups",
                message=f"node {role.node!r} has more Modbus units than a server can hold",
                expected=f"at most {MAX_UNITS}",
            )
    yield from _twice("devices", "local", [role.local for role in roles])


def _incidents(scenario: Scenario, roles: dict[str, Role]) -> Iterator[Fault]:
    for i, incident in enumerate(scenario.incidents):
        where = f"incidents[{i}]"
        role = roles.get(incident.device)
        if role is None:
            yield Fault(
                where=f"{where}.device",
                message=f"there is no device {incident.device!r}",
                expected="a local name <group>-<area>-<number>, for example "
                + next(iter(roles), "none: the scenario has no devices"),
            )
            continue
        yield from _times(incident, where)
        if incident.effect in (Effect.CROSSES, Effect.STEPS):
            yield from _bend(scenario, incident, role, where)
        elif incident.point is not None:
            yield Fault(
                where=f"{where}.point",
                message=f"{incident.effect} concerns the whole device",
                expected="no point",
            )


def _times(incident: Incident, where: str) -> Iterator[Fault]:
    if incident.every is not None and incident.duration is None:
        yield Fault(
            where=f"{where}.duration",
            message="is missing",
            expected="seconds, as the incident repeats",
        )
    spent = (incident.duration or 0) + (incident.ramp if incident.point else 0)
    if incident.every is not None and spent >= incident.every:
        yield Fault(
            where=f"{where}.every",
            message="the next one would begin before this one is over",
            expected=f"more than {spent:g}",
        )


def _bend(scenario: Scenario, incident: Incident, role: Role, where: str) -> Iterator[Fault]:
    point = next((p for p in role.profile.points if p.name == incident.point), None)
    if point is None or point.writable:
        names = ", ".join(p.name for p in role.profile.points if not p.writable)
        yield Fault(
            where=f"{where}.point",
            message=f"{incident.point!r} cannot be moved",
            expected=f"a measured point of {role.profile.name}: {names}",
        )
        return
    field = "to" if incident.effect is Effect.CROSSES else "by"
    if getattr(incident, field) is None:
        yield Fault(where=f"{where}.{field}", message="is missing", expected="a number")
    elif field == "to" and not _crosses(scenario, role, incident):
        yield Fault(
            where=f"{where}.to",
            message=f"{incident.to:g} crosses no rule's limit",
            expected=f"a number past the limit of a rule for {role.profile.category}.{point.name}",
        )


def _crosses(scenario: Scenario, role: Role, incident: Incident) -> bool:
    for rule in scenario.rules:
        fits = (
            rule.point == incident.point
            and rule.device in (None, role.id)
            and rule.category in (None, role.profile.category)
            and (rule.tag is None or rule.tag in role.tags)
        )
        if not fits or incident.to is None:
            continue
        above = rule.comparison is Comparison.ABOVE
        if incident.to > rule.limit if above else incident.to < rule.limit:
            return True
    return False
