"""OPC UA: nodes as points, by subscription first, by batched reads where that is refused."""

from collections.abc import Iterable

from protocols.adapter import Adapter, Context
from protocols.opcua.address import check_device
from registry.model import Device, Fault


def check(device: Device) -> Iterable[Fault]:
    """Return every mistake in the device's link and point addresses, without any I/O."""
    return check_device(device)


def open(context: Context) -> Adapter:
    """Make the adapter for one endpoint; imports asyncua (40 MB, most of a second).

    Raises:
        Faulty: the endpoint's URL or settings cannot be used.
    """
    from protocols.opcua.adapter import OpcUaAdapter

    return OpcUaAdapter(context)
