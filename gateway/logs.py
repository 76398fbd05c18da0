"""Logging: one line an event, with device and adapter, as text or as JSON."""

import json
import logging
import sys

from gateway.config.model import LogSettings
from registry.model import to_rfc3339

_FIELDS = ("node", "adapter", "device")


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = to_rfc3339(int(record.created * 1e9))
        fields = " ".join(f"{k}={getattr(record, k)}" for k in _FIELDS if hasattr(record, k))
        line = f"{moment} {record.levelname:<7} {record.name}: {record.getMessage()}"
        if fields:
            line = f"{line} [{fields}]"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": to_rfc3339(int(record.created * 1e9)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update({k: getattr(record, k) for k in _FIELDS if hasattr(record, k)})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure(settings: LogSettings) -> None:
    """Write logs to standard error as `settings` says; libraries speak from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if settings.json else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.value.upper())
    for noisy in ("amqtt", "transitions", "asyncua", "pymodbus", "uvicorn", "alembic", "paho"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
