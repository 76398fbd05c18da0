"""What `ganzhi doctor` looks at: one function a subject, each returning findings."""

import shutil
import socket
import time
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from msgspec import Struct

from gateway.api.screen import STATIC
from gateway.bus import mqtt_bus
from gateway.config import Settings
from gateway.stores import in_use
from protocols import catalogue
from protocols.adapter import LinkLost, Refused
from registry.model import Faulty
from registry.store import devices
from registry.store.database import open_reader


class Grade(Enum):
    """How bad a finding is, from good to bad."""

    GOOD = "ok"
    NOTE = "note"
    BAD = "BAD"


class Finding(Struct, frozen=True):
    """One thing that was looked at; `advice` says what to do about it."""

    grade: Grade
    what: str
    advice: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything a node needs; nothing is changed."""
    running = in_use(Path(settings.data.folder))
    return [
        *_folder(settings, running=running),
        *_clock(),
        *_ports(settings, running=running),
        *_screen(),
        *_broker(settings),
        *_devices(settings),
        *await _upper(settings),
    ]


def _folder(settings: Settings, *, running: bool) -> Iterator[Finding]:
    folder = Path(settings.data.folder)
    if running:
        yield Finding(Grade.GOOD, f"a node is running on {folder}")
    place = folder if folder.exists() else folder.parent
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free // (1024 * 1024)
    wanted = settings.data.main_megabytes
    if free < wanted:
        yield Finding(
            Grade.BAD,
            f"{folder}: {free} MB free, main.db may take {wanted} MB",
            "free space, or lower data.main_megabytes",
        )
    else:
        yield Finding(Grade.GOOD, f"{folder}: {free} MB free")


def _clock() -> Iterator[Finding]:
    if time.time() < 1_700_000_000:
        yield Finding(
            Grade.BAD, "this computer's clock is far behind", "set it, and let NTP keep it"
        )
    else:
        yield Finding(Grade.GOOD, "the clock is plausible")


def _ports(settings: Settings, *, running: bool) -> Iterator[Finding]:
    listeners = [("api.port", settings.api.bind, settings.api.port)]
    if settings.broker is not None:
        listeners.append(("broker.port", settings.broker.bind, settings.broker.port))
    for setting, bind, port in listeners:
        taken = _taken(bind, port)
        if taken and not running:
            yield Finding(
                Grade.BAD,
                f"port {port} on {bind} is taken by another program",
                f"end that program, or set {setting}",
            )
        else:
            yield Finding(Grade.GOOD, f"port {port} on {bind} is {'ours' if taken else 'free'}")


def _taken(bind: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError:
            return True
    return False


def _screen() -> Iterator[Finding]:
    if (STATIC / "index.html").exists():
        yield Finding(Grade.GOOD, "the screen is built")
    else:
        yield Finding(Grade.NOTE, "the screen is not built", "make web")


def _broker(settings: Settings) -> Iterator[Finding]:
    if settings.broker is not None:
        yield Finding(
            Grade.NOTE,
            "the embedded broker is at most once across its own restart",
            "devices that must not lose a message while the node restarts need Mosquitto",
        )


def _devices(settings: Settings) -> Iterator[Finding]:
    path = Path(settings.data.folder) / "main.db"
    if not path.exists():
        yield Finding(Grade.NOTE, "no devices yet", "ganzhi devices import FILE")
        return
    connection = open_reader(path)
    try:
        own = [
            device
            for device, via in devices.load(connection)
            if via is None and device.home == settings.node.name
        ]
    finally:
        connection.close()
    wrong = 0
    for device in own:
        for fault in catalogue.check(device):
            wrong += 1
            yield Finding(Grade.BAD, f"device {device.id}: {fault}", "mend it and import it again")
        credential = device.link.credential if device.link else None
        if credential is not None and credential not in settings.credentials:
            wrong += 1
            yield Finding(
                Grade.BAD,
                f"device {device.id} needs the credential {credential!r}",
                "add it under `credentials`",
            )
    yield Finding(Grade.GOOD, f"{len(own)} own devices, {wrong} mistakes in their links")


async def _upper(settings: Settings) -> list[Finding]:
    upper = settings.upper
    if upper is None:
        return []
    credential = settings.credentials[upper.credential]
    place = f"upper tier {upper.name} at {upper.url}"
    try:
        bus = await mqtt_bus(upper.url, f"{settings.node.name}-doctor", credential)()
    except LinkLost as error:
        return [Finding(Grade.BAD, f"{place}: {error}", "is it running? does a firewall stop us?")]
    except (Refused, Faulty) as error:
        return [Finding(Grade.BAD, f"{place}: {error}", f"check credentials.{upper.credential}")]
    await bus.close()
    return [Finding(Grade.GOOD, f"{place} lets us in")]
