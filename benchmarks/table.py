"""The list of all benchmarks: their figures, targets and raw peers."""

from dataclasses import dataclass
from importlib import import_module
from typing import Final, cast

from benchmarks.figure import Figure, Run, Target

_SQLITE: Final = "sqlite3 executemany, 1000 rows a transaction, synchronous=FULL"
_ROWS: Final = "msgspec MessagePack rows, zstd level 3"
_BARE: Final = "Python with asyncio, sqlite3, litestar and uvicorn imported"


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: the module `benchmarks.<name>` with a coroutine `run`."""

    name: str
    figures: tuple[Figure, ...]

    @property
    def module(self) -> str:
        """The dotted name of the module that measures."""
        return f"{__package__}.{self.name}"

    def load(self) -> Run:
        """Import what measures."""
        return cast(Run, import_module(self.module).run)


def _rate(name: str, unit: str, raw: str, ratio: float) -> Figure:
    return Figure(name, unit, raw, Target(ratio, "ratio", "at least"))


def _cost(name: str, unit: str, raw: str, most: float) -> Figure:
    return Figure(name, unit, raw, Target(most, "value", "at most"))


BENCHMARKS: Final = (
    Benchmark(
        "mqtt_commit",
        (_rate("mqtt_commit", "messages/s", "paho-mqtt receiving only, QoS 1", 0.20),),
    ),
    Benchmark(
        "mqtt_cpu",
        (
            _cost("mqtt_cpu", "ms/message", "paho-mqtt receiving only, full speed", 0.12),
            _cost("mqtt_cpu_1000", "ms/message", "paho-mqtt receiving only, 1000/s", 0.26),
        ),
    ),
    Benchmark("pipeline_memory", (_rate("pipeline_memory", "readings/s", _SQLITE, 1.0),)),
    Benchmark("pipeline_durable", (_rate("pipeline_durable", "readings/s", _SQLITE, 0.20),)),
    Benchmark(
        "cascade",
        (
            Figure(
                "cascade",
                "readings/s",
                "paho-mqtt, messages of the same size, QoS 1, same broker",
                Target(20_000, "value", "at least"),
            ),
        ),
    ),
    Benchmark(
        "memory",
        (
            _cost("memory_edge", "MB", _BARE, 120),
            _cost("memory_edge_opcua", "MB", _BARE, 160),
            _cost("memory_city", "MB", _BARE, 120),
            _cost("memory_province", "MB", _BARE, 120),
        ),
    ),
    Benchmark(
        "envelope",
        (
            _rate("envelope_encode", "readings/s", _ROWS, 0.5),
            _rate("envelope_decode", "readings/s", _ROWS, 0.5),
            Figure("envelope_plain", "bytes/reading", _ROWS, Target(0.5, "ratio", "at most")),
            Figure("envelope_packed", "bytes/reading", _ROWS, Target(1.0, "ratio", "at most")),
        ),
    ),
    Benchmark(
        "modbus_block",
        (_rate("modbus_block", "registers/s", "pymodbus client, 120-register reads", 0.20),),
    ),
)
