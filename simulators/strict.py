"""Turns plain data (as YAML gives it) into structs and names every mistake, not just the first."""

import re
import types
import typing
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final, TypeVar

import msgspec

from registry.model import Fault, Faulty

T = TypeVar("T", bound=msgspec.Struct)

_AT: Final = re.compile(r" - at `\$(.*)`$")


def convert(data: object, kind: type[T], where: str = "") -> T:
    """Return `data` as a `kind`.

    Raises:
        Faulty: with one fault for each field that is missing, unknown or of the wrong type.
    """
    faults = list(_faults(data, kind, where))
    if faults:
        raise Faulty(faults)
    return msgspec.convert(data, kind)


def _faults(data: object, kind: Any, where: str) -> Iterable[Fault]:
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        inner = typing.get_args(kind)[0]
        if typing.get_origin(inner) not in (list, tuple, dict):
            return _leaf(data, kind, where)
        yielded = list(_faults(data, inner, where))
        return yielded or _leaf(data, kind, where)
    if origin in (typing.Union, types.UnionType):
        return _union(data, kind, where)
    if origin in (list, tuple) and isinstance(data, list):
        item = typing.get_args(kind)[0]
        return _each(((f"{where}[{i}]", x) for i, x in enumerate(data)), item)
    if origin is dict and isinstance(data, dict):
        item = typing.get_args(kind)[1]
        return _each(((_join(where, str(k)), x) for k, x in data.items()), item)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(data, dict):
        return _fields(data, kind, where)
    return _leaf(data, kind, where)


def _union(data: object, kind: Any, where: str) -> Iterable[Fault]:
    choices = [choice for choice in typing.get_args(kind) if choice is not type(None)]
    if len(choices) == 1 and data is not None:
        return _faults(data, choices[0], where)
    return _leaf(data, kind, where)


def _each(items: Iterable[tuple[str, object]], kind: Any) -> Iterable[Fault]:
    for where, item in items:
        yield from _faults(item, kind, where)


def _fields(
    data: Mapping[object, object], kind: type[msgspec.Struct], where: str
) -> Iterable[Fault]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name in data:
        if name not in fields:
            known = ", ".join(fields)
            yield Fault(
                where=_join(where, str(name)),
                message="there is no such field",
                expected=f"one of {known}",
            )
    for name, field in fields.items():
        if name in data:
            yield from _faults(data[name], field.type, _join(where, name))
        elif field.required:
            yield Fault(
                where=_join(where, name), message="is missing", expected=_wanted(field.type)
            )


def _leaf(data: object, kind: Any, where: str) -> Iterable[Fault]:
    try:
        msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        at = _AT.search(text)
        if at:
            text = text[: at.start()]
        yield Fault(
            where=(where + (at.group(1) if at else "")) or "scenario",
            message=f"{_short(data)} does not fit",
            expected=_expected(text, kind),
        )


def _expected(text: str, kind: Any) -> str:
    if text.startswith("Invalid enum value"):
        return _wanted(kind)
    return text.removeprefix("Expected ").partition(", got ")[0].replace("`", "")


def _wanted(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Annotated:
        return _wanted(typing.get_args(kind)[0])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(str(member.value) for member in kind)
    if typing.get_origin(kind) is typing.Literal:
        return "one of " + ", ".join(str(choice) for choice in typing.get_args(kind))
    if isinstance(kind, type):
        plain = {"str": "text", "float": "a number", "int": "a whole number"}
        return plain.get(kind.__name__, kind.__name__)
    return "a list" if typing.get_origin(kind) in (list, tuple) else "a value"


def _short(data: object) -> str:
    text = repr(data)
    return text if len(text) <= 60 else text[:57] + "..."


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
