"""The configuration described: JSON Schema for editors, a table for people."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import fields

from gateway.config.convert import describe, strip
from gateway.config.model import Settings


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration file."""
    document = msgspec.json.schema(Settings)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ganzhi configuration",
        **document,
    }


def markdown() -> str:
    """Return the reference of all settings as a Markdown table (docs/configuration.md)."""
    lines = [
        "# Configuration reference",
        "",
        "Written by `ganzhi schema --format markdown`; do not edit by hand.",
        "`${NAME}` and `${NAME:-default}` are taken from the environment; `file:PATH` stands for",
        "the content of a file, relative to the configuration file.",
        "",
        "| setting | holds | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| `{path}` | {kind} | {default} | {text} |" for path, kind, default, text in rows()]
    return "\n".join(lines) + "\n"


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Yield (path, what it holds, default, meaning) of every setting."""
    yield from _rows(Settings, "")


def _rows(kind: type[Struct], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for field in fields(kind):
        path = f"{prefix}{field.name}"
        inner, suffix = _inner(field.type)
        yield path, _escape(describe(field.type)), _default(field), _escape(meaning(field.type))
        if isinstance(inner, type) and issubclass(inner, Struct):
            yield from _rows(inner, f"{path}{suffix}.")


def _inner(kind: Any) -> tuple[Any, str]:
    stripped = strip(kind)
    origin, arguments = get_origin(stripped), get_args(stripped)
    if origin in (list, tuple):
        return strip(arguments[0]), "[]"
    if origin is dict:
        return strip(arguments[1]), ".NAME"
    return stripped, ""


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is NODEFAULT:
        return "required" if field.default_factory is NODEFAULT else "none"
    if isinstance(field.default, Struct) or field.default in (None, (), ""):
        return "none"
    return f"`{msgspec.json.encode(field.default).decode()}`"


def meaning(kind: Any) -> str:
    """Return the description a setting was annotated with."""
    if get_origin(kind) is Annotated:
        for meta in get_args(kind)[1:]:
            if isinstance(meta, Meta) and meta.description:
                return meta.description
    return ""


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
