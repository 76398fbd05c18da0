"""What a server says about its nodes, turned into readings, states and misfits."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from protocols.opcua.address import Slot
from protocols.opcua.codec import NoNumber, Unfit, fit, grade, moment, overflowed
from protocols.opcua.session import status_name, status_words
from registry.model import (
    DeviceState,
    Event,
    Misfit,
    MisfitReason,
    Quality,
    ReadingBatch,
    StatusChange,
    Value,
)

_log = logging.getLogger(__name__)

Key = tuple[str, str]
"""A point: device and name."""
Pair = tuple[Slot, ua.DataValue]

_SAMPLE: Final = 512
_FIXES: Final = {
    StatusCodes.BadNodeIdUnknown: "the server has no such node: correct the address, or load the "
    "project that holds it",
    StatusCodes.BadNodeIdInvalid: "the server cannot read this node id: correct the address",
    StatusCodes.BadAttributeIdInvalid: "the node has no value: name a variable, not an object",
    StatusCodes.BadNotReadable: "the node may not be read: allow it at the server",
    StatusCodes.BadUserAccessDenied: "this user may not read it: give the right at the server",
}


class Notebook:
    """What the operator has been told, so that a flapping link does not tell it again."""

    def __init__(self) -> None:
        self._told: dict[Key, str] = {}

    def news(self, key: Key, text: str) -> bool:
        """Tell whether `text` is new for the point, and remember it."""
        if self._told.get(key) == text:
            return False
        self._told[key] = text
        return True

    def forget(self, key: Key) -> None:
        """The trouble is over: the next one is news again."""
        self._told.pop(key, None)

    def keep(self, keys: Iterable[Key]) -> None:
        """Forget all points but these."""
        self._told = {key: self._told[key] for key in keys if key in self._told}


class _Columns:
    """A reading batch in the making."""

    def __init__(self) -> None:
        self.batch = ReadingBatch(device=[], point=[], value=[], source_time=[])
        self.quality: list[int] = []
        self.reason: list[str] = []

    def add(self, slot: Slot, value: Value | None, time: int, quality: int, reason: str) -> None:
        batch = self.batch
        batch.device.append(slot.device)
        batch.point.append(slot.point)
        batch.value.append(value)
        batch.source_time.append(time)
        self.quality.append(int(quality))
        self.reason.append(reason)

    def done(self) -> list[Event]:
        if not self.quality:
            return []
        batch = self.batch
        if not any(self.quality):
            return [batch]
        return [
            ReadingBatch(
                device=batch.device,
                point=batch.point,
                value=batch.value,
                source_time=batch.source_time,
                quality=self.quality,
                reason=self.reason,
            )
        ]


class Intake:
    """Knows of each device which points are bad, and so whether it is there."""

    def __init__(self, *, source: str, now: Callable[[], int], notebook: Notebook) -> None:
        self._source = source
        self._now = now
        self._notebook = notebook
        self._slots: dict[Key, Slot] = {}
        self._counts: dict[str, int] = {}
        self._bad: dict[str, dict[str, int]] = {}
        self._states: dict[str, DeviceState] = {}
        self.overflows = 0

    def set_slots(self, slots: Mapping[Key, Slot]) -> None:
        """Take the points as they are now; what still comes of others is dropped."""
        for key, slot in self._slots.items():
            if slots.get(key) != slot:
                self._bad.get(slot.device, {}).pop(slot.point, None)
        self._slots = dict(slots)
        self._counts = {}
        for slot in slots.values():
            self._counts[slot.device] = self._counts.get(slot.device, 0) + 1
        for gone in self._states.keys() - self._counts.keys():
            del self._states[gone]
        self._notebook.keep(slots)

    def digest(self, pairs: Iterable[Pair]) -> list[Event]:
        """Return the events that a row of values makes."""
        columns, events = _Columns(), list[Event]()
        for slot, data in pairs:
            if self._slots.get((slot.device, slot.point)) is not slot:
                continue
            status = int(data.StatusCode.value) if data.StatusCode is not None else 0
            time = moment(data.SourceTimestamp) or moment(data.ServerTimestamp)
            raw = data.Value.Value if data.Value is not None else None
            if overflowed(status):
                self._overflow(slot, events)
            quality = grade(status)
            if quality is Quality.BAD:
                self._take_bad(slot, status, time, columns, events)
                continue
            try:
                value = fit(slot.form, raw)
            except NoNumber as reason:
                columns.add(slot, None, time, Quality.BAD, str(reason))
                continue
            except Unfit as reason:
                self._unfit(slot, str(reason), raw, events, columns, time)
                continue
            columns.add(slot, value, time, quality, status_name(status) if quality else "")
            self._good(slot, events)
        return events + columns.done()

    def refused(self, slot: Slot, code: int, text: str = "") -> list[Event]:
        """Return the events of a node that the server will not hand out."""
        columns, events = _Columns(), list[Event]()
        self._bad_address(slot, code, text, columns, events)
        self._mark_bad(slot, code, text or status_words(code), events)
        return events + columns.done()

    def _take_bad(
        self, slot: Slot, status: int, time: int, columns: _Columns, events: list[Event]
    ) -> None:
        code = status & 0xFFFF_0000
        if self._bad.get(slot.device, {}).get(slot.point) == code:
            return
        if code in _FIXES:
            self._bad_address(slot, code, "", columns, events)
        else:
            columns.add(slot, None, time, Quality.BAD, status_name(status))
        self._mark_bad(slot, code, status_words(status), events)

    def _bad_address(
        self, slot: Slot, code: int, text: str, columns: _Columns, events: list[Event]
    ) -> None:
        text = text or f"{status_name(code)}: {_FIXES.get(code, status_words(code))}"
        detail = f"points[{slot.point}].address.node {slot.node}: {text}"
        if not self._notebook.news((slot.device, slot.point), detail):
            return
        _log.warning(detail, extra={"device": slot.device, "adapter": self._source})
        columns.add(slot, None, self._now(), Quality.BAD, text)
        forbidden = code == StatusCodes.BadUserAccessDenied
        reason = MisfitReason.FORBIDDEN if forbidden else MisfitReason.BAD_ADDRESS
        events.append(self._misfit(slot, reason, detail))

    def _unfit(
        self,
        slot: Slot,
        text: str,
        raw: object,
        events: list[Event],
        columns: _Columns,
        time: int,
    ) -> None:
        if self._notebook.news((slot.device, slot.point), text):
            detail = f"points[{slot.point}] ({slot.node}): {text}"
            sample = repr(raw)[:_SAMPLE]
            events.append(self._misfit(slot, MisfitReason.WRONG_TYPE, detail, sample))
            columns.add(slot, None, time, Quality.BAD, text)

    def _overflow(self, slot: Slot, events: list[Event]) -> None:
        """The server dropped values of this node before the one that came."""
        self.overflows += 1
        text = (
            f"points[{slot.point}]: the server's queue of {slot.queue} values overflowed and the "
            "older ones are lost: raise address.queue, or lengthen address.sampling"
        )
        if self._notebook.news((slot.device, f"{slot.point} overflow"), text):
            _log.warning(text, extra={"device": slot.device, "adapter": self._source})
            events.append(self._misfit(slot, MisfitReason.TOO_LARGE, text))

    def _misfit(self, slot: Slot, reason: MisfitReason, detail: str, sample: str = "") -> Misfit:
        return Misfit(
            source=self._source,
            reason=reason,
            detail=detail,
            time=self._now(),
            device=slot.device,
            point=slot.point,
            sample=sample,
        )

    def _good(self, slot: Slot, events: list[Event]) -> None:
        bad = self._bad.get(slot.device)
        if bad and bad.pop(slot.point, None) is not None:
            self._notebook.forget((slot.device, slot.point))
        if self._states.get(slot.device) is not DeviceState.ONLINE:
            self._set_state(slot.device, DeviceState.ONLINE, "", events)

    def _mark_bad(self, slot: Slot, code: int, words: str, events: list[Event]) -> None:
        bad = self._bad.setdefault(slot.device, {})
        bad[slot.point] = code
        if len(bad) >= self._counts.get(slot.device, 0):
            cause = f"the server has no good value of any of its points: {words}"
            self._set_state(slot.device, DeviceState.OFFLINE, cause, events)

    def _set_state(self, device: str, state: DeviceState, cause: str, events: list[Event]) -> None:
        if self._states.get(device) is state:
            return
        self._states[device] = state
        events.append(
            StatusChange(
                device=device,
                state=state,
                since=self._now(),
                cause=cause,
                source=self._source,
            )
        )
