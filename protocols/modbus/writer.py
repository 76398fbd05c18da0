"""Writing a point and reading it back."""

from collections.abc import Callable, Sequence

from protocols.adapter import LinkLost
from protocols.modbus.address import Slot
from protocols.modbus.codec import Form, Image, Kind, Unfit, decode, encode, encode_bit
from protocols.modbus.line import Garbled, Line, Rejected, Silent
from registry.model import OutcomeState, Value, ValueType

Result = tuple[OutcomeState, str, Value | None]


class Write:
    """One write of one point; `sent` tells whether the device may have carried it out.

    Raises:
        Unfit: the value does not fit the point.
    """

    def __init__(self, line: Line, slot: Slot, value: Value, *, verify: bool) -> None:
        self._line = line
        self._slot = slot
        self._verify = verify
        self._bit = slot.table == "coil" or slot.form.bit is not None
        self._flag = encode_bit(value) if self._bit else False
        self._words = [] if self._bit else encode(slot.form, value)
        self.sent = False

    async def carry_out(self, back: Callable[[Slot, list[int]], None]) -> Result:
        """Write and read back; `back` is given what was read. Hold the line's turn meanwhile."""
        try:
            await self._write()
        except Rejected as refusal:
            return OutcomeState.FAILED, str(refusal), None
        except (Silent, Garbled) as trouble:
            if self.sent:
                return OutcomeState.SENT_NO_ANSWER, str(trouble), None
            return OutcomeState.FAILED, f"the register cannot be read first: {trouble}", None
        except LinkLost as loss:
            if self.sent:
                return OutcomeState.SENT_NO_ANSWER, str(loss), None
            return OutcomeState.NOT_CONNECTED, str(loss), None
        if not self._verify:
            return OutcomeState.DONE, "confirmed by the device, not read back", None
        return await self._read_back(back)

    async def _write(self) -> None:
        slot, line = self._slot, self._line
        if slot.table == "coil":
            self.sent = True
            await line.write_coil(slot.unit, slot.start, self._flag)
            return
        if self._bit:
            self._words = self._merged(
                await line.read(slot.unit, "holding", slot.start, slot.width)
            )
        self.sent = True
        await line.write(slot.unit, slot.start, self._words)

    def _merged(self, words: Sequence[int]) -> list[int]:
        """Return the register with the point's bit set or cleared."""
        form = Form(value=ValueType.INT, kind=Kind.UINT16, order=self._slot.form.order)
        raw = int(decode(form, Image(words), 0))
        mask = 1 << (self._slot.form.bit or 0)
        return encode(form, raw | mask if self._flag else raw & ~mask)

    async def _read_back(self, back: Callable[[Slot, list[int]], None]) -> Result:
        slot = self._slot
        try:
            words = list(await self._line.read(slot.unit, slot.table, slot.start, slot.width))
        except Rejected as refusal:
            return OutcomeState.DONE, f"confirmed; cannot be read back: {refusal}", None
        except (Silent, Garbled, LinkLost) as trouble:
            return OutcomeState.DONE, f"confirmed; not read back: {trouble}", None
        back(slot, words)
        value = self._value(words)
        if words == self._words or (slot.table == "coil" and bool(words[0]) == self._flag):
            return OutcomeState.DONE, "written and read back", value
        return (
            OutcomeState.FAILED,
            f"the device confirmed the write but reads back {value}: it may be locked, limited "
            "or set from elsewhere",
            value,
        )

    def _value(self, words: list[int]) -> Value | None:
        if self._slot.table == "coil":
            return bool(words[0])
        try:
            return decode(self._slot.form, Image(words), 0)
        except Unfit:
            return None
