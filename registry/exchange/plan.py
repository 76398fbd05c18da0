"""What an import would do, before it is done."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from registry.changes import changed_fields, refusals
from registry.model import Device, Fault, Lifecycle


class Edit(Struct, frozen=True, kw_only=True):
    """One changed device: its versions and the fields that differ."""

    before: Device
    after: Device
    fields: tuple[str, ...]


class Difference(Struct, frozen=True, kw_only=True):
    """What is new, changed, the same, or retired, and what the registry would refuse.

    `retired` holds devices as they will be, tombstones; `faults` names each by its id.
    """

    new: tuple[Device, ...]
    changed: tuple[Edit, ...]
    same: tuple[str, ...]
    retired: tuple[Device, ...]
    faults: tuple[Fault, ...] = ()

    @property
    def devices(self) -> tuple[Device, ...]:
        """Everything that has to be stored, retirements first: they give codes free."""
        return (*self.retired, *(edit.after for edit in self.changed), *self.new)


def difference(
    current: Iterable[Device],
    wanted: Iterable[Device],
    *,
    retire_missing_of: str | None = None,
) -> Difference:
    """Compare the registry with a file.

    `retire_missing_of` names a home whose devices the file holds completely: those missing are
    retired. Without it nothing is retired but what the file says is retired.
    """
    have = {device.id: device for device in current}
    new, changed, same = [], [], []
    faults: list[Fault] = []
    seen: set[str] = set()
    for device in wanted:
        seen.add(device.id)
        old = have.get(device.id)
        if old is None:
            new.append(device)
        elif fields := changed_fields(old, device):
            changed.append(Edit(before=old, after=device, fields=fields))
            faults += [_named(device, fault) for fault in refusals(old, device)]
        else:
            same.append(device.id)
    retired = [
        msgspec.structs.replace(device, lifecycle=Lifecycle.RETIRED)
        for device in have.values()
        if device.home == retire_missing_of
        and device.id not in seen
        and device.lifecycle is not Lifecycle.RETIRED
    ]
    after = {**have, **{d.id: d for d in (*retired, *(e.after for e in changed), *new)}}
    faults += _code_conflicts(after.values(), seen)
    return Difference(
        new=tuple(new),
        changed=tuple(changed),
        same=tuple(same),
        retired=tuple(retired),
        faults=tuple(faults),
    )


def _code_conflicts(devices: Iterable[Device], seen: set[str]) -> list[Fault]:
    owners: dict[tuple[str, str], str] = {}
    faults = []
    alive = [device for device in devices if device.lifecycle is not Lifecycle.RETIRED]
    for device in sorted(alive, key=lambda device: device.id in seen):
        for scheme, value in device.codes.items():
            owner = owners.setdefault((scheme, value), device.id)
            if owner != device.id:
                message = f"{value} already belongs to device {owner}"
                fault = Fault(where=f"codes.{scheme}", message=message, expected="another code")
                faults.append(_named(device, fault))
    return faults


def _named(device: Device, fault: Fault) -> Fault:
    return msgspec.structs.replace(fault, where=f"{device.id}: {fault.where}")
