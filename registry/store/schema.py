"""The schema of the main database, for SQLite and PostgreSQL; times are UTC nanoseconds.

Only migrations and tests import this module: at run time the stores speak plain SQL. The
R*Tree `device_tree(serial, west, east, south, north)` exists on SQLite alone and is made by the
first migration, as SQLAlchemy has no word for it.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _value() -> TypeEngine[Any]:
    """Return the type of a measured value: on SQLite no affinity, so that nothing is coerced."""
    return JSON().with_variant(LargeBinary(), "sqlite")


def _time(name: str, *, default: str | None = None) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=default)


def _text(name: str, *, null: bool = False, default: str | None = None) -> Column[str]:
    return Column(name, Text, nullable=null, server_default=default)


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


node_identity = Table(
    "node_identity",
    metadata,
    _key("name"),
    _text("epoch"),
    _time("created"),
    Column("max_pages", Integer, comment="NULL = no bound"),
)

device = Table(
    "device",
    metadata,
    Column("serial", Integer, primary_key=True, comment="key of device_tree"),
    Column("id", Text, nullable=False, unique=True),
    _text("home"),
    _text("name"),
    _text("kind"),
    _text("category"),
    _text("sensing"),
    _text("area", null=True),
    Column("lon", Float),
    Column("lat", Float),
    Column("key_point", Boolean, nullable=False),
    _text("lifecycle"),
    _text("protocol", null=True),
    _text("endpoint", null=True),
    _text("parent", null=True),
    _text("headline", null=True),
    _text("via", null=True),
    _text("body"),
    Column("revision", Integer, nullable=False),
    _time("created"),
    _time("updated"),
    Index(None, "area"),
    Index(None, "home"),
    Index(None, "via"),
    Index(None, "parent"),
    Index(None, "endpoint"),
)

device_code = Table(
    "device_code",
    metadata,
    _key("scheme"),
    _key("value"),
    Column("device", Text, ForeignKey("device.id", ondelete="CASCADE"), nullable=False),
    Index(None, "device"),
    sqlite_with_rowid=False,
)

device_tag = Table(
    "device_tag",
    metadata,
    _key("tag"),
    Column("device", Text, ForeignKey("device.id", ondelete="CASCADE"), primary_key=True),
    Index(None, "device"),
    sqlite_with_rowid=False,
)

area = Table(
    "area",
    metadata,
    _key("code"),
    Column("valid_from", Text, primary_key=True, server_default=""),
    _text("valid_to", null=True),
    _text("name"),
    _text("name_en", default=""),
    _text("kind"),
    _text("parent", null=True),
    Index(None, "parent"),
)

profile = Table("profile", metadata, _key("name"), _text("body"))

rule = Table("rule", metadata, _key("id"), _text("body"))

latest = Table(
    "latest",
    metadata,
    _key("device"),
    _key("point"),
    Column("value", _value()),
    Column("quality", Integer, nullable=False, server_default="0"),
    _text("reason", default=""),
    _time("source_time"),
    _time("received_time"),
    sqlite_with_rowid=False,
)

device_state = Table(
    "device_state",
    metadata,
    _key("device"),
    _text("state"),
    _time("since"),
    _text("cause", default=""),
    _text("source", default=""),
    _time("last_seen", default="0"),
    Index(None, "state"),
    sqlite_with_rowid=False,
)

device_count = Table(
    "device_count",
    metadata,
    _key("area"),
    _key("category"),
    _key("kind"),
    _key("state"),
    Column("number", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Devices that are not retired; kept by triggers on device and device_state."""

state_history = Table(
    "state_history",
    metadata,
    _key("device"),
    Column("since", BigInteger, primary_key=True),
    _text("state"),
    _text("cause", default=""),
    _text("source", default=""),
    Index(None, "since"),
    sqlite_with_rowid=False,
)

_OPEN = text("state <> 'cleared'")

alarm = Table(
    "alarm",
    metadata,
    _key("id"),
    _text("key"),
    _text("device"),
    _text("point", default=""),
    _text("type"),
    _text("severity"),
    _text("state"),
    _text("message"),
    _text("area", null=True),
    _time("raised_time"),
    _time("updated_time"),
    _time("cleared_time", default="0"),
    _text("acknowledged_by", null=True),
    Column("acknowledged_time", BigInteger),
    Column("count", Integer, nullable=False, server_default="1"),
    _text("body"),
    Index("uq_alarm_open_key", "key", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_alarm_open_device", "device", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_alarm_key_cleared", "key", "cleared_time"),
    Index("ix_alarm_raised", "raised_time", "id"),
    Index("ix_alarm_device_raised", "device", "raised_time", "id"),
)

command = Table(
    "command",
    metadata,
    _key("id"),
    _text("device"),
    _text("body"),
    _text("state"),
    _text("detail", default=""),
    _time("deadline"),
    _time("updated"),
    _text("outcome_body", null=True),
    Index(None, "device", "id"),
    Index(None, "state", "deadline"),
)

misfit = Table(
    "misfit",
    metadata,
    Column("id", Integer, primary_key=True),
    _time("time"),
    _text("source"),
    _text("device", default=""),
    _text("point", default=""),
    _text("reason"),
    _text("detail", default=""),
    _text("sample", default=""),
    sqlite_autoincrement=True,
)

aside_reading = Table(
    "aside_reading",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("device"),
    _text("point"),
    Column("value", _value()),
    _time("source_time"),
    Column("quality", Integer, nullable=False, server_default="0"),
    _text("reason", default=""),
    _time("received_time"),
    Index(None, "device"),
    sqlite_autoincrement=True,
)

receipt = Table(
    "receipt",
    metadata,
    _key("source"),
    Column("mid", Integer, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

counter = Table(
    "counter",
    metadata,
    _key("name"),
    Column("value", BigInteger, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)

outbox = Table(
    "outbox",
    metadata,
    _key("lane"),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("readings", Integer, nullable=False, server_default="0"),
    _time("created"),
)

outbox_stream = Table(
    "outbox_stream",
    metadata,
    _key("lane"),
    Column("next_sequence", BigInteger, nullable=False),
    Column("acknowledged", BigInteger, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
)

inbox_mark = Table(
    "inbox_mark",
    metadata,
    _key("source"),
    _key("epoch"),
    _key("lane"),
    Column("sequence", BigInteger, nullable=False),
    _time("updated"),
    sqlite_with_rowid=False,
)

down_queue = Table(
    "down_queue",
    metadata,
    _key("child"),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
    _time("created"),
)

down_stream = Table(
    "down_stream",
    metadata,
    _key("child"),
    Column("next_sequence", BigInteger, nullable=False),
    Column("acknowledged", BigInteger, nullable=False, server_default="0"),
)
