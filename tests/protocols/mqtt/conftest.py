from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.protocols.mqtt.mosquitto import Mosquitto


@pytest_asyncio.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    """A running broker that lets everyone in."""
    mosquitto = Mosquitto(tmp_path)
    await mosquitto.start()
    yield mosquitto
    mosquitto.kill()
