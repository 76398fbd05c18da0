"""Envelopes of one lower node on their way into the pipeline: in order, several at once, and
acknowledged as far as the database says."""

import asyncio
import logging
from collections import deque
from typing import Final

from cascade import control, topics
from cascade.control import Ack
from cascade.envelope import Envelope, Sealed, unpack
from cascade.faults import BadEnvelope
from cascade.parcel import SEND_ORDER
from cascade.receiving import StreamReceiver, Verdict
from cascade.screening import screen, unreadable
from cascade.tasks import attempt
from cascade.upstairs import Counters, Upstairs
from registry.model import Event, Lane

log = logging.getLogger(__name__)

_QUEUE: Final = 128
_QUEUE_BYTES: Final = 16 * 1024 * 1024


class _Box:
    """One lane: what arrived, what is being committed, what is to be said.

    Since a commit failed, `again` is the moment from which the lane is tried once more; 0 as long
    as commits succeed.
    """

    def __init__(self) -> None:
        self.queue: deque[Sealed] = deque()
        self.flights: deque[tuple[int, asyncio.Task[BaseException | None]]] = deque()
        self.due = False
        self.complain = False
        self.refused = False
        self.again = 0.0


class Intake:
    """The four lanes of one source. `stir` is set whenever `step` may have something to do."""

    def __init__(self, source: str, up: Upstairs, counters: Counters, stir: asyncio.Event) -> None:
        self.stream = StreamReceiver("", {})
        self._source = source
        self._up = up
        self._counters = counters
        self._stir = stir
        self._boxes = {lane: _Box() for lane in SEND_ORDER}
        self._waiting = 0
        self._landed = asyncio.Event()
        self._all_landed = asyncio.Event()

    def push(self, sealed: Sealed) -> None:
        """Queue an envelope; over the bounds, or in the pause after a failed commit, it is left
        to be resent."""
        box = self._boxes[sealed.lane]
        if box.refused and box.again:
            return
        size = len(sealed.stowed.body)
        if len(box.queue) >= _QUEUE or self._waiting + size > _QUEUE_BYTES:
            self._counters.overflowed += 1
            return
        self._waiting += size
        box.queue.append(sealed)
        self._stir.set()

    def complain(self, lane: Lane) -> None:
        """Ask, soon, for everything of a lane that is not stored."""
        self._boxes[lane].complain = True
        self._landed.set()

    def tick(self) -> None:
        """Look whether the pause of a lane is over."""
        if any(box.refused for box in self._boxes.values()):
            self._landed.set()

    async def use_epoch(self, epoch: str) -> None:
        """Go over to the streams of `epoch`, once what is under way has landed."""
        if epoch == self.stream.epoch:
            return
        while any(box.flights for box in self._boxes.values()):
            self._all_landed.clear()
            await self._all_landed.wait()
        if self.stream.epoch:
            log.warning(
                "%s begins a new epoch: its database is new, restored or a copy.",
                self._source,
                extra={"device": self._source},
            )
        self.stream = StreamReceiver(epoch, await self._up.store.positions(self._source, epoch))

    async def step(self) -> bool:
        """Deal with the most important envelope that can be dealt with; False if none can."""
        for lane in SEND_ORDER:
            box = self._boxes[lane]
            if not box.queue or box.refused or len(box.flights) >= self._up.timing.flights:
                continue
            sealed = box.queue[0]
            await self.use_epoch(sealed.epoch)
            if not box.queue or box.queue[0] is not sealed:  # the lane was given up meanwhile
                return True
            verdict = self.stream.judge(sealed)
            if verdict is Verdict.HOLD:
                continue
            box.queue.popleft()
            self._waiting -= len(sealed.stowed.body)
            self._act(box, sealed, verdict)
            return True
        return False

    def _act(self, box: _Box, sealed: Sealed, verdict: Verdict) -> None:
        match verdict:
            case Verdict.DUPLICATE:
                self._counters.duplicates += 1
                box.due = True
                self._landed.set()
            case Verdict.GAP:
                self._counters.gaps += 1
                self.complain(sealed.lane)
            case _:
                self.stream.take(sealed.lane, sealed.sequence)
                batch = [sealed.mark, *self._read(sealed)]
                task = self._up.group.create_task(attempt(self._up.emit, batch))
                task.add_done_callback(lambda _: self._landed.set())
                box.flights.append((sealed.sequence, task))

    def _read(self, sealed: Sealed) -> list[Event]:
        now = self._up.now()
        try:
            envelope = unpack(sealed)
        except BadEnvelope as error:
            self._counters.unreadable += 1
            sample = repr(sealed.stowed.body[:200])[2:-1]
            what = f"envelope {sealed.lane} {sealed.sequence}: {error}"
            return [unreadable(self._source, what, sample, now)]
        self._count(envelope)
        screened = screen(self._source, envelope.events, self._up.permits, now)
        self._counters.refused += screened.refused
        return screened.events + [
            unreadable(self._source, why, sample, now) for why, sample in envelope.unreadable
        ]

    def _count(self, envelope: Envelope) -> None:
        counters = self._counters
        counters.envelopes += 1
        counters.readings += envelope.readings
        counters.unknown_kinds += envelope.ignored
        counters.unreadable += len(envelope.unreadable)
        stone = envelope.tombstone
        if stone is not None:
            counters.declared_lost_envelopes += stone.envelopes
            counters.declared_lost_readings += stone.readings
            log.warning(
                "%s declares %s %d to %d as gone (%d readings): %s",
                self._source,
                envelope.lane,
                envelope.first,
                envelope.sequence,
                stone.readings,
                stone.reason,
                extra={"device": self._source},
            )

    async def acknowledge(self) -> None:
        """Say what is stored, whenever something landed. Runs until cancelled."""
        while True:
            await self._landed.wait()
            self._landed.clear()
            await self._land()
            for lane, box in self._boxes.items():
                await self._answer(lane, box)
            if not any(box.flights for box in self._boxes.values()):
                self._all_landed.set()
            self._stir.set()

    async def _land(self) -> None:
        landed: dict[Lane, int] = {}
        failures: dict[Lane, BaseException] = {}
        for lane, box in self._boxes.items():
            while box.flights and box.flights[0][1].done():
                landed[lane], flight = box.flights.popleft()
                failure = flight.result()
                if failure is not None:
                    failures[lane] = failure
        if not landed:
            return
        stream = self.stream
        stream.commit(await self._up.store.positions(self._source, stream.epoch))
        for lane, sequence in landed.items():
            box = self._boxes[lane]
            box.due = True
            if stream.stored(lane) < sequence:
                self._counters.not_stored += 1
                box.refused = True
                if lane in failures:
                    self._pause(lane, box, failures[lane])
            else:
                box.again = 0.0

    def _pause(self, lane: Lane, box: _Box, failure: BaseException) -> None:
        """Leave a lane alone for a while: nothing of what waits in it can be stored now."""
        if not box.again:
            log.error(
                "What %s sent (lane %s) could not be stored; it is asked for again every %g s: %r",
                self._source,
                lane,
                self._up.timing.retry,
                failure,
                exc_info=failure,
                extra={"device": self._source},
            )
        box.again = self._up.clock() + self._up.timing.retry
        self._waiting -= sum(len(sealed.stowed.body) for sealed in box.queue)
        box.queue.clear()

    async def _answer(self, lane: Lane, box: _Box) -> None:
        up, stream = self._up, self.stream
        if box.refused and not box.flights and up.clock() >= box.again:
            stream.fall_back(lane)
            box.refused = False
            box.complain = True
        resend = box.complain and not box.flights
        if resend:
            box.complain = False
            resend = stream.may_complain(lane, up.clock(), up.timing.complaint)
        if not (box.due or resend) or not stream.epoch:
            return
        box.due = False
        message = Ack(epoch=stream.epoch, sequence=stream.stored(lane), resend=resend)
        await up.publish(topics.ack(up.name, self._source, lane.value), control.write(message))
