"""YAML text to plain data with the line of every part; bombs are refused, nothing is executed."""

import math
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

import yaml

from registry.exchange.entry import Entry, join
from registry.model import Fault, Faulty

_DEPTH: Final = 30
_NODES: Final = 20_000_000
_SPARE: Final = 100_000
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT: Final = re.compile(r"^[-+]?(0|[1-9][0-9]*)$")
_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = f"{_TAG}merge"
_WORDS: Final = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}


class Tree:
    """A parsed YAML document whose parts become plain data one at a time.

    Aliases and merge keys may be used; in all they may not repeat more than a fixed number of
    parts beyond what is written.
    """

    def __init__(self, text: str) -> None:
        """Parse `text`.

        Raises:
            Faulty: it is no YAML, nested too deeply, or has more than one document.
        """
        try:
            self._left = _count(text) + _SPARE
            self.root: yaml.Node | None = yaml.compose(text, Loader=_LOADER)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f"line {mark.line + 1}, character {mark.column + 1}" if mark else "file"
            message = str(getattr(error, "problem", None) or error)
            raise Faulty([Fault(where=where, message=message, expected="YAML")]) from error

    def sections(self, known: Mapping[str, object]) -> dict[str, yaml.Node]:
        """Return the lists of the document by name.

        Raises:
            Faulty: the document is no mapping of known names to lists.
        """
        if self.root is None:
            return {}
        faults = []
        sections: dict[str, yaml.Node] = {}
        if not isinstance(self.root, yaml.MappingNode):
            raise Faulty([_fault(self.root, "file", "is no mapping", ", ".join(known))])
        for key, node in self.root.value:
            name = str(key.value)
            if name not in known or name in sections:
                what = "is given twice" if name in sections else "is unknown"
                faults.append(_fault(key, name, what, ", ".join(known)))
            elif isinstance(node, yaml.SequenceNode):
                sections[name] = node
            elif not _is_null(node):
                faults.append(_fault(node, name, "is no list", "a list"))
        if faults:
            raise Faulty(faults)
        return sections

    def entries(self, name: str, node: yaml.Node, faults: list[Fault]) -> Iterator[Entry]:
        """Yield the items of a list; what is no mapping is added to `faults`.

        Raises:
            Faulty: aliases repeat too much.
        """
        for number, item in enumerate(node.value):
            reader = _Reader(f"{name}[{number}]", self)
            value = reader.read(item, "", 0)
            if reader.faults:
                faults += reader.faults
            elif not isinstance(value, dict):
                faults.append(_fault(item, reader.name, "is no mapping", "key: value"))
            else:
                yield Entry(
                    value=value,
                    line=item.start_mark.line + 1,
                    locate=partial(_locate, reader.lines, reader.name),
                    texts=reader.texts,
                )

    def spend(self, node: yaml.Node) -> None:
        """Count one part that was turned into data."""
        self._left -= 1
        if self._left < 0:
            raise Faulty(
                [_fault(node, "aliases", "repeat too much", f"at most {_SPARE} repeated parts")]
            )


class _Reader:
    """Turns the nodes of one entry into plain data."""

    def __init__(self, name: str, tree: Tree) -> None:
        self.name = name
        self.lines: dict[str, int] = {}
        self.texts: dict[str, str] = {}
        self.faults: list[Fault] = []
        self._tree = tree

    def read(self, node: yaml.Node, path: str, depth: int) -> Any:
        self._tree.spend(node)
        self.lines[path] = node.start_mark.line + 1
        if depth > _DEPTH:
            raise Faulty([_fault(node, self.name, "is nested too deeply", f"{_DEPTH} levels")])
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [
                self.read(item, f"{path}[{number}]", depth + 1)
                for number, item in enumerate(node.value)
            ]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                merged = {**self._merge(value, path, depth), **merged}
        own: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                continue
            if not isinstance(key, yaml.ScalarNode):
                self.faults.append(_fault(key, self.name, "has a key that is no word", "a word"))
            elif key.value in own:
                where = f"{self.name}.{join(path, key.value)}"
                self.faults.append(_fault(key, where, "is given twice", "one of them"))
            else:
                own[key.value] = self.read(value, join(path, key.value), depth + 1)
        return {**merged, **own}

    def _merge(self, node: yaml.Node, path: str, depth: int) -> dict[str, Any]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        line = self.lines[path]
        merged: dict[str, Any] = {}
        for item in nodes:
            value = self.read(item, path, depth + 1)
            if isinstance(value, dict):
                merged = {**value, **merged}
            else:
                fault = _fault(item, self.name, "merges what is no mapping", "a mapping")
                self.faults.append(fault)
        self.lines[path] = line
        return merged

    def _scalar(self, node: yaml.Node, path: str) -> Any:
        text, tag = str(node.value), node.tag.removeprefix(_TAG)
        value: Any = text
        if tag == "null":
            value = None
        elif tag == "bool":
            value = _WORDS.get(text, text)
        elif tag == "int" and _INT.match(text) and len(text) <= 400:
            value = int(text)
        elif tag == "float":
            value = _float(text)
            if isinstance(value, float) and not math.isfinite(value):
                where = f"{self.name}.{path}"
                self.faults.append(_fault(node, where, f"{text} is no finite number", "a number"))
        elif tag not in ("str", "int", "timestamp", "value"):
            self.faults.append(
                _fault(node, f"{self.name}.{path}", f"has the tag {node.tag}", "no tag")
            )
        self.texts.pop(path, None)  # of a merged mapping that this one overrides
        if not isinstance(value, str) and value is not None:
            self.texts[path] = text
        return value


def _float(text: str) -> float | str:
    try:
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return text


def _count(text: str) -> int:
    """Count the parts of a document without building it, refusing deep ones on the way."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        nodes += 1
        if depth > _DEPTH or nodes > _NODES:
            what = "is nested too deeply" if depth > _DEPTH else "has too many parts"
            raise Faulty([_fault(event, "file", what, f"{_DEPTH} levels, {_NODES} parts")])
    return nodes


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == f"{_TAG}null")


def _fault(node: yaml.Node | yaml.Event, where: str, message: str, expected: str) -> Fault:
    line = node.start_mark.line + 1 if node.start_mark else 0
    return Fault(where=f"line {line}, {where}", message=message, expected=expected)


def _locate(lines: Mapping[str, int], name: str, path: str) -> str:
    at = path
    while at not in lines and at:
        at = at[: max(at.rfind("."), at.rfind("["), 0)]
    return f"line {lines[at]}, {name}{'.' if path else ''}{path}"
