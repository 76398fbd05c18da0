"""Administrative areas (GB/T 2260 and its continuations to 12 digits)."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

AreaCode = Annotated[
    str,
    Meta(pattern=r"^(\d{6}|\d{9}|\d{12})$", description="GB/T 2260: 6, 9 or 12 digits."),
]


class AreaKind(StrEnum):
    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"
    TOWN = "town"
    VILLAGE = "village"


class Area(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One area; codes change with time, so each row carries its validity (ISO dates, end
    exclusive)."""

    code: AreaCode
    name: str
    kind: AreaKind
    parent: AreaCode | None = None
    name_en: str = ""
    valid_from: str | None = None
    valid_to: str | None = None


def subtree_prefix(code: str) -> str:
    """Return the prefix that all codes inside `code` share: `990100` -> `9901`."""
    if len(code) > 6:
        return code
    if code.endswith("0000"):
        return code[:2]
    return code[:4] if code.endswith("00") else code
