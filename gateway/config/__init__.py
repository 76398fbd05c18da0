"""One configuration model: typed, checked, described."""

from gateway.config.load import load, parse
from gateway.config.model import Role, Settings

__all__ = ["Role", "Settings", "load", "parse"]
