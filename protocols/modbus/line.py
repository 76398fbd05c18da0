"""The one connection of an endpoint: pymodbus asked one question at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from importlib.util import find_spec
from typing import Final, TypeVar

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException, ModbusIOException
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU

from protocols.adapter import LinkLost
from protocols.modbus.address import Endpoint, Settings, Table
from registry.model import Fault, Faulty

_T = TypeVar("_T")
_WORDS: Final = {
    1: "illegal function: the device does not know this kind of request",
    2: "illegal data address: the device has no such register",
    3: "illegal data value: the device refuses the value or the amount",
    4: "device failure: the device could not carry it out",
    5: "acknowledged: the device is still at it",
    6: "device busy: try again later",
    7: "negative acknowledgement: the device cannot carry it out",
    8: "memory parity error in the device",
    10: "gateway path unavailable: the gateway cannot reach the unit",
    11: "gateway target failed to respond: the unit behind the gateway is silent",
}
ILLEGAL_FUNCTION: Final = 1
_NOT_THERE: Final = (10, 11)
_NEVER: Final = 1_000_000_000


class Silent(Exception):
    """The unit gave no answer in time, or its gateway says that it gives none."""


class Rejected(Exception):
    """The unit answered with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(words(code))
        self.code = code


class Garbled(Exception):
    """The unit's answer is not what was asked for."""


def words(code: int) -> str:
    """Say a Modbus exception code in words."""
    return f"exception {code}, {_WORDS.get(code, 'which the Modbus specification does not know')}"


def require(endpoint: Endpoint) -> None:
    """Check that this installation can open the endpoint.

    Raises:
        Faulty: a serial line needs the package pyserial.
    """
    if endpoint.transport == "serial" and find_spec("serial") is None:
        raise Faulty(
            [
                Fault(
                    where="link.endpoint",
                    message="serial lines need the package pyserial, which is not installed",
                    expected="`pip install pyserial`, or a modbus+rtu+tcp:// converter",
                )
            ]
        )


async def _heeding(call: Awaitable[_T]) -> _T:
    """Await `call`, and be cancelled even where Python 3.11's `wait_for` swallows it."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    result = await call
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
    return result


class Line:
    """A connection shared by all units of an endpoint; hold `turn` for every exchange."""

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        self._settings = settings
        self._endpoint = endpoint
        self._lost = asyncio.Event()
        self._client = self._make_client()
        self._client.set_max_no_responses(_NEVER)
        self.turn = asyncio.Lock()

    def _make_client(self) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        end, timeout = self._endpoint, self._settings.timeout
        if end.transport == "serial":
            return AsyncModbusSerialClient(
                end.host,
                baudrate=end.baudrate,
                bytesize=end.bytesize,
                parity=end.parity,
                stopbits=end.stopbits,
                reconnect_delay=0,
                timeout=timeout,
                retries=0,
                trace_connect=self._on_connect,
            )
        return AsyncModbusTcpClient(
            end.host,
            port=end.port,
            framer=FramerType.SOCKET if end.transport == "tcp" else FramerType.RTU,
            reconnect_delay=0,
            timeout=timeout,
            retries=0,
            trace_connect=self._on_connect,
        )

    def _on_connect(self, up: bool) -> None:
        if not up:
            self._lost.set()

    @property
    def name(self) -> str:
        end = self._endpoint
        return end.host if end.transport == "serial" else f"{end.host}:{end.port}"

    async def connect(self) -> None:
        """Open the connection.

        Raises:
            LinkLost: nobody is there.
        """
        if not await _heeding(self._client.connect()):
            raise LinkLost(
                f"no connection to {self.name}: check that the device is on, the address and "
                "port are right, and that it has a connection to spare"
            )

    async def lost(self) -> None:
        """Return when the peer has closed the connection."""
        await self._lost.wait()

    def close(self) -> None:
        """Close the connection; nothing more can be asked."""
        self._client.close()

    async def read(self, unit: int, table: Table, start: int, count: int) -> Sequence[int]:
        """Return `count` registers (bits as 0 and 1) from `start`; the caller holds `turn`.

        Raises:
            Silent, Rejected, Garbled, LinkLost: there is no answer to use.
        """
        client = self._client
        ask = {
            "holding": client.read_holding_registers,
            "input": client.read_input_registers,
            "coil": client.read_coils,
            "discrete": client.read_discrete_inputs,
        }[table]
        answer = await self._ask(lambda: ask(start, count=count, device_id=unit))
        if table in ("holding", "input"):
            if len(answer.registers) != count:
                raise Garbled(f"{len(answer.registers)} registers instead of {count}")
            return answer.registers
        if len(answer.bits) < count:
            raise Garbled(f"{len(answer.bits)} bits instead of {count}")
        return answer.bits[:count]

    async def write(self, unit: int, start: int, words: list[int]) -> None:
        """Write holding registers: one with function 6 (16 if that is unknown), more with 16.

        Raises:
            Silent, Rejected, LinkLost: it was not confirmed.
        """
        client = self._client
        if len(words) == 1:
            try:
                await self._ask(lambda: client.write_register(start, words[0], device_id=unit))
                return
            except Rejected as refusal:
                if refusal.code != ILLEGAL_FUNCTION:
                    raise
        await self._ask(lambda: client.write_registers(start, words, device_id=unit))

    async def write_coil(self, unit: int, at: int, value: bool) -> None:
        """Write one coil.

        Raises:
            Silent, Rejected, LinkLost: it was not confirmed.
        """
        await self._ask(lambda: self._client.write_coil(at, value, device_id=unit))

    async def _ask(self, request: Callable[[], Awaitable[ModbusPDU]]) -> ModbusPDU:
        if self._lost.is_set():
            raise LinkLost(f"{self.name} closed the connection")
        if self._settings.pause:
            await asyncio.sleep(self._settings.pause)
        try:
            answer = await _heeding(request())
        except ModbusIOException as error:
            raise Silent(f"no answer within {self._settings.timeout:g} s") from error
        except ConnectionException as error:
            raise LinkLost(f"{self.name} closed the connection") from error
        except ModbusException as error:
            raise Garbled(str(error)) from error
        if answer.isError():
            if answer.exception_code in _NOT_THERE:
                raise Silent(words(answer.exception_code))
            raise Rejected(answer.exception_code)
        return answer
