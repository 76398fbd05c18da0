"""Bring a database file to the newest schema; the one place that loads Alembic at run time."""

import sqlite3
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import StaticPool

from registry.model import Fault, Faulty


def config() -> Config:
    """Return the Alembic configuration of the packaged migrations."""
    made = Config()
    folder = Path(__file__).parent / "migrations"
    made.set_main_option("script_location", str(folder).replace("%", "%%"))
    return made


def head() -> str | None:
    """Return the newest version among the packaged migrations."""
    return ScriptDirectory.from_config(config()).get_current_head()


def upgrade(raw: sqlite3.Connection, path: Path, *, version: str = "head") -> None:
    """Migrate the autocommitting connection `raw` to `version` in one transaction.

    Raises:
        Faulty: the file was written by a newer program.
    """
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    alembic = config()
    with engine.connect() as connection:
        attributes: dict[Any, Any] = alembic.attributes
        attributes["connection"] = connection
        try:
            command.upgrade(alembic, version)
        except CommandError as error:
            fault = Fault(
                where=str(path),
                message=f"schema version is unknown to this program ({error})",
                expected="a file of this or an older version: install the newer program again",
            )
            raise Faulty([fault]) from error
