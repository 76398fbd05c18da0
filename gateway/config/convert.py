"""From plain data (YAML, JSON) to typed structs, reporting every mistake at once.

`msgspec.convert` stops at the first mistake; an operator wants them all. Structs, and lists,
tuples and mappings of structs, are walked; leaves are converted by msgspec.
"""

import difflib
import re
import types
from collections.abc import Mapping
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from registry.model import Fault

_SHOWN: Final = 40
_SECRET: Final = re.compile(r"(^|\.)(password|secret|token)s?(\[\d+\])?$")
_LOGIN: Final = re.compile(r"//[^/@\s]*@")
_STEP: Final = re.compile(r"\[(\d+)\]")


def parts(data: object, kind: type[Struct]) -> tuple[dict[str, Any], list[Fault]]:
    """Build the fields of a `kind` one by one.

    Returns those that could be built, defaults too, and every mistake. Without a mistake the
    parts make a `kind`.
    """
    faults: list[Fault] = []
    values = _fields(data, kind, "", faults)
    for field in fields(kind):
        if field.name in values or (isinstance(data, Mapping) and field.encode_name in data):
            continue
        if field.default is not NODEFAULT:
            values[field.name] = field.default
        elif field.default_factory is not NODEFAULT:
            values[field.name] = field.default_factory()
    return values, faults


def _struct(data: object, kind: type[Struct], where: str, faults: list[Fault]) -> Struct | None:
    before = len(faults)
    values = _fields(data, kind, where, faults)
    if len(faults) > before:
        return None
    try:
        return kind(**values)
    except (ValueError, TypeError) as error:
        faults.append(Fault(where=where or "document", message=str(error)))
        return None


def _fields(data: object, kind: type[Struct], where: str, faults: list[Fault]) -> dict[str, Any]:
    """Return the fields that `data` gives and that are right."""
    if not isinstance(data, Mapping):
        faults.append(
            Fault(where=where or "document", message=f"is {_name(data)}", expected="a mapping")
        )
        return {}
    known = {field.encode_name: field for field in fields(kind)}
    for key in data:
        if key not in known:
            faults.append(_unknown(str(key), list(known), where))
    values: dict[str, Any] = {}
    for name, field in known.items():
        path = f"{where}.{name}" if where else name
        if name in data:
            before = len(faults)
            value = _value(data[name], field.type, path, faults)
            if len(faults) == before:
                values[field.name] = value
        elif field.default is NODEFAULT and field.default_factory is NODEFAULT:
            faults.append(Fault(where=path, message="is missing", expected=describe(field.type)))
    return values


def _unknown(key: str, known: list[str], where: str) -> Fault:
    near = difflib.get_close_matches(key, known, 1)
    expected = f"{near[0]}?" if near else "one of " + ", ".join(sorted(known))
    return Fault(
        where=f"{where}.{key}" if where else key, message="is no setting", expected=expected
    )


def _value(data: object, kind: Any, where: str, faults: list[Fault]) -> object:
    inner = strip(kind)
    if isinstance(inner, type) and issubclass(inner, Struct):
        return None if data is None and _optional(kind) else _struct(data, inner, where, faults)
    origin, arguments = get_origin(inner), get_args(inner)
    if origin in (list, tuple) and _is_struct(arguments[0]) and isinstance(data, list):
        items = [_value(v, arguments[0], f"{where}[{i}]", faults) for i, v in enumerate(data)]
        return tuple(items) if origin is tuple else items
    if origin is dict and _is_struct(arguments[1]) and isinstance(data, Mapping):
        return {str(k): _value(v, arguments[1], f"{where}.{k}", faults) for k, v in data.items()}
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        place = str(error).partition(" - at `$")[2].rstrip("`")
        faults.append(_misfit(data, kind, where, place))
        return None


def _misfit(data: object, kind: Any, where: str, place: str) -> Fault:
    """Say what stands at `place` (`[2]`, or empty: all of it) of a value that does not fit."""
    step = _STEP.fullmatch(place)
    if step is not None and isinstance(data, list):
        data, kind = data[int(step[1])], get_args(strip(kind))[0]
    path = where + place
    word = _name(data) if _SECRET.search(path) else show(data)
    return Fault(where=path, message=f"is {word}", expected=describe(kind))


def show(data: object) -> str:
    """Write a value for a message: short, and without the login of a URL."""
    if isinstance(data, bool):
        return str(data).lower()
    if isinstance(data, (int, float)):
        return str(data)[:_SHOWN]
    if not isinstance(data, str):
        return _name(data)
    text = _LOGIN.sub("//...@", data)
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def strip(kind: Any) -> Any:
    """Return the type without `Annotated` and without `| None`."""
    if get_origin(kind) is Annotated:
        return strip(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        rest = [arg for arg in get_args(kind) if arg is not type(None)]
        if len(rest) == 1:
            return strip(rest[0])
    return kind


def _optional(kind: Any) -> bool:
    if get_origin(kind) is Annotated:
        return _optional(get_args(kind)[0])
    return get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind)


def _is_struct(kind: Any) -> bool:
    inner = strip(kind)
    return isinstance(inner, type) and issubclass(inner, Struct)


def describe(kind: Any) -> str:
    """Say in words what a setting of this type may hold."""
    schema = msgspec.json.schema(strip(kind))
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        definition = schema["$defs"][name]
        if "enum" in definition:
            return "one of " + ", ".join(map(str, definition["enum"]))
        return "a mapping"
    words = {
        "string": "text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "array": "a list",
        "object": "a mapping",
    }
    text = words.get(str(schema.get("type", "")), "a value")
    meta = get_args(kind)[1] if get_origin(kind) is Annotated else None
    if meta is not None:
        bounds = [
            f"{word} {value}"
            for word, value in (
                (">=", meta.ge),
                (">", meta.gt),
                ("<=", meta.le),
                ("<", meta.lt),
                ("like", meta.pattern),
            )
            if value is not None
        ]
        text = " ".join([text, *bounds])
    return f"{text} or nothing" if _optional(kind) else text


def _name(data: object) -> str:
    if data is None:
        return "empty"
    names: dict[type, str] = {
        dict: "a mapping",
        list: "a list",
        str: "text",
        int: "a number",
        float: "a number",
        bool: "true or false",
    }
    return names.get(type(data), type(data).__name__)
