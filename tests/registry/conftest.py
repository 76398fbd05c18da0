"""A prepared database and devices to put into it."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from registry.model import Device, DeviceKind, Link, Place, Point
from registry.store import database

MakeDevice = Callable[..., Device]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a fresh database: copying is faster than migrating."""
    path = tmp_path_factory.mktemp("prepared") / "main.db"
    database.prepare(path, node="edge-1", now=1)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, prepared: bytes) -> Path:
    path = tmp_path / "main.db"
    path.write_bytes(prepared)
    return path


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    connection = database.open_writer(path)
    connection.execute("PRAGMA synchronous=OFF")
    yield connection
    connection.close()


@pytest.fixture
def make() -> MakeDevice:
    def make(local: str, **fields: Any) -> Device:
        lon, lat = fields.pop("at", (112.5, 37.8))
        given: dict[str, Any] = {
            "id": f"edge-1~{local}",
            "home": "edge-1",
            "name": f"Device {local}",
            "kind": DeviceKind.SENSOR,
            "category": "water",
            "place": Place(lon=lon, lat=lat),
            "area": "990101",
            "link": Link(protocol="mqtt", endpoint="mqtt://broker:1883"),
            "points": (Point(name="level", title="Level", unit="m"),),
        }
        return Device(**{**given, **fields})

    return make
