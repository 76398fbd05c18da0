"""The polling of one connection: whom to ask next, and what the answers mean."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from protocols.adapter import LinkLost
from protocols.modbus.address import (
    Reach,
    Settings,
    Slot,
    Table,
    reach_of,
    slots_of,
)
from protocols.modbus.codec import Image, Unfit, decode
from protocols.modbus.line import ILLEGAL_FUNCTION, Garbled, Line, Rejected, Silent
from protocols.modbus.outlet import Outlet
from protocols.modbus.planner import Block, BlockPlan, Limits, block_of
from protocols.modbus.schedule import MISSES, Patience, Timetable
from registry.model import (
    Device,
    DeviceState,
    Misfit,
    MisfitReason,
    Quality,
    StatusChange,
    Value,
)

_log = logging.getLogger(__name__)

Key = tuple[int, float]
"""A poll group: unit and period."""

_ILLEGAL_ADDRESS: Final = (2, 3)
_EXAMINATION: Final = 32
"""Reads beyond the plan that one round may spend on finding what a unit refuses."""
_DEAF: Final = 3


class Notebook:
    """What the operator has been told, so that a flapping link does not tell it again."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], str] = {}

    def news(self, device: str, point: str, text: str) -> bool:
        """Tell whether `text` is new for the point, and remember it."""
        if self._told.get((device, point)) == text:
            return False
        self._told[device, point] = text
        return True

    def forget(self, device: str, point: str) -> None:
        """The trouble is over: the next one is news again."""
        self._told.pop((device, point), None)

    def keep(self, devices: Mapping[str, Device]) -> None:
        """Forget the devices that are gone."""
        self._told = {key: text for key, text in self._told.items() if key[0] in devices}


class Poller:
    """Asks the units of one line in turn and hands what they say to the outlet."""

    def __init__(
        self,
        *,
        line: Line,
        outlet: Outlet,
        settings: Settings,
        now: Callable[[], int],
        source: str,
        notebook: Notebook,
        heard: Callable[[], None],
    ) -> None:
        self._line = line
        self._outlet = outlet
        self._settings = settings
        self._now = now
        self._source = source
        self._notebook = notebook
        self._heard = heard
        self._clock = asyncio.get_running_loop().time
        self._timetable: Timetable[Key] = Timetable(self._clock())
        self._patience = Patience()
        self._wake = asyncio.Event()
        self._devices: dict[str, Device] = {}
        self._slots: dict[str, dict[str, Slot]] = {}
        self._units: dict[int, list[str]] = {}
        self._plans: dict[Key, dict[Table, BlockPlan]] = {}
        self._retry: dict[Key, float] = {}
        self._states: dict[str, DeviceState] = {}
        self._sick: set[Slot] = set()
        self._unheard = 0

    # -- devices ---------------------------------------------------------------------------

    def set_devices(self, devices: Mapping[str, Device]) -> None:
        """Take the devices as they are now; units that did not change keep what they taught."""
        gone = {id for id, device in self._devices.items() if devices.get(id) != device}
        fresh = {id for id, device in devices.items() if self._devices.get(id) != device}
        touched = self._units_of(gone)
        for id in gone:
            self._sick.difference_update(self._slots.pop(id, {}).values())
            if id not in devices:
                self._states.pop(id, None)
        for id in fresh:
            self._slots[id] = {s.point: s for s in slots_of(devices[id], self._settings)}
        self._devices = dict(devices)
        touched |= self._units_of(fresh)
        self._notebook.keep(devices)
        self._replan(touched)
        self._timetable.set({key: key[1] for key in self._plans}, self._clock())
        self._wake.set()

    def _units_of(self, devices: Iterable[str]) -> set[int]:
        return {slot.unit for id in devices for slot in self._slots.get(id, {}).values()}

    def _replan(self, units: set[int]) -> None:
        for key in [key for key in self._plans if key[0] in units]:
            del self._plans[key]
            self._retry.pop(key, None)
        for unit in units:
            self._units.pop(unit, None)
        reaches: dict[int, Reach] = {}
        groups: dict[Key, dict[Table, list[Slot]]] = {}
        for id, slots in self._slots.items():
            for unit in {slot.unit for slot in slots.values()} & units:
                reach = reach_of(self._devices[id], self._settings)
                reaches[unit] = reach.narrower(reaches.get(unit, reach))
                self._units.setdefault(unit, []).append(id)
            for slot in slots.values():
                if slot.unit in units:
                    group = groups.setdefault((slot.unit, slot.period), {})
                    group.setdefault(slot.table, []).append(slot)
        for key, tables in groups.items():
            self._plans[key] = {
                table: BlockPlan(slots, _limits(table, reaches[key[0]]))
                for table, slots in tables.items()
            }
        self._patience.keep(set(self._units))

    @property
    def idle(self) -> bool:
        """True while there is nothing to ask for."""
        return not self._plans

    def slot(self, device: str, point: str) -> Slot | None:
        """Return where a point lies, or None."""
        return self._slots.get(device, {}).get(point)

    # -- rounds ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Poll until cancelled.

        Raises:
            LinkLost: the connection broke, or nobody on it answers.
        """
        while True:
            key = self._timetable.due(self._clock())
            if key is None:
                await self._rest()
                continue
            await self._outlet.room()
            await self._round(key)
            self._timetable.done(key, self._clock())

    async def _rest(self) -> None:
        wait = self._timetable.wait(self._clock())
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _round(self, key: Key) -> None:
        """Read every block of a poll group, unless its unit is silent."""
        plans = self._plans.get(key)
        if plans is None or not self._patience.may_ask(key[0], self._clock()):
            return
        self._retry_bad(key, plans)
        for table, plan in plans.items():
            spare = _EXAMINATION
            queue = list(reversed(plan.blocks))
            while queue:
                block = queue.pop()
                halves = await self._ask(key[0], table, plan, block)
                if halves is None or self._plans.get(key) is not plans:
                    return
                spare -= len(halves)
                if spare >= 0:
                    queue.extend(reversed(halves))

    def _retry_bad(self, key: Key, plans: Mapping[Table, BlockPlan]) -> None:
        bad = any(plan.bad for plan in plans.values())
        now = self._clock()
        if not bad:
            self._retry.pop(key, None)
        elif now >= self._retry.setdefault(key, now + self._settings.retry_bad):
            self._retry[key] = now + self._settings.retry_bad
            for plan in plans.values():
                plan.retry()

    async def _ask(
        self, unit: int, table: Table, plan: BlockPlan, block: Block
    ) -> Sequence[Block] | None:
        """Read one block; return the blocks to be read instead, or None if the unit is silent."""
        began = self._clock()
        try:
            async with self._line.turn:
                began = self._clock()
                words = await self._line.read(unit, table, block.start, block.count)
        except Silent as silence:
            self._on_silence(unit, str(silence), self._clock() - began)
            return None
        except Rejected as refusal:
            self._on_answer(unit)
            return self._on_refusal(plan, block, refusal)
        except Garbled as trouble:
            self._on_answer(unit)
            self._on_trouble(block, f"unreadable answer: {trouble}")
            return ()
        self._on_answer(unit)
        plan.took(block)
        self.deliver(block, words)
        return ()

    # -- answers ---------------------------------------------------------------------------

    def deliver(self, block: Block, words: Sequence[int]) -> None:
        """Hand over the values in an answer that has just come."""
        time = self._now()
        bits = block.slots[0].table in ("coil", "discrete")
        image = Image(() if bits else words)
        for slot in block.slots:
            at = slot.start - block.start
            try:
                value: Value = bool(words[at]) if bits else decode(slot.form, image, at)
            except Unfit as reason:
                self._outlet.reading(slot.device, slot.point, None, time, Quality.BAD, str(reason))
            else:
                self._outlet.reading(slot.device, slot.point, value, time)
            if slot in self._sick:
                self._sick.discard(slot)
                self._notebook.forget(slot.device, slot.point)
        for device in {slot.device for slot in block.slots}:
            self._set_state(device, DeviceState.ONLINE, time)

    def _on_answer(self, unit: int) -> None:
        self._unheard = 0
        self._patience.answered(unit)
        self._heard()

    def _on_silence(self, unit: int, detail: str, spent: float) -> None:
        misses = self._patience.silent(unit, self._clock(), spent)
        self._unheard += 1
        if misses >= MISSES:
            cause = f"unit {unit} does not answer: {detail}"
            for device in self._units.get(unit, ()):
                self._set_state(device, DeviceState.OFFLINE, self._now(), cause)
        if self._unheard >= _DEAF and all(self._patience.misses(u) for u in self._units):
            units = ", ".join(map(str, sorted(self._units)[:8]))
            raise LinkLost(
                f"{self._line.name} is connected, but no unit answers (asked: {units}): check "
                "unit ids, wiring, and whether it speaks Modbus TCP or RTU over TCP"
            )

    def _on_refusal(self, plan: BlockPlan, block: Block, refusal: Rejected) -> Sequence[Block]:
        if refusal.code == ILLEGAL_FUNCTION:
            plan.set_apart(block)
            self._on_bad(block.slots, refusal)
            return ()
        if refusal.code not in _ILLEGAL_ADDRESS:
            self._on_trouble(block, str(refusal))
            return ()
        halves = plan.refused(block)
        if not halves:
            self._on_bad(block.slots, refusal)
        return halves

    def _on_bad(self, slots: Sequence[Slot], refusal: Rejected) -> None:
        """The unit refuses points for good: say which, and what to do about it."""
        time = self._now()
        for slot in slots:
            text = (
                f"unit {slot.unit} refuses {slot.table} {_span(slot)}: {refusal}; correct "
                f"points[{slot.point}].address (registers count from 0) or remove the point"
            )
            self._sick.add(slot)
            if not self._notebook.news(slot.device, slot.point, text):
                continue
            _log.warning(text, extra={"device": slot.device, "adapter": self._source})
            self._outlet.reading(slot.device, slot.point, None, time, Quality.BAD, str(refusal))
            self._misfit(slot, MisfitReason.BAD_ADDRESS, text, time)
        for device in {slot.device for slot in slots}:
            if self._sick.issuperset(self._slots.get(device, {}).values()):
                cause = f"answers, but refuses all its points: {refusal}"
                self._set_state(device, DeviceState.DEGRADED, time, cause)

    def _on_trouble(self, block: Block, reason: str) -> None:
        """The unit cannot answer just now: its points are bad until it can."""
        time = self._now()
        for slot in block.slots:
            self._sick.add(slot)
            if self._notebook.news(slot.device, slot.point, reason):
                self._outlet.reading(slot.device, slot.point, None, time, Quality.BAD, reason)

    def _misfit(self, slot: Slot, reason: MisfitReason, text: str, time: int) -> None:
        self._outlet.event(
            Misfit(
                source=self._source,
                reason=reason,
                detail=text,
                time=time,
                device=slot.device,
                point=slot.point,
            )
        )

    def _set_state(self, device: str, state: DeviceState, time: int, cause: str = "") -> None:
        if self._states.get(device) is state or device not in self._devices:
            return
        self._states[device] = state
        self._outlet.event(
            StatusChange(device=device, state=state, since=time, cause=cause, source=self._source)
        )


def single(slot: Slot) -> Block:
    """Return the read of one point alone."""
    return block_of((slot,))


def _limits(table: Table, reach: Reach) -> Limits:
    bits = table in ("coil", "discrete")
    return Limits(span=reach.bits if bits else reach.registers, gap=reach.gap)


def _span(slot: Slot) -> str:
    return f"{slot.start}" if slot.width == 1 else f"{slot.start} to {slot.end - 1}"
