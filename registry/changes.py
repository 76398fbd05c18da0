"""What differs between two versions of a device, and which differences are refused."""

from typing import Final

import msgspec

from registry.model import Device, Fault, Lifecycle

_FIELDS: Final = tuple(field.name for field in msgspec.structs.fields(Device))


def changed_fields(old: Device, new: Device) -> tuple[str, ...]:
    """Return the names of the fields in which two versions differ, in declared order."""
    return tuple(name for name in _FIELDS if getattr(old, name) != getattr(new, name))


def refusals(old: Device, new: Device) -> list[Fault]:
    """Return why `new` may not replace `old`.

    A point keeps its type, and an id keeps its home until the device has been retired.
    """
    faults = [
        Fault(
            where=f"points[{point.name}].type",
            message=f"device {new.id} has this point as {before.type}; a type never changes",
            expected=f"{before.type}, or a point with a new name",
        )
        for point in new.points
        if (before := old.point(point.name)) is not None and before.type is not point.type
    ]
    if old.home != new.home and old.lifecycle is not Lifecycle.RETIRED:
        faults.append(
            Fault(
                where="home",
                message=f"device {new.id} belongs to {old.home}",
                expected=f"{old.home}, or retire the device there first",
            )
        )
    return faults
