"""An entry becomes a device: profile, templates, identity, coordinates converted at the door."""

import re
from collections.abc import Mapping, Set
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from registry.coordinates import Suspect, suspects, to_wgs84
from registry.exchange.build import build
from registry.exchange.entry import Entry, nearest
from registry.model import (
    CoordinateSystem,
    Device,
    Fault,
    Place,
    PlaceSource,
    Profile,
    RawPosition,
    device_id,
)

_OWN: Final = frozenset(("local", "id"))
_SLOT: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SHARED: Final = ("kind", "sensing", "category", "maker", "model", "capabilities", "points")


class GivenPlace(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place as people write it: in any system, or in WGS 84 with the raw pair beside it."""

    lon: float
    lat: float
    system: CoordinateSystem | None = None
    raw: RawPosition | None = None
    source: PlaceSource = PlaceSource.IMPORT
    altitude: float | None = None
    accuracy: Annotated[float, Meta(ge=0)] | None = None
    azimuth: Annotated[float, Meta(ge=0, lt=360)] | None = None
    view_angle: Annotated[float, Meta(gt=0, le=360)] | None = None
    address: str = ""


def variables(profile: Profile) -> Set[str]:
    """Return the names that a profile's addresses leave open, `{local}` and `{id}` aside.

    Those two stay in the address: its protocol fills them, so that like devices share a topic.
    """
    addresses = [profile.address, *(point.address for point in profile.points)]
    texts = (value for address in addresses for value in address.values())
    return {
        name
        for text in texts
        if isinstance(text, str)
        for name in _SLOT.findall(text)
        if name not in _OWN
    }


def make_device(
    entry: Entry, *, node: str, profiles: Mapping[str, Profile], faults: list[Fault]
) -> Device | None:
    """Make a device of an entry; None after adding to `faults` everything that is wrong.

    Beside the fields of Device an entry may hold `local` (the id becomes `<home>~<local>`),
    `profile` (fills what the entry leaves open) and `with` (fills the slots of the profile).
    """
    before = len(faults)
    data = dict(entry.value)
    name = data.pop("profile", None)
    given = data.pop("with", None) or {}
    if not isinstance(given, dict):
        faults.append(entry.fault("with", "is no mapping", "the slots of the profile"))
        return None
    if name is not None:
        profile = profiles.get(name) if isinstance(name, str) else None
        if profile is None:
            faults.append(_no_profile(str(name), profiles, entry))
            return None
        _check_slots(profile, given, entry, faults)
        _apply(profile, data, given)
    elif given:
        faults.append(entry.fault("with", "fills no profile", "a profile beside it"))
    _identify(data, node, entry, faults)
    place = _place(data, entry, faults)
    device = build(Device, msgspec.structs.replace(entry, value=data), faults)
    if device is None or len(faults) > before:
        return None
    return device if place is None else msgspec.structs.replace(device, place=place)


def _no_profile(name: str, profiles: Mapping[str, Profile], entry: Entry) -> Fault:
    if profiles:
        return entry.fault("profile", f"{name!r} is unknown", nearest(name, profiles))
    return entry.fault(
        "profile",
        f"{name!r} is unknown: no profile is known yet: import the document that holds it first"
        " (YAML, `profiles`)",
    )


def compact(device: Device, profiles: Mapping[str, Profile]) -> dict[str, Any]:
    """Return the shortest entry that makes exactly this device again."""
    full: dict[str, Any] = msgspec.to_builtins(device)
    link = device.link
    profile = profiles.get(link.profile) if link is not None and link.profile else None
    if profile is None or link is None:
        return full
    shared: dict[str, Any] = msgspec.to_builtins(profile)
    known = {key: shared[key] for key in _SHARED if key in shared}
    short = {key: v for key, v in full.items() if key not in known or v != known[key]}
    own = {k: v for k, v in link.address.items() if (k, v) not in profile.address.items()}
    rest = {k: v for k, v in full["link"].items() if k not in ("profile", "address")}
    short |= {"profile": profile.name, "link": {**rest, "address": own} if own else rest}
    entry = Entry(value=short, line=0, locate=str)
    again = make_device(entry, node=device.home, profiles=profiles, faults=[])
    return short if again == device else full


def _identify(data: dict[str, Any], node: str, entry: Entry, faults: list[Fault]) -> None:
    home = data.setdefault("home", node)
    local = data.pop("local", None)
    local = entry.texts.get("local", local)
    if local is None and "id" in data:
        return
    if local is None:
        faults.append(entry.fault("id", "is missing", "an id, or local: its name at its home"))
    elif "id" in data:
        faults.append(entry.fault("local", "is given beside an id", "one of the two"))
    elif "~" in str(local):
        faults.append(entry.fault("local", f"{local!r} holds a ~", "a name without it"))
    else:
        data["id"] = device_id(str(home), str(local))
    data.setdefault("id", "none")


def _check_slots(
    profile: Profile, given: Mapping[str, Any], entry: Entry, faults: list[Fault]
) -> None:
    wanted = variables(profile)
    for name in sorted(wanted - given.keys()):
        message = f"profile {profile.name} asks for it"
        faults.append(entry.fault(f"with.{name}", message, "a value"))
    for name in sorted(given.keys() - wanted):
        message = f"profile {profile.name} has no slot {name}"
        faults.append(entry.fault(f"with.{name}", message, nearest(name, wanted)))


def _apply(profile: Profile, data: dict[str, Any], given: Mapping[str, Any]) -> None:
    shared: dict[str, Any] = {"kind": profile.kind.value, **msgspec.to_builtins(profile)}
    if "points" in shared:
        shared["points"] = [
            {**point, "address": _filled(point.get("address", {}), given)}
            for point in shared["points"]
        ]
    for key in _SHARED:
        if key in shared:
            data.setdefault(key, shared[key])
    link = data.get("link")
    if isinstance(link, dict):
        own = link.get("address", {})
        address = {**_filled(profile.address, given), **own} if isinstance(own, dict) else own
        data["link"] = {**link, "address": address, "profile": profile.name}


def _filled(address: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _fill(value, given) for key, value in address.items()}


def _fill(template: Any, given: Mapping[str, Any]) -> Any:
    if not isinstance(template, str):
        return template
    whole = _SLOT.fullmatch(template)
    if whole and whole[1] in given:
        return given[whole[1]]
    return _SLOT.sub(lambda slot: str(given.get(slot[1], slot[0])), template)


def _place(data: dict[str, Any], entry: Entry, faults: list[Fault]) -> Place | None:
    place = data.get("place")
    if place is None or (isinstance(place, dict) and place.keys() <= {"system"}):
        data.pop("place", None)
        return None
    given = build(GivenPlace, entry, faults, at="place")
    del data["place"]
    if given is None:
        return None
    bad = suspects((given.lon, given.lat))
    for suspect in bad:
        faults.append(entry.fault("place.lon", *_SUSPECTS[suspect]))
    if given.raw is not None and given.system not in (None, CoordinateSystem.WGS84):
        faults.append(
            entry.fault(
                "place.system", "stands beside a raw pair", "wgs84: lon and lat are converted"
            )
        )
    if bad:
        return None
    system = given.system or CoordinateSystem.WGS84
    made = to_wgs84(
        RawPosition(lon=given.lon, lat=given.lat, system=system),
        source=given.source,
        altitude=given.altitude,
        accuracy=given.accuracy,
        azimuth=given.azimuth,
        view_angle=given.view_angle,
        address=given.address,
    )
    return made if given.raw is None else msgspec.structs.replace(made, raw=given.raw)


_SUSPECTS: Final = {
    Suspect.NOT_A_NUMBER: ("is no number", "degrees"),
    Suspect.ZERO: ("0, 0 lies in the Gulf of Guinea", "the position, or an empty cell if unknown"),
    Suspect.OUT_OF_RANGE: ("is no position", "lon within 180, lat within 90 degrees"),
    Suspect.SWAPPED: ("lon and lat seem to be swapped", "lon 73 to 138, lat 0 to 56 in China"),
    Suspect.OUTSIDE: ("lies outside the area of this node", "a position inside"),
}
