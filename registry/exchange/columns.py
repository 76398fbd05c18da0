"""The columns of a device table and how their cells are written."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final

import msgspec


class Cell(Enum):
    """How a cell is read."""

    WORD = "word"
    TEXT = "text"
    QUOTED = "quoted"
    NUMBER = "number"
    FLAG = "flag"
    LIST = "list"
    JSON = "json"
    SCALAR = "scalar"
    CODE = "code"


COLUMNS: Final[Mapping[str, tuple[str, Cell]]] = {
    "id": ("id", Cell.WORD),
    "local": ("local", Cell.WORD),
    "home": ("home", Cell.WORD),
    "name": ("name", Cell.TEXT),
    "kind": ("kind", Cell.WORD),
    "category": ("category", Cell.WORD),
    "sensing": ("sensing", Cell.WORD),
    "profile": ("profile", Cell.WORD),
    "protocol": ("link.protocol", Cell.WORD),
    "endpoint": ("link.endpoint", Cell.QUOTED),
    "credential": ("link.credential", Cell.QUOTED),
    "link.profile": ("link.profile", Cell.QUOTED),
    "address": ("link.address", Cell.JSON),
    "lon": ("place.lon", Cell.NUMBER),
    "lat": ("place.lat", Cell.NUMBER),
    "system": ("place.system", Cell.WORD),
    "raw_lon": ("place.raw.lon", Cell.NUMBER),
    "raw_lat": ("place.raw.lat", Cell.NUMBER),
    "raw_system": ("place.raw.system", Cell.WORD),
    "altitude": ("place.altitude", Cell.NUMBER),
    "accuracy": ("place.accuracy", Cell.NUMBER),
    "azimuth": ("place.azimuth", Cell.NUMBER),
    "view_angle": ("place.view_angle", Cell.NUMBER),
    "place_source": ("place.source", Cell.WORD),
    "location": ("place.address", Cell.TEXT),
    "area": ("area", Cell.WORD),
    "owner": ("owner", Cell.TEXT),
    "tags": ("tags", Cell.LIST),
    "key_point": ("key_point", Cell.FLAG),
    "lifecycle": ("lifecycle", Cell.WORD),
    "parent": ("parent", Cell.WORD),
    "maker": ("maker", Cell.TEXT),
    "model": ("model", Cell.TEXT),
    "capabilities": ("capabilities", Cell.LIST),
    "codes": ("codes", Cell.JSON),
    "points": ("points", Cell.JSON),
}
"""Column -> (path in the device, how its cells are written)."""

FAMILIES: Final[Mapping[str, tuple[str, Cell]]] = {
    "address.": ("link.address", Cell.SCALAR),
    "code.": ("codes", Cell.CODE),
}
"""Columns with a name of their own: `address.unit`, `code.gb28181`."""

ALIASES: Final[Mapping[str, str]] = {
    "设备编号": "id",
    "编号": "local",
    "归属节点": "home",
    "名称": "name",
    "设备名称": "name",
    "类型": "kind",
    "设备类型": "kind",
    "类别": "category",
    "感知方式": "sensing",
    "模板": "profile",
    "协议": "protocol",
    "地址": "endpoint",
    "凭据": "credential",
    "经度": "lon",
    "纬度": "lat",
    "坐标系": "system",
    "海拔": "altitude",
    "方位角": "azimuth",
    "安装位置": "location",
    "行政区划": "area",
    "权属单位": "owner",
    "标签": "tags",
    "重点点位": "key_point",
    "状态": "lifecycle",
    "上级设备": "parent",
    "厂商": "maker",
    "型号": "model",
    "能力": "capabilities",
    "国标编码": "code.gb28181",
    "部件编码": "code.component",
    "资产编号": "code.asset",
}

_SAFE_KEY: Final = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_JSON_LIKE: Final = re.compile(r'^(["\[{]|-?[0-9]|true$|false$|null$)')
_ROUNDED: Final = re.compile(r"^\d(\.\d+)?[eE]\+?\d+$")
_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "y", "1", "是"), True),
    **dict.fromkeys(("false", "no", "n", "0", "否"), False),
}


class BadCell(ValueError):
    """A cell that cannot be read; `expected` says what can."""

    def __init__(self, message: str, expected: str) -> None:
        super().__init__(message)
        self.expected = expected


def column_of(header: str) -> tuple[str, Cell] | None:
    """Return the path and cell kind of a column, or None if there is no such column."""
    name = ALIASES.get(header, header)
    if name in COLUMNS:
        return COLUMNS[name]
    for prefix, (path, cell) in FAMILIES.items():
        if name.startswith(prefix) and len(name) > len(prefix):
            return f"{path}.{name[len(prefix) :]}", cell
    return None


def read_cell(cell: Cell, text: str) -> Any:
    """Return what a cell that is not empty says.

    Raises:
        BadCell: it cannot be read.
    """
    if cell is Cell.TEXT:
        return text
    return _READERS[cell](text.strip())


def write_cell(cell: Cell, value: Any) -> str:
    """Write a value so that `read_cell` gives it back."""
    return _WRITERS[cell](value)


def plain_keys(mapping: Mapping[str, Any], cell: Cell) -> bool:
    """Tell whether a mapping may be spread over columns of its own: `address.*`, `code.*`."""
    if not all(map(_SAFE_KEY.match, mapping)):
        return False
    if cell is Cell.SCALAR:
        return True
    return all(v and v == v.strip() and not _ROUNDED.match(v) for v in mapping.values())


def read_scalar(text: str) -> Any:
    """Read a JSON scalar, or plain text where it is none: `3`, `true`, `"3"`, `city/a`."""
    if not _JSON_LIKE.match(text):
        return text
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    if isinstance(value, (dict, list)):
        return text
    return value


def _write_scalar(value: Any) -> str:
    if isinstance(value, str):
        readable = value == value.strip() and value and read_scalar(value) == value
        return value if readable else _json(value)
    return _json(value)


def _number(text: str) -> int | float:
    try:
        value = float(text)
    except ValueError:
        raise BadCell(f"{text!r} is no number", "a number with a decimal point") from None
    if not math.isfinite(value):
        raise BadCell(f"{text!r} is no finite number", "a number")
    return value


def _flag(text: str) -> bool:
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise BadCell(f"{text!r} is neither yes nor no", "true or false") from None


def _list(text: str) -> list[str]:
    if text.startswith("["):
        value = _parse(text)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise BadCell("is no list of words", 'a;b or ["a", "b"]')
        return value
    return [item.strip() for item in re.split(r"[;；|]", text) if item.strip()]


def _write_list(values: Sequence[str]) -> str:
    text = ";".join(values)
    plain = text and not text.startswith("[") and _list(text) == list(values)
    return text if plain else _json(list(values))


def _code(text: str) -> str:
    if _ROUNDED.match(text):
        raise BadCell(
            f"{text!r} was rounded by a spreadsheet", "the full code: format the column as text"
        )
    return text


def _quoted(text: str) -> str:
    if text.startswith('"'):
        value = _parse(text)
        if not isinstance(value, str):
            raise BadCell("is no quoted text", 'text, or "text" with quotes')
        return value
    return text


def _write_quoted(value: str) -> str:
    plain = value and value == value.strip() and not value.startswith('"')
    return value if plain else _json(value)


def _parse(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise BadCell(f"is no valid JSON: {error}", "JSON") from None


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


_READERS: Final[Mapping[Cell, Callable[[str], Any]]] = {
    Cell.WORD: str,
    Cell.QUOTED: _quoted,
    Cell.NUMBER: _number,
    Cell.FLAG: _flag,
    Cell.LIST: _list,
    Cell.JSON: _parse,
    Cell.SCALAR: read_scalar,
    Cell.CODE: _code,
}
_WRITERS: Final[Mapping[Cell, Callable[[Any], str]]] = {
    Cell.WORD: str,
    Cell.TEXT: str,
    Cell.QUOTED: _write_quoted,
    Cell.NUMBER: repr,
    Cell.FLAG: _json,
    Cell.LIST: _write_list,
    Cell.JSON: _json,
    Cell.SCALAR: _write_scalar,
    Cell.CODE: str,
}
