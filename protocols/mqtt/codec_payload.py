"""JSON payloads into typed values: one compiled plan for all devices of the same shape."""

import json
import math
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from protocols.mqtt.address import TimeFormat, pointer_keys
from protocols.mqtt.codec_value import (
    INT64,
    MISSING,
    Field,
    Flaw,
    coerce,
    field_of,
    printable,
    read_time,
    scale,
    walk,
)
from registry.model import MisfitReason, Point, Time, Value, ValueType

_Int64 = Annotated[int, Meta(ge=-INT64, le=INT64 - 1)]
_FIELD_TYPES: Final[dict[ValueType, Any]] = {
    ValueType.FLOAT: float,
    ValueType.INT: _Int64,
    ValueType.BOOL: bool,
    ValueType.STR: str,
}


class Sample(NamedTuple):
    """What one payload says: names and values of equal length, one time (0: none given).

    `bad` maps an index to the reason of a reading without a usable value.
    """

    names: Sequence[str]
    values: Sequence[Value | None]
    time: Time
    bad: dict[int, str] | None = None
    flaws: Sequence[Flaw] = ()


class Unfit(Exception):
    """Nothing of the payload can be taken."""

    def __init__(self, reason: MisfitReason, detail: str) -> None:
        super().__init__(detail)
        self.flaw = Flaw(reason, detail)


class Plan:
    """Reads the payloads of all devices with the same points and the same time field."""

    def __init__(self, points: Sequence[Point], time: str | None, time_format: TimeFormat) -> None:
        """Compile.

        Raises:
            ValueError: a pointer is wrong.
        """
        self._fields = [field_of(p) for p in points]
        self._names = tuple(f.name for f in self._fields)
        self._time_pointer = time
        self._time_keys = pointer_keys(time) if time is not None else None
        self._time_format = time_format
        self._scaled = any(f.scale != 1 or f.offset != 0 for f in self._fields)
        self._decode: Callable[[bytes], Any] | None = None
        self._values: Callable[[Any], Any] = tuple
        self._compile()

    @property
    def timed(self) -> bool:
        """Tell whether payloads carry their own time."""
        return self._time_keys is not None

    def read(self, payload: bytes) -> Sample:
        """Read one payload.

        Raises:
            Unfit: nothing of it can be taken; the flaw says why and what to do.
        """
        if self._decode is None:
            return self._read_freely(payload)
        try:
            document = self._decode(payload)
        except (msgspec.MsgspecError, RecursionError):
            return self._read_freely(payload)
        values = self._values(document)
        time = self._time(document.time) if self._time_keys else 0
        if UNSET in values or self._scaled:
            sample = self._narrow(values, time)
            return sample if sample.names or sample.flaws else self._read_freely(payload)
        return Sample(self._names, values, time)

    def _narrow(self, values: Sequence[Value | UnsetType], time: Time) -> Sample:
        """Leave out what the payload does not hold, and scale."""
        names: list[str] = []
        kept: list[Value | None] = []
        bad: dict[int, str] = {}
        for f, value in zip(self._fields, values, strict=True):
            if isinstance(value, UnsetType):
                continue
            scaled = scale(f, value)
            if isinstance(scaled, Flaw):
                return self._mixed(
                    [(f, v) for f, v in zip(self._fields, values, strict=True)], time
                )
            if isinstance(scaled, float) and not math.isfinite(scaled):
                bad[len(names)] = "not a finite number"
                kept.append(None)
            else:
                kept.append(scaled)
            names.append(f.name)
        return Sample(names, kept, time, bad or None)

    def _read_freely(self, payload: bytes) -> Sample:
        """Read field by field: nested pointers, and whatever the fast way did not take."""
        document = _parse(payload)
        time = 0
        if self._time_keys is not None:
            time = self._time(walk(document, self._time_keys))
        found = [(f, walk(document, f.keys)) for f in self._fields]
        if all(value is MISSING for _, value in found):
            raise self._nothing_found(document)
        return self._mixed(found, time)

    def _mixed(self, found: Sequence[tuple[Field, object]], time: Time) -> Sample:
        """Take what fits of the values found, and report the rest."""
        names: list[str] = []
        values: list[Value | None] = []
        bad: dict[int, str] = {}
        flaws: list[Flaw] = []
        for f, raw in found:
            if raw is MISSING or raw is UNSET:
                continue
            value = coerce(f, raw)
            if isinstance(value, Flaw):
                flaws.append(value)
                continue
            if value is None or (isinstance(value, float) and not math.isfinite(value)):
                bad[len(names)] = "the device sent null" if value is None else "not a finite number"
                value = None
            names.append(f.name)
            values.append(value)
        return Sample(names, values, time, bad or None, flaws)

    def _nothing_found(self, document: object) -> Unfit:
        wanted = ", ".join(f.pointer or "the payload itself" for f in self._fields)
        detail = f"the payload holds no point ({wanted})"
        if isinstance(document, dict) and document:
            detail += f"; it has {printable(', '.join(map(str, [*document][:8])))}"
        return Unfit(
            MisfitReason.UNKNOWN_POINT,
            f"{detail[:400]}: correct the pointers of the device's points",
        )

    def _time(self, raw: object) -> Time:
        """Read the payload's time as UTC nanoseconds.

        Raises:
            Unfit: bad_time.
        """
        try:
            time = read_time(raw, self._time_format)
        except (ValueError, OverflowError) as error:
            raise self._bad_time(str(error)) from error
        if not 0 < time < INT64:
            raise self._bad_time(f"{raw!r} is no time since 1970")
        return time

    def _bad_time(self, why: str) -> Unfit:
        return Unfit(
            MisfitReason.BAD_TIME,
            f"the time at {self._time_pointer or 'the payload itself'} cannot be read: "
            f"{why[:200]}; send it as {self._time_format.value}, "
            "or correct link.address time and time_format",
        )

    def _compile(self) -> None:
        """Build a typed decoder if every pointer is one level deep and none is used twice."""
        keys = [f.keys for f in self._fields]
        if self._time_keys is not None:
            keys.append(self._time_keys)
        if not self._fields or any(len(k) != 1 for k in keys) or len(set(keys)) < len(keys):
            return
        fields: list[tuple[str, Any, Any]] = []
        rename: dict[str, str] = {}
        for number, f in enumerate(self._fields):
            fields.append((f"f{number}", _FIELD_TYPES[f.type] | UnsetType, UNSET))
            rename[f"f{number}"] = f.keys[0]
        if self._time_keys is not None:
            text = self._time_format is TimeFormat.RFC3339
            fields.append(("time", str if text else int | float, msgspec.NODEFAULT))
            rename["time"] = self._time_keys[0]
        document = msgspec.defstruct("Document", fields, rename=rename, kw_only=True, gc=False)
        self._decode = msgspec.json.Decoder(document).decode
        names = [f"f{n}" for n in range(len(self._fields))]
        get = attrgetter(*names)
        self._values = get if len(names) > 1 else lambda d: (get(d),)


def _parse(payload: bytes) -> object:
    """Parse JSON; NaN and Infinity, which JSON does not know, are taken too."""
    try:
        return msgspec.json.decode(payload)
    except (msgspec.MsgspecError, RecursionError) as error:
        try:
            return json.loads(payload)
        except (ValueError, RecursionError):
            why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise Unfit(
                MisfitReason.UNREADABLE, f"the payload is no JSON: {why}; send a JSON object"
            ) from error
