"""Alembic migrations of the main database; `HEAD` is the version this program needs."""

from typing import Final

HEAD: Final = "0002"
