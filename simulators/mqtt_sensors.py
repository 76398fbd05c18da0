"""The simulated MQTT sensors of one node: many over one connection, like those behind a gateway.

A device that some incident kills has a connection of its own, so that its last will is real.
Alone: `python -m simulators SCENARIO --only mqtt`.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable, Sequence

from registry.model import SECOND, Time
from simulators.body import Body
from simulators.login import Login
from simulators.mqtt_line import Line
from simulators.mqtt_words import Topics, answer, telemetry, topics
from simulators.scenario import MqttPlan
from simulators.signals import uniform

log = logging.getLogger(__name__)

_LOGIN_WAIT = 0.5
_LIFE_CHECK = 0.5


class MqttSensors:
    """Plays the given bodies on one broker until cancelled."""

    def __init__(
        self,
        node: str,
        plan: MqttPlan,
        bodies: Sequence[Body],
        *,
        login: Callable[[], Login | None] | None,
        now: Callable[[], Time],
    ) -> None:
        self._node = node
        self._plan = plan
        self._login = login
        self._now = now
        self._bodies = {body.role.local: body for body in bodies}
        self._topics = {local: topics(plan.topic, local) for local in self._bodies}
        self._commands = {t.command: local for local, t in self._topics.items()}
        self._lines: dict[str, Line] = {}
        self._met: set[Line] = set()  # lines that have been up: theirs may queue from then on

    async def run(self) -> None:
        """Publish readings and answer commands until cancelled."""
        if self._login is not None:
            await self._login_there(self._login)
        shared = [local for local, body in self._bodies.items() if not body.role.dies]
        try:
            if shared:
                self._open("shared", shared)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._report())
                tasks.create_task(self._live_and_die())
        finally:
            await self._close()

    async def _login_there(self, login: Callable[[], Login | None]) -> None:
        found = login()
        if found is None:
            log.info("waiting for the login of the broker of %s", self._node)
        while found is None:
            await asyncio.sleep(_LOGIN_WAIT)
            found = login()

    def _open(self, key: str, locals_: Sequence[str]) -> None:
        gateways = [x for x in locals_ if self._bodies[x].role.profile.kind == "gateway"]
        willing = locals_[0] if len(locals_) == 1 else next(iter(gateways), None)
        line = Line(
            self._plan,
            f"{self._node}-sim-{key}",
            will_topic=self._topics[willing].status if willing else None,
            login=self._login or (lambda: None),
            connected=lambda line: self._greet(line, locals_),
            received=self._told,
        )
        for local in locals_:
            self._lines[local] = line
        line.start()

    def _greet(self, line: Line, locals_: Sequence[str]) -> None:
        """Say that these sensors are there, each time the connection comes up."""
        self._met.add(line)
        commandable = [x for x in locals_ if self._bodies[x].told()]
        line.subscribe([self._topics[local].command for local in commandable])
        for local in locals_:
            line.publish(self._topics[local].status, b"online", retain=True)

    def _told(self, line: Line, topic: str, payload: bytes) -> None:
        local = self._commands.get(topic)
        if local is None:
            return
        body = self._bodies[local]
        if not body.alive(self._now()):
            return
        reply, done = answer(body, payload)
        line.publish(self._topics[local].reply, reply)
        if done:
            line.publish(self._topics[local].telemetry, telemetry(body, self._now()))

    async def _report(self) -> None:
        """Publish each sensor's readings at its own pace, all of them spread over time."""
        begun = self._now()
        due = [
            (begun + int(uniform(i, 1) * body.role.profile.every * SECOND), local)
            for i, (local, body) in enumerate(self._bodies.items())
        ]
        heapq.heapify(due)
        while due:
            time, local = due[0]
            wait = (time - self._now()) / SECOND
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            step = int(self._bodies[local].role.profile.every * SECOND)
            heapq.heapreplace(due, (max(time + step, self._now() - step), local))
            self._speak(self._bodies[local], self._topics[local])
        await asyncio.Event().wait()

    def _speak(self, body: Body, where: Topics) -> None:
        line = self._lines.get(body.role.local)
        now = self._now()
        if line in self._met and body.alive(now):
            line.publish(where.telemetry, telemetry(body, now))

    async def _live_and_die(self) -> None:
        """Open and break the lines of the mortal devices as their incidents want it."""
        mortal = [body for body in self._bodies.values() if body.role.dies]
        while mortal:
            for body in mortal:
                local = body.role.local
                alive = body.alive(self._now())
                if alive and local not in self._lines:
                    self._open(local, [local])
                elif not alive and local in self._lines:
                    broken = self._lines.pop(local)
                    self._met.discard(broken)
                    await broken.break_off()
            await asyncio.sleep(_LIFE_CHECK)

    async def _close(self) -> None:
        lines = set(self._lines.values())
        self._met.clear()
        self._lines.clear()
        await asyncio.shield(asyncio.gather(*(line.hang_up() for line in lines)))
