"""Plain data to Structs, telling every mistake and not only the first."""

import types
from enum import Enum
from typing import Annotated, Any, Final, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct

from registry.exchange.entry import Entry, join, nearest
from registry.model import Fault

T = TypeVar("T", bound=Struct)

_SHOWN: Final = 60


def build(kind: type[T], entry: Entry, faults: list[Fault], *, at: str = "") -> T | None:
    """Make a Struct of class `kind` from what `entry` holds at the path `at` (itself if empty).

    Returns None after adding to `faults` everything that is wrong.
    """
    value: Any = entry.value
    for step in at.split(".") if at else ():
        value = value[step]
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        pass  # the slow way below finds out where and what else
    found: list[Fault] = []
    made = _Builder(entry, found).struct(kind, value, at)
    faults += found
    return None if found else cast(T, made)


class _Builder:
    """Walks plain data along the types of a Struct."""

    def __init__(self, entry: Entry, faults: list[Fault]) -> None:
        self._entry = entry
        self._faults = faults

    def struct(self, kind: type[Struct], value: object, path: str) -> object:
        if not isinstance(value, dict):
            return self._wrong(path, value, "a mapping of " + ", ".join(kind.__struct_fields__))
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        for name in value.keys() - fields.keys():
            self._fault(join(path, str(name)), "is unknown", nearest(str(name), fields))
        made: dict[str, object] = {}
        for name, field in fields.items():
            if name in value:
                made[field.name] = self._any(field.type, value[name], join(path, name))
            elif field.default is NODEFAULT and field.default_factory is NODEFAULT:
                self._fault(join(path, name), "is missing", _wanted(field.type))
        if self._faults:
            return None
        return kind(**made)

    def _any(self, kind: Any, value: object, path: str) -> object:
        bare = _bare(kind)
        if value is None and type(None) in get_args(bare):
            return None
        inner = _struct_in(bare)
        if inner is not None:
            return self.struct(inner, value, path)
        item = _item_struct(bare)
        if item is not None:
            if not isinstance(value, (list, tuple)):
                return self._wrong(path, value, "a list")
            return tuple(self.struct(item, v, f"{path}[{n}]") for n, v in enumerate(value))
        if get_origin(bare) is dict:
            return self._mapping(bare, value, path)
        if isinstance(value, list) and get_origin(bare) is tuple:
            one = get_args(bare)[0]
            return tuple(self._leaf(one, v, f"{path}[{n}]") for n, v in enumerate(value))
        return self._leaf(kind, value, path)

    def _mapping(self, kind: Any, value: object, path: str) -> object:
        if not isinstance(value, dict):
            return self._wrong(path, value, "a mapping")
        one = get_args(kind)[1]
        return {str(key): self._leaf(one, v, join(path, str(key))) for key, v in value.items()}

    def _leaf(self, kind: Any, value: object, path: str) -> object:
        if path in self._entry.texts and _is_text(kind):
            value = self._entry.texts[path]
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            return self._wrong(path, value, _wanted(kind))

    def _wrong(self, path: str, value: object, expected: str) -> object:
        self._fault(path, f"{_short(value)} does not fit", expected)
        return None

    def _fault(self, path: str, message: str, expected: str) -> None:
        self._faults.append(self._entry.fault(path, message, expected))


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _struct_in(kind: Any) -> type[Struct] | None:
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    return next((o for o in options if isinstance(o, type) and issubclass(o, Struct)), None)


def _item_struct(kind: Any) -> type[Struct] | None:
    if get_origin(kind) is not tuple:
        return None
    return _struct_in(get_args(kind)[0])


def _is_text(kind: Any) -> bool:
    bare = _bare(kind)
    if get_origin(bare) in (Union, types.UnionType):
        options = {_bare(option) for option in get_args(bare)} - {type(None)}
        return options == {str}
    return isinstance(bare, type) and issubclass(bare, str)


def _wanted(kind: Any) -> str:
    """Say in words what values a type takes."""
    bare = _bare(kind)
    for option in (bare, *get_args(bare)):
        if isinstance(option, type) and issubclass(option, Enum):
            return "one of " + ", ".join(str(member.value) for member in option)
    schema = msgspec.json.schema(kind)
    for option in schema.get("anyOf", ()):
        schema = schema if option.get("type") == "null" else {**schema, **option}
    words = [str(schema.get("type", "a value"))]
    for key, sign in _SIGNS:
        if key in schema:
            words.append(f"{sign} {schema[key]}")
    return ", ".join(words)


_SIGNS: Final = (
    ("pattern", "like"),
    ("minLength", "characters at least"),
    ("maxLength", "characters at most"),
    ("minimum", ">="),
    ("exclusiveMinimum", ">"),
    ("maximum", "<="),
    ("exclusiveMaximum", "<"),
)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
