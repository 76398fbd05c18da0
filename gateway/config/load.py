"""Reading a configuration file: YAML, `${ENV}` and `file:` secrets, then the typed structs."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import yaml
from msgspec.structs import replace

from gateway.api.settings import ApiSettings
from gateway.broker.settings import BrokerSettings
from gateway.config.convert import parts, show
from gateway.config.model import LowerTier, NodeSettings, Role, Settings, UpperSettings
from protocols.adapter import Credential
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
    data, faults = _read(text)
    data = _resolve(data, "", _secrets(base, environment, faults))
    built, wrong = parts(data, Settings)
    faults += [*wrong, *_contradictions(built)]
    if faults:
        raise Faulty(faults)
    return Settings(**built)


def _read(text: bytes) -> tuple[object, list[Fault]]:
    """Return the plain data of a YAML text, and the keys that are there twice.

    Raises:
        Faulty: it is no YAML.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise Faulty([_yaml_fault(error)]) from error
    except RecursionError as error:
        raise Faulty([Fault(where="document", message="is nested too deeply")]) from error
    return data, list(_twice(root, "", set()))


def _twice(node: yaml.Node | None, where: str, seen: set[int]) -> Iterator[Fault]:
    """Yield the keys that YAML lets win silently over an earlier one of the same name."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield from _twice(item, f"{where}[{i}]", seen)
    if not isinstance(node, yaml.MappingNode):
        return
    keys: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        path = f"{where}.{name}" if where else name
        if name in keys and isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            yield Fault(where=path, message=f"is there twice, again on line {line}")
        keys.add(name)
        yield from _twice(value, path, seen)


def _yaml_fault(error: Exception) -> Fault:
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


def _contradictions(built: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is right by itself and wrong together; `built` holds the parts that are right."""
    upper: UpperSettings | None = built.get("upper")
    lower: LowerTier | None = built.get("lower")
    credentials: Mapping[str, Credential] | None = built.get("credentials")
    if "node" in built and upper is not None:
        yield from _above(built["node"], upper)
    if credentials is not None:
        for where, tier in (("upper", upper), ("lower", lower)):
            name = tier.credential if tier is not None else None
            if name is not None and name not in credentials:
                yield _no_credential(f"{where}.credential", name, credentials)
    if lower is not None:
        yield from _below(lower, embedded=built.get("broker", _UNKNOWN) is not None)
    yield from _listeners(built.get("api"), built.get("broker"))


_UNKNOWN: Final = object()
"""In the place of a part that could not be built."""


def _above(node: NodeSettings, upper: UpperSettings) -> Iterator[Fault]:
    if node.role is Role.PROVINCE:
        yield Fault(where="upper", message="a province has no upper tier")
    if upper.name == node.name:
        yield Fault(where="upper.name", message="is this node itself")


def _below(lower: LowerTier, *, embedded: bool) -> Iterator[Fault]:
    if not lower.url and not embedded:
        yield Fault(
            where="lower.url",
            message="is missing, and no broker is embedded",
            expected="a broker's URL here, or a `broker` section",
        )
    names = [node.name for node in lower.nodes]
    for i, name in enumerate(names):
        if name in names[:i]:
            yield Fault(where=f"lower.nodes[{i}].name", message=f"{name} is there twice")


def _listeners(api: ApiSettings | None, broker: BrokerSettings | None) -> Iterator[Fault]:
    for where, listener in (("api", api), ("broker", broker)):
        if listener is None:
            continue
        if not _is_address(listener.bind):
            yield Fault(
                where=f"{where}.bind",
                message=f"is {show(listener.bind)}",
                expected="an IP address of this computer, or localhost",
            )
        if listener.certificate and not listener.key:
            message = f"is missing beside {where}.certificate"
            yield Fault(where=f"{where}.key", message=message, expected="PEM file of its key")
        if listener.key and not listener.certificate:
            message = f"is missing beside {where}.key: without it nothing is encrypted"
            expected = "PEM file of the certificate"
            yield Fault(where=f"{where}.certificate", message=message, expected=expected)
    if api is None or broker is None or not api.port or api.port != broker.port:
        return
    if _same_place(api.bind, broker.bind):
        message = f"is {broker.port} like api.port on the same address"
        yield Fault(where="broker.port", message=message, expected="a port of its own")


def _is_address(bind: str) -> bool:
    try:
        ip_address(bind.strip("[]"))
    except ValueError:
        return bind == "localhost"
    return True


def _same_place(one: str, other: str) -> bool:
    everywhere = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    places = {"127.0.0.1" if b == "localhost" else b.strip("[]") for b in (one, other)}
    return len(places) == 1 or bool(places & everywhere)


def _no_credential(where: str, name: str, known: Mapping[str, Credential]) -> Fault:
    message = f"{show(name)} is not defined; add credentials.{name}"
    expected = f"one of {', '.join(sorted(known))}" if known else ""
    return Fault(where=where, message=message, expected=expected)
