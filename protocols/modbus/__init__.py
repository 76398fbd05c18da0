"""Modbus over TCP, RTU over TCP and serial lines: registers and coils as points."""

from collections.abc import Iterable

from protocols.adapter import Adapter, Context
from protocols.modbus.address import check_device
from registry.model import Device, Fault


def check(device: Device) -> Iterable[Fault]:
    """Return every mistake in the device's link and point addresses, without any I/O."""
    return check_device(device)


def open(context: Context) -> Adapter:
    """Make the adapter for one endpoint; imports pymodbus.

    Raises:
        Faulty: the endpoint's URL or settings cannot be used.
    """
    from protocols.modbus.adapter import ModbusAdapter

    return ModbusAdapter(context)
