"""Reading a configuration file: YAML, `${ENV}` and `file:` secrets, then the typed structs."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import yaml
from msgspec.structs import replace

from gateway.config.convert import convert
from gateway.config.model import Role, Settings
from registry.model import Fault, Faulty

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_LARGEST: Final = 1 << 20


def load(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check a configuration file.

    `${NAME}` and `${NAME:-default}` are taken from the environment, `file:PATH` is replaced by
    the file's content without the final line break; PATH is relative to the configuration file.

    Raises:
        Faulty: with every mistake, each with its path and what was expected.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise Faulty(
            [Fault(where=str(path), message=f"cannot be read: {error.strerror}")]
        ) from error
    settings = parse(text, path.parent, os.environ if environment is None else environment)
    folder = settings.data.folder or f"data/{settings.node.name}"
    return replace(settings, data=replace(settings.data, folder=str(path.parent / folder)))


def parse(text: bytes, base: Path, environment: Mapping[str, str]) -> Settings:
    """Check a configuration text; `base` is the folder that `file:` paths start from.

    Raises:
        Faulty: with every mistake.
    """
    if len(text) > _LARGEST:
        raise Faulty([Fault(where="document", message="is larger than 1 MiB")])
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Faulty([_yaml_fault(error)]) from error
    faults: list[Fault] = []
    data = _resolve(data, "", _secrets(base, environment, faults))
    try:
        settings = convert(data, Settings)
    except Faulty as error:
        raise Faulty([*faults, *error.faults]) from None
    faults += _contradictions(settings)
    if faults:
        raise Faulty(faults)
    return settings


def _yaml_fault(error: yaml.YAMLError) -> Fault:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "document"
    problem = getattr(error, "problem", None) or str(error)
    return Fault(where=where, message=str(problem), expected="YAML")


def _resolve(data: object, where: str, text: Callable[[str, str], str]) -> object:
    if isinstance(data, str):
        return text(data, where)
    if isinstance(data, dict):
        return {k: _resolve(v, f"{where}.{k}" if where else str(k), text) for k, v in data.items()}
    if isinstance(data, list):
        return [_resolve(v, f"{where}[{i}]", text) for i, v in enumerate(data)]
    return data


def _secrets(
    base: Path, environment: Mapping[str, str], faults: list[Fault]
) -> Callable[[str, str], str]:
    """Return the function that fills in variables and files, noting what is missing."""

    def fill(match: re.Match[str], where: str) -> str:
        value = environment.get(match[1], match[2])
        if value is None:
            faults.append(
                Fault(where=where, message=f"the environment has no {match[1]}", expected="set it")
            )
            return ""
        return value

    def text(value: str, where: str) -> str:
        value = _VARIABLE.sub(lambda match: fill(match, where), value)
        if not value.startswith("file:"):
            return value
        path = base / value.removeprefix("file:")
        try:
            return path.read_text().rstrip("\r\n")
        except OSError as error:
            faults.append(
                Fault(
                    where=where,
                    message=f"{path} cannot be read: {error.strerror}",
                    expected="a file with the secret",
                )
            )
            return ""

    return text


def _contradictions(settings: Settings) -> list[Fault]:
    """What is right by itself and wrong together."""
    faults: list[Fault] = []
    upper, lower = settings.upper, settings.lower
    if upper is not None and upper.credential not in settings.credentials:
        faults.append(_no_credential("upper.credential", upper.credential, settings))
    if upper is not None and settings.node.role is Role.PROVINCE:
        faults.append(Fault(where="upper", message="a province has no upper tier"))
    if upper is not None and upper.name == settings.node.name:
        faults.append(Fault(where="upper.name", message="is this node itself"))
    if lower is None:
        return faults
    if not lower.url and settings.broker is None:
        faults.append(
            Fault(
                where="lower.url",
                message="is missing, and no broker is embedded",
                expected="a broker's URL here, or a `broker` section",
            )
        )
    if lower.credential is not None and lower.credential not in settings.credentials:
        faults.append(_no_credential("lower.credential", lower.credential, settings))
    names = [node.name for node in lower.nodes]
    for i, name in enumerate(names):
        if name in names[:i]:
            faults.append(Fault(where=f"lower.nodes[{i}].name", message=f"{name} is there twice"))
    return faults


def _no_credential(where: str, name: str, settings: Settings) -> Fault:
    known = ", ".join(sorted(settings.credentials)) or "none defined"
    return Fault(where=where, message=f"no credential is called {name!r}", expected=known)
