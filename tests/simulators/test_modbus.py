"""The Modbus units, played by another process, read by a library and by bare frames."""

import asyncio
import struct
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from pymodbus.client import AsyncModbusTcpClient

from tests.simulators.conftest import (
    Ports,
    begin,
    end,
    free_ports,
    listening,
    small,
    until,
    wait_for,
)

Play = Callable[..., "subprocess.Popen[bytes]"]
DEAD = "[{at: 0, device: pump-02-02, effect: dies}]"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    ports = free_ports()
    process = begin(tmp_path_factory.mktemp("modbus"), small(ports, DEAD), "--only", "modbus")
    wait_for(lambda: listening(ports.modbus))
    yield ports.modbus
    assert end(process) == 0


@pytest.fixture
async def client(port: int) -> AsyncIterator[AsyncModbusTcpClient]:
    peer = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=3, retries=0)
    assert await peer.connect()
    yield peer
    peer.close()


async def test_reads_and_a_setpoint_that_changes_the_flow(client: AsyncModbusTcpClient) -> None:
    read = await client.read_input_registers(0, count=4, device_id=1)
    flow = struct.unpack(">f", struct.pack(">HH", *read.registers[:2]))[0]
    assert flow == 8 * 60
    assert read.registers[2:] == [70000 & 0xFFFF, 70000 >> 16]  # CDAB
    assert (await client.read_discrete_inputs(0, count=1, device_id=1)).bits[0] is True

    assert not (await client.write_register(0, 25, device_id=1)).isError()
    assert (await client.read_holding_registers(0, count=1, device_id=1)).registers == [25]
    after = await client.read_input_registers(0, count=2, device_id=1)
    assert struct.unpack(">f", struct.pack(">HH", *after.registers))[0] == 8 * 25

    assert not (await client.write_register(0, 60, device_id=1)).isError()
    assert not (await client.write_coil(0, True, device_id=1)).isError()
    assert (await client.read_coils(0, count=1, device_id=1)).bits[0] is True


async def test_refusals(client: AsyncModbusTcpClient) -> None:
    assert (await client.write_register(0, 101, device_id=1)).exception_code == 3
    assert (await client.read_holding_registers(0, count=1, device_id=1)).registers == [60]
    assert (await client.read_input_registers(0, count=40, device_id=1)).exception_code == 2
    assert (await client.write_register(7, 1, device_id=1)).exception_code == 2
    assert (await client.read_input_registers(0, count=1, device_id=2)).exception_code == 11


async def test_a_bare_frame(client: AsyncModbusTcpClient, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(bytes.fromhex("000100000006 01 03 0000 0001".replace(" ", "")))
    async with asyncio.timeout(5):
        assert (await reader.readexactly(11)).hex() == "000100000005" + "01" + "0302003c"
    writer.close()
    await writer.wait_closed()


async def test_silence_and_a_taken_port(play: Play, ports: Ports) -> None:
    text = small(ports, DEAD).replace(
        f"port: {ports.modbus}", f"port: {ports.modbus}, dead: silence"
    )
    play(text, "--only", "modbus")
    await until(lambda: listening(ports.modbus))
    reader, writer = await asyncio.open_connection("127.0.0.1", ports.modbus)
    dead = bytes.fromhex("0001000000060204000000" + "01")
    lives = bytes.fromhex("0002000000060104000000" + "01")
    writer.write(dead)
    await writer.drain()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await reader.readexactly(1)
    writer.write(lives)
    async with asyncio.timeout(5):
        assert (await reader.readexactly(7))[:2] == b"\x00\x02"
    writer.close()
    await writer.wait_closed()

    second = play(text, "--only", "modbus")
    await until(lambda: second.poll() is not None)
    assert second.returncode == 1
    assert second.stderr is not None
    said = second.stderr.read().decode()
    assert f"127.0.0.1:{ports.modbus}" in said
    assert "modbus.port of node e" in said
