"""The lower end of a cascade link: brings the outbox to the upper tier and takes its orders."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from msgspec import Struct

from cascade import control, topics
from cascade.bus import Bus, BusMessage, OpenBus
from cascade.control import Ack, Birth, Farewell, Heartbeat, LaneStanding, Resume
from cascade.down_intake import Deliver, DownIntake
from cascade.envelope import VERSION
from cascade.faults import BadEnvelope
from cascade.outbox import MAX_WINDOW
from cascade.sending import Relation, compare
from cascade.states import UPLINK, UplinkEvent, UplinkState
from cascade.store import Standing, UplinkStore
from cascade.tasks import together
from cascade.timing import Timing
from cascade.up_flow import UpFlow
from protocols.adapter import LinkLost, Refused
from registry.model import DeviceState, Lane, Time

log = logging.getLogger(__name__)

OnUpper = Callable[[str, DeviceState, str], None]
"""Told (upper node, state, cause for an operator) whenever the link takes another state."""

_FAREWELL_S: Final = 1.0
_LANES: Final = {lane.value: lane for lane in Lane}


class Node(Struct, frozen=True, kw_only=True):
    """Who a node is on its way up."""

    name: str
    upper: str
    role: str
    version: str


class Uplink:
    """Speaks with the upper tier until cancelled; call `run` again after LinkLost.

    `wake` is to be set after every commit that appended to the outbox. `republish` has to append
    all devices, their states and the open alarms to the outbox: the upper tier knows nothing.
    """

    def __init__(
        self,
        node: Node,
        *,
        open_bus: OpenBus,
        store: UplinkStore,
        deliver: Deliver,
        republish: Callable[[], Awaitable[None]],
        wake: asyncio.Event,
        now: Callable[[], Time],
        on_upper: OnUpper = lambda upper, state, cause: None,
        timing: Timing | None = None,
    ) -> None:
        self._node = node
        self._open_bus = open_bus
        self._store = store
        self._deliver = deliver
        self._republish = republish
        self._wake = wake
        self._now = now
        self._on_upper = on_upper
        self._timing = timing or Timing()
        self._session = secrets.token_hex(6)

    def will(self) -> BusMessage:
        """Return the last will for the connection that `open_bus` is about to make (QoS 1)."""
        return self._farewell("The connection broke.")

    async def run(self) -> None:
        """Converse until cancelled.

        Raises:
            LinkLost: the broker is gone; run again.
            Refused: the broker does not let this node in.
        """
        self._session = secrets.token_hex(6)
        try:
            await self._converse()
        except (LinkLost, Refused) as error:
            self._on_upper(self._node.upper, DeviceState.OFFLINE, str(error))
            raise

    async def _converse(self) -> None:
        bus = await self._open_bus()
        try:
            await bus.subscribe(topics.from_above(self._node.upper, self._node.name))
            async with together() as group:
                talk = _Talk(self, bus, group)
                for job in (talk.listen, talk.settle, talk.tick, talk.flow.run, talk.intake.run):
                    group.create_task(job())
        finally:
            await self._leave(bus)

    async def _leave(self, bus: Bus) -> None:
        try:
            async with asyncio.timeout(_FAREWELL_S):
                message = self._farewell("It was shut down.")
                await bus.publish(message.topic, message.payload)
        except (LinkLost, TimeoutError):
            log.debug("No farewell reached %s", self._node.upper)
        await bus.close()

    def _farewell(self, cause: str) -> BusMessage:
        message = Farewell(node=self._node.name, session=self._session, cause=cause)
        topic = topics.up(self._node.upper, self._node.name, topics.FAREWELL)
        return BusMessage(topic, control.write(message))


class _Talk:
    """One connection: the state machine `states.UPLINK` and what drives it."""

    def __init__(self, uplink: Uplink, bus: Bus, group: asyncio.TaskGroup) -> None:
        self._u = uplink
        self._node = uplink._node
        self._store = uplink._store
        self._timing = uplink._timing
        self._bus = bus
        self._clock = asyncio.get_running_loop().time
        self._state = UplinkState.APART
        self._births = 0
        self._birth = b""
        self._standing: Standing | None = None
        self._heard = self._spoke = self._clock()
        self._told: DeviceState | None = None
        self._acks: dict[Lane, Ack] = {}
        self._resume: Resume | None = None
        self._news = asyncio.Event()
        self.flow = UpFlow(
            bus=bus,
            group=group,
            upper=self._node.upper,
            store=self._store,
            timing=self._timing,
            wake=uplink._wake,
            clock=self._clock,
            now=uplink._now,
        )
        self.intake = DownIntake(
            bus=bus,
            node=self._node.name,
            upper=self._node.upper,
            store=self._store,
            deliver=uplink._deliver,
            now=uplink._now,
        )

    async def listen(self) -> None:
        """Sort what comes down."""
        down = topics.down(self._node.upper, self._node.name)
        resume = topics.ack(self._node.upper, self._node.name, topics.RESUME)
        while True:
            for message in await self._bus.messages():
                self._heard = self._clock()
                try:
                    if message.topic == down:
                        self.intake.offer(message.payload)
                    elif message.topic == resume:
                        self._resume = control.read(message.payload, Resume)
                    else:
                        self._note_ack(message)
                except BadEnvelope as error:
                    log.warning("Ignored on %s: %s", message.topic, error)
            self._news.set()

    def _note_ack(self, message: BusMessage) -> None:
        lane = _LANES.get(message.topic.rpartition("/")[2])
        ack = control.read(message.payload, Ack)
        if lane is None or self._standing is None or ack.epoch != self._standing.identity.epoch:
            return
        before = self._acks.get(lane)
        if before is not None and not ack.resend and before.sequence >= ack.sequence:
            return
        self._acks[lane] = ack

    async def settle(self) -> None:
        """Act on what came down, in order."""
        await self._step(UplinkEvent.CONNECTED)
        while True:
            await self._news.wait()
            self._news.clear()
            resume, self._resume = self._resume, None
            acks, self._acks = self._acks, {}
            if resume is not None:
                await self._on_resume(resume)
            if self._state is UplinkState.SENDING:
                await self._on_acks(acks)
            if self._clock() - self._heard >= self._silence():
                await self._step(UplinkEvent.SILENCE)

    async def _on_acks(self, acks: Mapping[Lane, Ack]) -> None:
        for lane, ack in acks.items():
            if not await self.flow.acked(lane, ack):
                await self._step(UplinkEvent.UPPER_ANEW)
                return

    async def tick(self) -> None:
        """Say again what was not answered; tell that this node lives."""
        while True:
            await asyncio.sleep(self._timing.tick)
            moment = self._clock()
            if self._state is UplinkState.BORN and moment - self._spoke >= self._timing.birth:
                await self._say(topics.BIRTH, self._birth)
            if moment - self._heard >= self._silence():
                self._news.set()
            if self._state is UplinkState.SENDING:
                self.flow.remind()
                if moment - self._spoke >= self._timing.heartbeat:
                    await self._beat()

    def _silence(self) -> float:
        """With something under way an answer is due sooner."""
        if self._state is UplinkState.SENDING and self.flow.under_way:
            return min(self._timing.silence, 3 * self._timing.resend)
        return self._timing.silence

    async def _step(self, event: UplinkEvent) -> None:
        """Take a step of the state machine; only `settle` does, so steps never overlap."""
        following = UPLINK.get((self._state, event))
        if following is None:
            return
        self._state, effects = following
        if self._state is not UplinkState.SENDING:
            self.flow.stop()
        for effect in effects:
            await self._do(effect)

    async def _do(self, effect: str) -> None:
        match effect:
            case "give_birth":
                await self._give_birth()
            case "renew_epoch":
                log.error(
                    "%s knows more of this node than its own database: this is a restored or "
                    "copied database. A new epoch begins.",
                    self._node.upper,
                )
                await self._store.renew_epoch()
            case "republish":
                await self._u._republish()
                streams = (await self._store.standing()).streams
                self.flow.registry_first(streams[Lane.REGISTRY].next - 1)
            case "open":
                self.flow.start()
            case "tell":
                self._tell()

    def _tell(self) -> None:
        online = self._state is UplinkState.SENDING
        state = DeviceState.ONLINE if online else DeviceState.OFFLINE
        if state is not self._told:
            self._told = state
            cause = "" if online else f"The broker answers, but {self._node.upper} does not."
            self._u._on_upper(self._node.upper, state, cause)

    async def _give_birth(self) -> None:
        self._standing = standing = await self._store.standing()
        self._births += 1
        self._heard = self._clock()
        self._birth = control.write(
            Birth(
                node=self._node.name,
                epoch=standing.identity.epoch,
                session=self._u._session,
                birth=self._births,
                version=self._node.version,
                envelope=VERSION,
                role=self._node.role,
                lanes={
                    lane.value: LaneStanding(first=s.acknowledged + 1, next=s.next)
                    for lane, s in standing.streams.items()
                },
            )
        )
        await self._say(topics.BIRTH, self._birth)

    async def _beat(self) -> None:
        if self._standing is None:
            return
        backlog = await self._store.backlog()
        message = Heartbeat(
            node=self._node.name,
            epoch=self._standing.identity.epoch,
            session=self._u._session,
            birth=self._births,
            backlog={lane.value: figures for lane, figures in backlog.items()},
        )
        await self._say(topics.HEARTBEAT, control.write(message))

    async def _say(self, part: str, payload: bytes) -> None:
        self._spoke = self._clock()
        await self._bus.publish(topics.up(self._node.upper, self._node.name, part), payload)

    async def _on_resume(self, resume: Resume) -> None:
        standing = self._standing
        if standing is None or resume.epoch != standing.identity.epoch:
            return
        self.intake.report(resume.upper_epoch)
        if resume.session != self._u._session:
            await self._step(UplinkEvent.UPPER_ANEW)
        elif resume.birth == self._births and self._state is UplinkState.BORN:
            await self._go_on(standing, resume)

    async def _go_on(self, standing: Standing, resume: Resume) -> None:
        positions = {_LANES[k]: v for k, v in resume.positions.items() if k in _LANES}
        found = compare(standing.streams, positions, MAX_WINDOW)
        copied = found.relation is Relation.SENDER_COPIED
        for lane in found.suspects:
            copied = copied or await self._cannot_have_sent(standing, lane, positions[lane])
        if copied:
            await self._step(UplinkEvent.COPIED)
            return
        await self.flow.begin(standing.identity, standing.streams, resume.positions)
        fresh = standing.streams[Lane.REGISTRY].next == 1
        behind = found.relation is Relation.RECEIVER_BEHIND
        await self._step(UplinkEvent.UPPER_BEHIND if behind or fresh else UplinkEvent.IN_STEP)

    async def _cannot_have_sent(self, standing: Standing, lane: Lane, position: int) -> bool:
        after = standing.streams[lane].acknowledged
        rows = await self._store.read(lane, after, MAX_WINDOW + 1)
        return len(rows) > MAX_WINDOW and rows[-1].sequence <= position
