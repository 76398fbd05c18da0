"""The broker between two tiers, as little of it as the cascade needs.

Correctness never relies on it: it may lose, double and reorder messages.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import Struct


class BusMessage(Struct, frozen=True):
    """One message of the broker."""

    topic: str
    payload: bytes


class Bus(Protocol):
    """One connection to an MQTT 3.1.1 broker (or to something that behaves like one)."""

    async def subscribe(self, filters: Sequence[str]) -> None:
        """Ask for the topics that match any of `filters` (`+` and `#` as in MQTT).

        Raises:
            LinkLost: the connection is gone.
            Refused: the broker does not allow it.
        """
        ...

    async def publish(self, topic: str, payload: bytes) -> None:
        """Hand a message to the broker; returning says nothing about its durability.

        Calls made one after another, without awaiting the first, keep their order.

        Raises:
            LinkLost: the connection is gone.
        """
        ...

    async def messages(self) -> Sequence[BusMessage]:
        """Wait for messages and return all that have arrived, in order.

        Raises:
            LinkLost: the connection is gone.
        """
        ...

    async def close(self) -> None:
        """Leave the broker; never raises for a connection that is gone already."""
        ...


OpenBus = Callable[[], Awaitable[Bus]]
"""Connects and returns a new Bus; raises LinkLost or Refused."""
