"""The version of this installation."""

from importlib.metadata import PackageNotFoundError, version


def _version() -> str:
    try:
        return version("ganzhi")
    except PackageNotFoundError:
        return "0+source"


VERSION = _version()
