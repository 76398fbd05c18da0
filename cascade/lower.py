"""One lower node as the upper tier sees it: what it says, whether it lives, what goes down."""

import asyncio
import logging
from collections import deque
from typing import Final

from msgspec import structs

from cascade import control, topics
from cascade.control import Birth, DownAck, Farewell, Heartbeat, Resume
from cascade.down_pump import DownPump
from cascade.envelope import VERSION, open_sealed
from cascade.faults import BadEnvelope
from cascade.intake import Intake
from cascade.screening import unreadable
from cascade.states import LOWER, LowerEvent, LowerState
from cascade.tasks import attempt
from cascade.upstairs import Counters, Figures, Upstairs
from registry.model import DeviceState, Lane, Misfit, MisfitReason

log = logging.getLogger(__name__)

_CONTROLS: Final = 64
_SAMPLE: Final = 400
_LANES: Final = {lane.value: lane for lane in Lane}
_DEVICE_STATES: Final = {
    LowerState.UNKNOWN: DeviceState.UNKNOWN,
    LowerState.ONLINE: DeviceState.ONLINE,
    LowerState.OFFLINE: DeviceState.OFFLINE,
}

_Note = Birth | Heartbeat | Farewell | DownAck | Misfit | LowerEvent


class LowerNode:
    """The counterpart of one Uplink."""

    def __init__(self, name: str, up: Upstairs) -> None:
        self.counters = Counters()
        self.pump = DownPump(name, up)
        self._name = name
        self._up = up
        self._stir = asyncio.Event()
        self._intake = Intake(name, up, self.counters, self._stir)
        self._notes: deque[_Note] = deque()
        self._state = LowerState.UNKNOWN
        self._figures = Figures(counters=self.counters)
        self._session = ""
        self._heard = up.clock()
        self._asked = self._misfit = float("-inf")
        for job in (self._work(), self._intake.acknowledge(), self.pump.run()):
            up.group.create_task(job)

    def offer(self, part: str, payload: bytes) -> None:
        """Take one message from below; what does not fit into the queues is left to be resent."""
        try:
            if part in _LANES:
                self._offer_envelope(_LANES[part], payload)
            elif part == topics.BIRTH:
                self._note(control.read(payload, Birth))
            elif part == topics.HEARTBEAT:
                self._note(control.read(payload, Heartbeat))
            elif part == topics.FAREWELL:
                self._note(control.read(payload, Farewell))
            elif part == topics.DOWN_ACK:
                self._note(control.read(payload, DownAck))
        except BadEnvelope as error:
            self.counters.unreadable += 1
            sample = repr(payload[:_SAMPLE])[2:-1]
            self._set_aside(unreadable(self._name, f"{part}: {error}", sample, self._up.now()))

    def tick(self) -> None:
        """Look at the clock."""
        self._intake.tick()
        if self._up.clock() - self._heard >= self._up.timing.silence:
            if self._state is not LowerState.OFFLINE and LowerEvent.SILENCE not in self._notes:
                self._note(LowerEvent.SILENCE)
        else:
            self.pump.remind()

    def _offer_envelope(self, lane: Lane, payload: bytes) -> None:
        try:
            sealed = open_sealed(payload)
        except BadEnvelope as error:
            if error.field != "checksum":
                raise
            self.counters.damaged += 1
            self._intake.complain(lane)
            return
        if sealed.source != self._name or sealed.lane is not lane:
            self.counters.refused += 1
            self._set_aside(
                Misfit(
                    source=self._name,
                    reason=MisfitReason.FORBIDDEN,
                    detail=f"An envelope of {sealed.source!r}, lane {sealed.lane}, came by the "
                    f"topic of {self._name}, lane {lane}: a node speaks for itself only.",
                    time=self._up.now(),
                )
            )
            return
        self._heard = self._up.clock()
        self._intake.push(sealed)
        if self._state is not LowerState.ONLINE and LowerEvent.HEARD not in self._notes:
            self._note(LowerEvent.HEARD)

    def _note(self, note: _Note) -> None:
        if len(self._notes) < _CONTROLS:
            self._notes.append(note)
            self._stir.set()

    def _set_aside(self, misfit: Misfit) -> None:
        """Keep one misfit that belongs to no stream per `complaint` seconds; all are counted."""
        moment = self._up.clock()
        if moment - self._misfit >= self._up.timing.complaint:
            self._misfit = moment
            self._note(misfit)

    async def _work(self) -> None:
        while True:
            await self._stir.wait()
            self._stir.clear()
            busy = True
            while busy:
                if self._notes:
                    await self._on_note(self._notes.popleft())
                else:
                    busy = await self._intake.step()
                await asyncio.sleep(0)

    async def _on_note(self, note: _Note) -> None:
        match note:
            case Birth() if note.node == self._name:
                await self._on_birth(note)
            case Heartbeat() if note.node == self._name:
                await self._on_heartbeat(note)
            case Farewell() if note.node == self._name:
                if not self._session or note.session == self._session:
                    self._step(LowerEvent.FAREWELL, note.cause)
            case DownAck():
                self._heard = self._up.clock()
                await self.pump.confirmed(note)
            case Misfit():
                await self._store(note)
            case LowerEvent.SILENCE:
                if self._up.clock() - self._heard >= self._up.timing.silence:
                    cause = f"Nothing was heard for {self._up.timing.silence:.0f} s."
                    self._step(note, cause)
            case LowerEvent.HEARD:
                self._step(note, "")
                await self._ask_for_birth()

    async def _on_birth(self, birth: Birth) -> None:
        self._heard = self._up.clock()
        self._session = birth.session
        await self._intake.use_epoch(birth.epoch)
        self._figures = structs.replace(
            self._figures,
            epoch=birth.epoch,
            version=birth.version,
            role=birth.role,
            heard=self._up.now(),
        )
        if birth.envelope > VERSION:
            log.warning(
                "%s writes envelopes of version %d, this node reads %d: upgrade this node.",
                self._name,
                birth.envelope,
                VERSION,
            )
        self.pump.pause()
        await self._resume(birth.session, birth.birth)
        self._step(LowerEvent.BIRTH, "")

    async def _on_heartbeat(self, beat: Heartbeat) -> None:
        self._heard = self._up.clock()
        lanes = beat.backlog.values()
        self._figures = structs.replace(
            self._figures,
            epoch=beat.epoch,
            rows=sum(lane.rows for lane in lanes),
            bytes=sum(lane.bytes for lane in lanes),
            readings=sum(lane.readings for lane in lanes),
            oldest=min((lane.oldest for lane in lanes if lane.oldest), default=0),
            heard=self._up.now(),
        )
        await self._intake.use_epoch(beat.epoch)
        if self._session:
            await self._resume(beat.session, beat.birth)
        else:
            await self._ask_for_birth()
        before = self._state
        self._step(LowerEvent.HEARD, "")
        if before is self._state:
            self._tell("")

    async def _ask_for_birth(self) -> None:
        moment = self._up.clock()
        if not self._session and moment - self._asked >= self._up.timing.birth:
            self._asked = moment
            await self._resume("", 0)

    async def _resume(self, session: str, birth: int) -> None:
        up, stream = self._up, self._intake.stream
        message = Resume(
            upper=up.name,
            upper_epoch=up.epoch,
            epoch=stream.epoch,
            session=session,
            birth=birth,
            positions=stream.positions,
        )
        topic = topics.ack(up.name, self._name, topics.RESUME)
        await up.publish(topic, control.write(message))

    def _step(self, event: LowerEvent, cause: str) -> None:
        self._state, effects = LOWER[self._state, event]
        for effect in effects:
            match effect:
                case "pause_down":
                    self.pump.pause()
                case "tell":
                    self._tell(cause)

    def _tell(self, cause: str) -> None:
        self._up.on_link(self._name, _DEVICE_STATES[self._state], cause, self._figures)

    async def _store(self, misfit: Misfit) -> None:
        failure = await attempt(self._up.emit, [misfit])
        if failure is not None:
            log.error(
                "A misfit of %s could not be stored: %r (%s)",
                self._name,
                failure,
                misfit.detail,
                extra={"device": self._name},
            )
