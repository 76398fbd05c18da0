"""The file: schema, identity, bounds, and what may be loaded to open it."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from registry.model import Faulty
from registry.store import database, migrate, migrations
from registry.store.schema import metadata


def test_the_migrations_make_exactly_the_declared_schema(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_object": lambda _o, name, kind, _r, _c: (
                    not (kind == "table" and str(name).startswith("device_tree"))
                )
            },
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()
    assert migrate.head() == migrations.HEAD


def test_opening_a_current_file_loads_neither_sqlalchemy_nor_alembic(path: Path) -> None:
    code = (
        "import sys, pathlib; from registry.store import database as d\n"
        f"p = pathlib.Path({str(path)!r}); d.prepare(p, node='edge-1', now=2); d.open_writer(p)\n"
        "import registry.store.search, registry.store.twin, registry.exchange.document\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('sqlalchemy', 'alembic')])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert answer.stdout.strip() == "[]"


def test_identity_is_made_once_and_refuses_another_node(path: Path) -> None:
    with database.open_reader(path) as reader:
        before = database.identity(reader)
    database.prepare(path, node="edge-1", now=99)
    with database.open_reader(path) as reader:
        assert database.identity(reader) == before
    assert before[0] == "edge-1"
    assert len(before[1]) == 16
    with pytest.raises(Faulty, match="belongs to node edge-1"):
        database.prepare(path, node="edge-2", now=1)


def test_epochs_differ_between_files(tmp_path: Path, path: Path) -> None:
    other = tmp_path / "other" / "main.db"
    database.prepare(other, node="edge-1", now=1)
    with database.open_reader(path) as a, database.open_reader(other) as b:
        assert database.identity(a)[1] != database.identity(b)[1]


def test_the_writer_is_durable_and_bounded_and_deletes_when_full(path: Path) -> None:
    database.prepare(path, node="edge-1", now=1, max_pages=200)
    writer = database.open_writer(path)
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,)
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert writer.execute("PRAGMA foreign_keys").fetchone() == (1,)
    insert = "INSERT INTO outbox(lane, sequence, payload, bytes, created) VALUES('t', ?, ?, 1, 1)"
    with pytest.raises(sqlite3.OperationalError, match="full"):
        writer.executemany(insert, ((sequence, bytes(4000)) for sequence in range(500)))
    assert writer.execute("DELETE FROM outbox WHERE sequence < 20").rowcount == 20
    writer.execute(insert, (1000, bytes(4000)))
    writer.close()


def test_a_reader_cannot_write(path: Path) -> None:
    reader = database.open_reader(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("INSERT INTO counter(name, value) VALUES('x', 1)")
    reader.close()


def test_foreign_newer_and_broken_files_are_refused_untouched(tmp_path: Path, path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a database at all" * 400)
    with pytest.raises(Faulty, match="cannot be opened"):
        database.prepare(broken, node="edge-1", now=1)
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE songs(title)")
    with pytest.raises(Faulty, match="another program"):
        database.prepare(foreign, node="edge-1", now=1)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num='9999'")
    with pytest.raises(Faulty, match="unknown to this program"):
        database.prepare(path, node="edge-1", now=1)


def test_a_migration_cut_short_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cut.db"
    monkeypatch.setattr("alembic.op.execute", _cut)
    with pytest.raises(InterruptedError):
        database.prepare(path, node="edge-1", now=1)
    monkeypatch.undo()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    database.prepare(path, node="edge-1", now=1)


def test_an_older_file_is_brought_up_with_its_data(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    raw = sqlite3.connect(path, isolation_level=None)
    migrate.upgrade(raw, path, version="0001")
    raw.execute(
        "INSERT INTO device(id, home, name, kind, category, sensing, area, key_point, lifecycle,"
        " body, revision, created, updated)"
        " VALUES('a', 'h', 'n', 'meter', 'gas', 'fixed', '990101', 0, 'active', '{}', 1, 1, 1)"
    )
    raw.execute("INSERT INTO device_state(device, state, since) VALUES('a', 'online', 1)")
    raw.close()
    database.prepare(path, node="edge-1", now=1)
    reader = database.open_reader(path)
    counted = reader.execute("SELECT * FROM device_count").fetchall()
    reader.close()
    assert counted == [("990101", "gas", "meter", "online", 1)]


def _cut(_sql: str) -> None:
    raise InterruptedError


@pytest.mark.parametrize("value", [None, 12, 12.0, "12", "", -(2**63), 2**63 - 1, 1e300])
def test_values_come_back_as_they_went_in(db: sqlite3.Connection, value: object) -> None:
    db.execute("INSERT INTO latest VALUES('d', 'p', ?, 0, '', 1, 1)", (value,))
    (back,) = db.execute("SELECT value FROM latest").fetchone()
    assert back == value
    assert type(back) is type(value)
