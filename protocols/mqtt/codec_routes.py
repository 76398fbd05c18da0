"""Topics: which device a message is of, and which subscriptions the devices need."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from protocols.mqtt.address import LinkAddress, expand, read_link, topic_filter
from protocols.mqtt.codec_payload import Plan
from registry.model import Device, Fault

_PAUSE_EVERY: Final = 200


class Served(NamedTuple):
    """A device and how it is reached; without `address` it cannot be served."""

    device: Device
    address: LinkAddress | None


class Target:
    """What a topic is for."""

    __slots__ = ("replies", "status", "telemetry")

    def __init__(self) -> None:
        self.telemetry: list[tuple[str, Plan]] = []
        self.status: list[str] = []
        self.replies = 0

    def used(self) -> bool:
        return bool(self.telemetry or self.status or self.replies)


class Routes:
    """From topic to device in one lookup, and the subscriptions that all devices need.

    Devices that share a topic template share one wildcard subscription, devices that share
    points and time field share one compiled plan.
    """

    def __init__(self) -> None:
        self._targets: dict[str, Target] = {}
        self._served: dict[str, Served] = {}
        self._filters: Counter[str] = Counter()
        self._plans: dict[tuple[object, ...], Plan] = {}
        self.faults: list[tuple[str, Fault]] = []
        """What was wrong with devices since the owner last emptied it."""

    @property
    def filters(self) -> set[str]:
        """The subscriptions that the devices need."""
        return set(self._filters)

    def find(self, device: str) -> Served | None:
        return self._served.get(device)

    def target(self, topic: str) -> Target | None:
        return self._targets.get(topic)

    def users(self, filters: Iterable[str]) -> list[str]:
        """Return the devices that depend on any of these subscriptions."""
        wanted = set(filters)
        return [
            name
            for name, (_, address) in self._served.items()
            if address and wanted & set(_filters(address))
        ]

    def replace(self, devices: Mapping[str, Device]) -> Iterator[None]:
        """Serve exactly these devices; yields now and then so that others may work."""
        for name in [n for n in self._served if n not in devices]:
            self._remove(name)
        for count, (name, device) in enumerate(devices.items(), 1):
            served = self._served.get(name)
            if served is None or served.device != device:
                if served is not None:
                    self._remove(name)
                self._add(device)
            if not count % _PAUSE_EVERY:
                yield

    def _add(self, device: Device) -> None:
        address, faults = read_link(device)
        if faults:
            self.faults += [(device.id, fault) for fault in faults]
            self._served[device.id] = Served(device, None)
            return
        self._served[device.id] = Served(device, address)
        self._filters.update(_filters(address))
        if address.topic:
            plan = self._plan(device, address)
            self._at(address.topic, device.id).telemetry.append((device.id, plan))
        if address.status_topic:
            self._at(address.status_topic, device.id).status.append(device.id)
        if address.reply_topic:
            self._at(address.reply_topic, device.id).replies += 1

    def _remove(self, name: str) -> None:
        device, address = self._served.pop(name)
        if address is None:
            return
        self._filters.subtract(_filters(address))
        self._filters = +self._filters
        for template in (address.topic, address.status_topic, address.reply_topic):
            topic = expand(template, device.id)
            target = self._targets.get(topic)
            if not template or target is None:
                continue
            if template == address.topic:
                target.telemetry = [t for t in target.telemetry if t[0] != name]
            if template == address.status_topic:
                target.status = [s for s in target.status if s != name]
            if template == address.reply_topic:
                target.replies -= 1
            if not target.used():
                del self._targets[topic]

    def _at(self, template: str, device: str) -> Target:
        return self._targets.setdefault(expand(template, device), Target())

    def _plan(self, device: Device, address: LinkAddress) -> Plan:
        shape = tuple(
            (p.name, p.type, p.scale, p.offset, p.address.get("pointer")) for p in device.points
        )
        key = (shape, address.time, address.time_format)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = Plan(device.points, address.time, address.time_format)
        return plan


def _filters(address: LinkAddress) -> list[str]:
    templates = {address.topic, address.status_topic, address.reply_topic} - {""}
    return [topic_filter(t) for t in templates]
