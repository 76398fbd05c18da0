"""Running the demo: prepare, start, wait, show, prove, end."""

import asyncio
import fcntl
import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from gateway.config import load
from gateway.core import Core
from gateway.demo import plan, proof
from gateway.demo.plan import EAST, NODES, PROVINCE, SENSORS, Ports
from gateway.demo.processes import Died, Processes
from gateway.inventory import take_in
from registry.exchange.document import Document
from registry.model import Fault, Faulty
from simulators.inventory import documents, profiles, rules
from simulators.loading import load as load_scenario
from simulators.province.mapfolder import areas, write_map

_PATIENCE: Final = 90.0
Say = Callable[[str], None]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `ganzhi demo` was asked."""

    folder: Path
    scenario: Path
    seconds: float | None = None
    shift: int = 0


async def demo(options: Options, say: Say) -> int:
    """Run the demo until Ctrl-C, or for `seconds`; returns the exit status.

    Raises:
        Faulty: another demo runs on this data, a port is taken, or the scenario holds mistakes.
    """
    with _alone(options.folder):
        return await _demo(options, say)


async def _demo(options: Options, say: Say) -> int:
    ports = Ports(options.shift)
    _free(ports)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    processes = Processes(options.folder / "logs")
    try:
        if not await _started(_start(options, ports, processes, say), stopped):
            return 130
        say("")
        say(f"  The map:  http://127.0.0.1:{ports.api(PROVINCE)}/")
        if options.seconds is None:
            say(f"  Logs:     {options.folder / 'logs'}     Ctrl-C ends the demo, data is kept.")
            return await _watch(processes, stopped, None)
        return await _prove(options, ports, processes, stopped, say)
    except Died as error:
        say(str(error))
        return 1
    finally:
        say("  ending ...")
        await processes.stop()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other demos off the folder, before anything is written to it.

    Raises:
        Faulty: another demo has it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock-demo", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        message = f"cannot be written: {error.strerror}: use --data FOLDER"
        raise Faulty([Fault(where=str(folder), message=message)]) from error
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        message = "another demo runs on this data: use --data FOLDER, and --shift 1000 beside it"
        raise Faulty([Fault(where=str(folder), message=message)]) from None


async def _started(start: Coroutine[Any, Any, None], stopped: asyncio.Event) -> bool:
    """Wait for the start; False if it was stopped, and cut short, on the way."""
    starting, stopping = asyncio.create_task(start), asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return False
        await starting
        return True
    finally:
        for task in (starting, stopping):
            task.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)


async def _start(options: Options, ports: Ports, processes: Processes, say: Say) -> None:
    started = time.monotonic()
    folder = options.folder
    say("  [1/4] configuration, secrets and map")
    files = plan.write(folder, ports)
    await asyncio.to_thread(write_map, folder / "map")
    scenario = _scenario(options, ports)
    say("  [2/4] registry of four nodes")
    await _register(files, scenario, say)
    say("  [3/4] nodes: province, city, two edges")
    for node in NODES:
        await processes.start(node, ["run", "-c", str(files[node])])
        await _healthy(ports.api(node), processes)
        say(f"        {node}: http://127.0.0.1:{ports.api(node)}/")
    say("  [4/4] simulated devices: MQTT, Modbus TCP, OPC UA, a vehicle, citizens")
    login = folder / EAST / "secrets" / f"broker-{SENSORS}"
    await processes.start(
        "simulators", ["simulate", str(scenario), "--broker-password-file", str(login)]
    )
    say(f"  running after {time.monotonic() - started:.0f} s")


def _scenario(options: Options, ports: Ports) -> Path:
    """Write the scenario with the demo's ports beside the demo's data."""
    text = options.scenario.read_text()
    document = yaml.safe_load(text)
    for node in document["nodes"]:
        node["api"] = f"http://127.0.0.1:{ports.api(node['name'])}"
        if "mqtt" in node:
            node["mqtt"]["port"] = ports.broker(node["name"])
        if "modbus" in node:
            node["modbus"]["port"] = ports.modbus
        if "opcua" in node:
            node["opcua"]["port"] = ports.opcua
    path = options.folder / "scenario.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))
    return path


async def _register(files: dict[str, Path], scenario_file: Path, say: Say) -> None:
    scenario = load_scenario(scenario_file)
    devices = documents(scenario)
    for node, file in files.items():
        document = Document(
            devices=tuple(devices.get(node, ())),
            areas=tuple(areas()),
            profiles=tuple(profiles(scenario)) if node in devices else (),
            rules=tuple(rules(scenario)),
        )
        core = Core(load(file))
        try:
            await core.start()
            difference = await take_in(core, document)
        finally:
            await core.close()
        say(f"        {node}: {difference}")


def _free(ports: Ports) -> None:
    """See that every port is free.

    Raises:
        Faulty: naming each that is taken, and how to move them.
    """
    faults = []
    for what, port in ports.all().items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                faults.append(
                    Fault(
                        where=f"port {port} ({what})",
                        message="is taken by another program",
                        expected="end it, or move all ports: ganzhi demo --shift 1000",
                    )
                )
    if faults:
        raise Faulty(faults)


async def _healthy(port: int, processes: Processes) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        processes.check()
        try:
            await get(port, "/healthz", parse=False)
        except OSError:
            await asyncio.sleep(0.2)
        else:
            return
    raise Died(f"nothing answers on port {port} after {_PATIENCE:.0f} s")


async def _watch(processes: Processes, stopped: asyncio.Event, seconds: float | None) -> int:
    deadline = None if seconds is None else time.monotonic() + seconds
    while not stopped.is_set() and (deadline is None or time.monotonic() < deadline):
        processes.check()
        try:
            await asyncio.wait_for(stopped.wait(), 0.5)
        except TimeoutError:
            continue
    return 0


async def _prove(
    options: Options, ports: Ports, processes: Processes, stopped: asyncio.Event, say: Say
) -> int:
    """Let it run for a while, work as an operator at the province would, and sum up."""
    seconds = options.seconds or 0.0
    say(f"  watching for {seconds:.0f} s from the province at port {ports.api(PROVINCE)}")
    witness = proof.Witness(lambda path, body=None: request(ports.api(PROVINCE), path, body), say)
    watching = asyncio.create_task(_watch(processes, stopped, seconds))
    working = asyncio.create_task(witness.work())
    try:
        await watching
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    summary = await witness.sum_up()
    for line in summary.lines():
        say(line)
    return 0 if summary.whole else 1


async def get(port: int, path: str, *, parse: bool = True) -> Any:
    """Ask a node of the demo."""
    return await request(port, path, None, parse=parse)


async def request(port: int, path: str, body: Any, *, parse: bool = True) -> Any:
    """GET, or POST `body` as JSON; returns the answer's JSON.

    Raises:
        OSError: nobody answers, or the answer is an error.
    """
    return await asyncio.to_thread(_request, port, path, body, parse)


def _request(port: int, path: str, body: Any, parse: bool) -> Any:
    data = None if body is None else json.dumps(body).encode()
    question = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(question, timeout=10) as answer:  # noqa: S310 - loopback
        text = answer.read()
    return json.loads(text) if parse and text else None
