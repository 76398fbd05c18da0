"""The composition root: the one place where a node's parts are made, joined, started, stopped."""

import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from cascade.tasks import together
from gateway import secrets
from gateway.api.app import build
from gateway.api.changelog import ChangeLog
from gateway.api.server import serve
from gateway.broker.access import DEVICES, EVERYTHING, Rights, lower_node, table
from gateway.broker.settings import BrokerSettings
from gateway.config import Settings
from gateway.core import Core
from gateway.orders import Orders, unfinished
from gateway.publisher import Publisher
from gateway.readoption import Readoption
from gateway.roles import Adapters
from gateway.service import Service
from gateway.supervisor import Supervisor
from gateway.tiers import Tiers
from gateway.upkeep import Seen, Upkeep
from protocols import catalogue
from registry.model import (
    Device,
    DeviceKind,
    DeviceState,
    Discovered,
    StatusChange,
    Time,
)

log = logging.getLogger(__name__)

SENSORS: Final = "sensors"
"""The user that devices sign in as at the embedded broker."""


class Node:
    """One edge box, city or province. `run` is its whole life."""

    def __init__(self, settings: Settings, now: Callable[[], Time] = time.time_ns) -> None:
        self._settings = settings
        self._now = now
        self._secrets = Path(settings.data.folder) / "secrets"

    async def run(self, ready: Callable[[int], None] = lambda port: None) -> None:
        """Open the data folder, run everything until cancelled, finish what is held, close.

        `ready` is called with the API's port once it is listened on.

        Raises:
            Faulty: the configuration cannot be used here: a taken port, a folder in use.
        """
        async with AsyncExitStack() as stack:
            core = Core(self._settings, self._now)
            stack.push_async_callback(core.close)
            await core.start()
            await self._introduce(core)
            await self._start_broker(core, stack)
            await self._run(core, ready)

    async def _run(self, core: Core, ready: Callable[[int], None]) -> None:
        changes = ChangeLog()
        supervisor = Supervisor(
            open_adapter=Adapters(self._settings, self._now),
            emit=core.pipeline.emit,
            now=self._now,
            metrics=core.metrics,
        )
        orders = Orders(
            node=self._settings.node.name,
            now=self._now,
            roster=core.roster,
            execute=supervisor.command,
            emit=core.pipeline.emit,
        )
        tiers = Tiers(self._settings, core, self._own_secret())
        tiers.host(supervisor)
        seen = Seen(self._now)
        readoption = Readoption(core.pipeline, core.stores.readers)
        for listener in (Publisher(changes), orders, tiers, seen, readoption):
            core.pipeline.listen(listener)
        self._follow_roster(core, supervisor)
        orders.resume(await core.stores.readers.read(unfinished))
        service = Service(core, changes, orders, supervisor, tiers)
        upkeep = Upkeep(
            now=self._now,
            pipeline=core.pipeline,
            presence=core.presence,
            seen=seen,
            history=core.stores.history,
            retention_days=self._settings.data.retention_days,
            metrics=core.metrics,
        )
        tokens = {"operator": secrets.ensure(self._secrets, "api-token")}
        app = build(service, self._settings.api, tokens)
        async with together() as group:
            group.create_task(serve(app, self._settings.api, ready=ready), name="api")
            group.create_task(supervisor.run(), name="supervisor")
            group.create_task(orders.run(), name="orders")
            group.create_task(tiers.run(), name="tiers")
            group.create_task(upkeep.run(), name="upkeep")
            group.create_task(core.committer.watch(), name="commit")
            group.create_task(readoption.run(), name="readoption")

    def _follow_roster(self, core: Core, supervisor: Supervisor) -> None:
        """Keep the supervisor in step with the devices this node is the home of."""
        me = self._settings.node.name

        def dialled(device: Device | None) -> Device | None:
            if device is None or device.home != me or device.link is None:
                return None
            return None if device.link.protocol == catalogue.PUSHED else device

        def changed(before: Device | None, after: Device | None) -> None:
            supervisor.changed(dialled(before), dialled(after))

        core.roster.listen(changed)
        for device in core.roster.own().values():
            changed(None, device)

    async def _introduce(self, core: Core) -> None:
        """Every node is a device too: that is how the tiers above see it."""
        node = self._settings.node
        known = core.roster.get(node.name)
        if known is None:
            device = Device(
                id=node.name,
                home=node.name,
                name=node.title or node.name,
                kind=DeviceKind.GATEWAY,
                category="gateway",
            )
            await core.pipeline.emit([Discovered(device=device)], node.name)
        word = StatusChange(
            device=node.name, state=DeviceState.ONLINE, since=self._now(), cause="running"
        )
        await core.pipeline.emit([word], node.name)

    async def _start_broker(self, core: Core, stack: AsyncExitStack) -> None:
        settings = self._settings
        if settings.broker is None:
            return
        from gateway.broker.embedded import EmbeddedBroker

        me = settings.node.name
        users = {
            me: self._own_secret(),
            SENSORS: self._sensors_password(settings.broker),
        }
        rights: dict[str, Rights] = {me: EVERYTHING, SENSORS: DEVICES}
        for child in settings.lower.nodes if settings.lower else ():
            users[child.name] = secrets.ensure(self._secrets, f"node-{child.name}")
            rights[child.name] = lower_node(me, child.name)
        broker = EmbeddedBroker(settings.broker, users, table(rights), core.metrics)
        port = await broker.start()
        stack.push_async_callback(broker.stop)
        log.info(
            "embedded broker on %s:%d (at most once across its own restart); secrets in %s",
            settings.broker.bind,
            port,
            self._secrets,
        )

    def _sensors_password(self, broker: BrokerSettings) -> str:
        return broker.password or secrets.ensure(self._secrets, f"broker-{SENSORS}")

    def _own_secret(self) -> str:
        return secrets.ensure(self._secrets, "broker-self")
