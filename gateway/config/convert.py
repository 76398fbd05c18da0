"""From plain data (YAML, JSON) to typed structs, reporting every mistake at once.

`msgspec.convert` stops at the first mistake; an operator wants them all. Structs, and lists,
tuples and mappings of structs, are walked; leaves are converted by msgspec.
"""

import difflib
import types
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from registry.model import Fault, Faulty

T = TypeVar("T", bound=Struct)


def convert(data: object, kind: type[T], where: str = "") -> T:
    """Build a `kind` from `data`.

    Raises:
        Faulty: with every mistake, each with its path and what was expected.
    """
    faults: list[Fault] = []
    built = _struct(data, kind, where, faults)
    if faults:
        raise Faulty(faults)
    return cast(T, built)


def _struct(data: object, kind: type[Struct], where: str, faults: list[Fault]) -> Struct | None:
    if not isinstance(data, Mapping):
        faults.append(
            Fault(where=where or "document", message=f"is {_name(data)}", expected="a mapping")
        )
        return None
    known = {field.encode_name: field for field in fields(kind)}
    before = len(faults)
    for key in data:
        if key not in known:
            faults.append(_unknown(str(key), list(known), where))
    values: dict[str, Any] = {}
    for name, field in known.items():
        path = f"{where}.{name}" if where else name
        if name in data:
            values[field.name] = _value(data[name], field.type, path, faults)
        elif field.default is NODEFAULT and field.default_factory is NODEFAULT:
            faults.append(Fault(where=path, message="is missing", expected=describe(field.type)))
    if len(faults) > before:
        return None
    try:
        return kind(**values)
    except (ValueError, TypeError) as error:
        faults.append(Fault(where=where or "document", message=str(error)))
        return None


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
        text, _, place = str(error).partition(" - at `$")
        path = where + place.rstrip("`")
        faults.append(Fault(where=path, message=text, expected=describe(kind)))
        return None


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
    names: dict[type, str] = {dict: "a mapping", list: "a list", str: "text"}
    return names.get(type(data), type(data).__name__)
