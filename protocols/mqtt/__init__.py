"""MQTT 3.1.1: devices that publish JSON to a broker and take commands from it."""

from collections.abc import Iterable

from protocols.adapter import Adapter, Context
from registry.model import Device, Fault


def check(device: Device) -> Iterable[Fault]:
    """Return every mistake in the device's link and point addresses, without any I/O."""
    from protocols.mqtt.address import read_link

    return read_link(device)[1]


def open(context: Context) -> Adapter:
    """Make the adapter of one broker; paho is imported here.

    Raises:
        Faulty: the endpoint's URL or its settings cannot be used.
    """
    from protocols.mqtt.adapter import MqttAdapter

    return MqttAdapter(context)
