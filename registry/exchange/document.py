"""Import and export: a whole file to devices, areas, profiles and rules, and back."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, TypeVar

import msgspec
import yaml
from msgspec import Struct

from registry.exchange.build import build
from registry.exchange.devices import compact, make_device, variables
from registry.exchange.entry import Entry
from registry.exchange.table import read_table, write_table
from registry.exchange.text import decode
from registry.exchange.yaml_tree import Tree
from registry.model import Area, Device, Fault, Faulty, Profile, ThresholdRule

Check = Callable[[Device], Iterable[Fault]]
Format = Literal["csv", "yaml"]
T = TypeVar("T", Area, Profile, ThresholdRule)

MAX_FAULTS: Final = 5_000
_SECTIONS: Final[Mapping[str, type[Struct]]] = {
    "areas": Area,
    "profiles": Profile,
    "rules": ThresholdRule,
    "devices": Device,
}
_POINT: Final = re.compile(r"^points\[([^\]]+)\]")
_DUMPER: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Document(Struct, frozen=True, kw_only=True):
    """What a file holds; `lines` tells on which line each device begins, by id."""

    devices: tuple[Device, ...] = ()
    areas: tuple[Area, ...] = ()
    profiles: tuple[Profile, ...] = ()
    rules: tuple[ThresholdRule, ...] = ()
    lines: dict[str, int] = {}


def read_devices(
    data: str | bytes,
    format: Format,
    *,
    node: str,
    profiles: Mapping[str, Profile],
    check: Check | None = None,
) -> Document:
    """Read a device table (csv) or a document of devices, areas, profiles and rules (yaml).

    `node` is the home of devices that name none; `profiles` are those known already, which
    profiles of the file override; `check` judges a device's protocol addresses.

    Raises:
        Faulty: with everything that is wrong, the first 5,000 mistakes one by one.
    """
    text = decode(data)
    faults: list[Fault] = []
    if format == "csv":
        names = {name for profile in profiles.values() for name in variables(profile)}
        document = _devices(read_table(text, names, faults), node, profiles, check, faults)
    else:
        document = _read_yaml(text, node, profiles, check, faults)
    if len(faults) > MAX_FAULTS:
        more = Fault(where="file", message=f"{len(faults) - MAX_FAULTS} more mistakes")
        faults = [*faults[:MAX_FAULTS], more]
    if faults:
        raise Faulty(faults)
    return document


def write_csv(devices: Iterable[Device], *, profiles: Mapping[str, Profile] | None = None) -> str:
    """Write devices as a table that reads back as they are.

    With `profiles` a row of a device that its profile explains holds only what is its own.
    """
    return write_table(compact(device, profiles or {}) for device in devices)


def write_yaml(document: Document) -> str:
    """Write a document that reads back as it is; devices lean on the profiles it holds."""
    profiles = {profile.name: profile for profile in document.profiles}
    plain: dict[str, Any] = {
        "areas": [msgspec.to_builtins(area) for area in document.areas],
        "profiles": [msgspec.to_builtins(profile) for profile in document.profiles],
        "rules": [msgspec.to_builtins(rule) for rule in document.rules],
        "devices": [compact(device, profiles) for device in document.devices],
    }
    filled = {name: _listed(items) for name, items in plain.items() if items}
    if not filled:
        return ""
    return str(yaml.dump(filled, Dumper=_DUMPER, allow_unicode=True, sort_keys=False, width=100))


def _read_yaml(
    text: str,
    node: str,
    profiles: Mapping[str, Profile],
    check: Check | None,
    faults: list[Fault],
) -> Document:
    tree = Tree(text)
    nodes = tree.sections(_SECTIONS)

    def entries(name: str) -> Iterator[Entry]:
        return tree.entries(name, nodes[name], faults) if name in nodes else iter(())

    areas = _unique(Area, entries("areas"), _area_key, faults)
    own = _unique(Profile, entries("profiles"), lambda profile: profile.name, faults)
    rules = _unique(ThresholdRule, entries("rules"), lambda rule: rule.id, faults)
    known = {**profiles, **{profile.name: profile for profile in own}}
    document = _devices(entries("devices"), node, known, check, faults)
    return msgspec.structs.replace(document, areas=areas, profiles=own, rules=rules)


def _area_key(area: Area) -> str:
    return f"{area.code} from {area.valid_from}" if area.valid_from else area.code


def _unique(
    kind: type[T], entries: Iterable[Entry], key: Callable[[T], str], faults: list[Fault]
) -> tuple[T, ...]:
    made: dict[str, T] = {}
    for entry in entries:
        item = build(kind, entry, faults)
        if item is None:
            continue
        if key(item) in made:
            faults.append(entry.fault("", f"{key(item)} is given twice", "one of them"))
        made[key(item)] = item
    return tuple(made.values())


def _devices(
    entries: Iterable[Entry],
    node: str,
    profiles: Mapping[str, Profile],
    check: Check | None,
    faults: list[Fault],
) -> Document:
    devices: list[Device] = []
    lines: dict[str, int] = {}
    codes: dict[tuple[str, str], int] = {}
    for entry in entries:
        device = make_device(entry, node=node, profiles=profiles, faults=faults)
        if device is None:
            continue
        if device.id in lines:
            where = "id" if "id" in entry.value else "local"
            message = f"{device.id} stands on line {lines[device.id]} already"
            faults.append(entry.fault(where, message, "one line per device"))
        for scheme, value in device.codes.items():
            line = codes.setdefault((scheme, value), entry.line)
            if line != entry.line:
                message = f"{value} stands on line {line} already"
                faults.append(entry.fault(f"codes.{scheme}", message, "a code of its own"))
        lines[device.id] = entry.line
        devices.append(device)
        faults += _checked(device, entry, check)
    return Document(devices=tuple(devices), lines=lines)


def _checked(device: Device, entry: Entry, check: Check | None) -> Iterator[Fault]:
    names = {point.name: number for number, point in enumerate(device.points)}
    for fault in check(device) if check is not None else ():
        where = _POINT.sub(lambda m: f"points[{names.get(m[1], m[1])}]", fault.where)
        message = fault.message
        if where != fault.where:
            message = f"point {_POINT.findall(fault.where)[0]}: {message}"
        yield entry.fault(where, message, fault.expected)


def _listed(value: Any) -> Any:
    """Replace tuples by lists: the safe dumper knows no tuples."""
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_listed(item) for item in value]
    return value
