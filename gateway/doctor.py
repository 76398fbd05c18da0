"""What `ganzhi doctor` looks at: one function a subject, each returning findings."""

import asyncio
import shutil
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path

import msgspec
from msgspec import Struct

from gateway.api.screen import STATIC
from gateway.bus import mqtt_bus
from gateway.config import Settings
from gateway.inventory import credential_faults
from gateway.stores import in_use
from protocols import catalogue
from protocols.adapter import LinkLost, Refused
from registry.model import Faulty, Lifecycle
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
        *(await _endpoints(settings) if running else ()),
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
    bind = bind.strip("[]")
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
            if via is None and device.home == settings.node.name != device.id
            if device.lifecycle is not Lifecycle.RETIRED
        ]
    finally:
        connection.close()
    wrong = 0
    for device in own:
        for fault in catalogue.check(device):
            wrong += 1
            yield Finding(Grade.BAD, f"device {device.id}: {fault}", "mend it and import it again")
        for fault in credential_faults(settings, device):
            wrong += 1
            yield Finding(Grade.BAD, f"device {device.id}: {fault}", "mend `credentials`")
    grade = Grade.BAD if wrong else Grade.GOOD
    yield Finding(grade, f"{len(own)} own devices, {wrong} mistakes in their links")


class _Endpoint(Struct):
    endpoint: str
    state: str
    detail: str = ""


class _Endpoints(Struct):
    items: list[_Endpoint]


async def _endpoints(settings: Settings) -> Sequence[Finding]:
    """Ask the running node how it gets on with its devices' endpoints."""
    try:
        items = (await asyncio.to_thread(_ask, settings)).items
    except (OSError, msgspec.DecodeError) as error:
        what = f"the running node does not say how its endpoints are: {error}"
        return [Finding(Grade.NOTE, what, "is api.* changed since it was started?")]
    connected = sum(item.state == "connected" for item in items)
    findings = [Finding(Grade.GOOD, f"{connected} of {len(items)} endpoints connected")]
    for item in items:
        what = f"endpoint {item.endpoint} is {item.state}: {item.detail}"
        if item.state == "parked":
            findings.append(Finding(Grade.BAD, what, "mend that: it is not tried in short order"))
        elif item.state == "retrying":
            findings.append(
                Finding(Grade.NOTE, what, "is it switched on, and reachable from here?")
            )
    return findings


def _ask(settings: Settings) -> _Endpoints:
    """Read the endpoints of the running node.

    Raises:
        OSError: it does not answer, or does not let us in.
        msgspec.DecodeError: something else answers.
    """
    api = settings.api
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
    host = everywhere.get(api.bind, api.bind).strip("[]")
    place = f"{f'[{host}]' if ':' in host else host}:{api.port}/api/v1/endpoints"
    request = urllib.request.Request(f"{'https' if api.certificate else 'http'}://{place}")  # noqa: S310
    if api.token_required:
        token = (Path(settings.data.folder) / "secrets" / "api-token").read_text().strip()
        request.add_header("Authorization", f"Bearer {token}")
    trusted = None
    if api.certificate:  # our own certificate, whatever name it bears
        trusted = ssl.create_default_context(cafile=api.certificate)
        trusted.check_hostname = False
        trusted.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with urllib.request.urlopen(request, timeout=10, context=trusted) as answer:  # noqa: S310
        return msgspec.json.decode(answer.read(), type=_Endpoints)


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
