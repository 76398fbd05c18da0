"""Addresses of links and points, checked field by field; what all protocol folders share."""

import contextlib
import types
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from registry.model import Fault


def mistakes(kind: type[Struct], raw: Mapping[str, object], where: str) -> list[Fault]:
    """Return every mistake that keeps `raw` from being a `kind`, field by field."""
    with contextlib.suppress(msgspec.ValidationError):
        msgspec.convert(raw, kind)
        return []
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    faults = [
        Fault(where=f"{where}.{name}", message="unknown", expected=f"one of {', '.join(fields)}")
        for name in raw
        if name not in fields
    ]
    for name, field in fields.items():
        if name not in raw:
            if field.required:
                faults.append(Fault(where=f"{where}.{name}", message="missing"))
            continue
        try:
            msgspec.convert(raw[name], field.type)
        except msgspec.ValidationError as error:
            faults.append(
                Fault(where=f"{where}.{name}", message=str(error), expected=_choices(field.type))
            )
    return faults


def _choices(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Literal:
        return " or ".join(str(choice) for choice in get_args(kind))
    if origin in (Union, types.UnionType, Annotated):
        return " or ".join(filter(None, (_choices(part) for part in get_args(kind))))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(str(member.value) for member in kind)
    return ""
