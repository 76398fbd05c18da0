"""Taking a file into the registry: idempotent, refused as a whole, effective at once."""

from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.inventory import preview, read, take_in
from registry.model import Faulty, Lifecycle
from registry.store import devices
from tests.gateway.support import Clock, core

TABLE = (
    b"local,name,kind,protocol,endpoint,address.topic,lon,lat\n"
    b"a,A,sensor,mqtt,mqtt://127.0.0.1:1,t/{local},112.5,37.8\n"
    b"b,B,sensor,mqtt,mqtt://127.0.0.1:1,t/{local},112.6,37.9\n"
)


async def test_the_same_file_twice_changes_nothing(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        document = await read(opened, TABLE, "csv")
        assert str(preview(opened, document)).startswith("2 new")
        assert (await take_in(opened, document)).new == 2
        again = await take_in(opened, document)
        assert (again.new, again.changed, again.same) == (0, 0, 2)
        sent = opened.stores.writer.execute("SELECT count(*) FROM outbox").fetchone()
        assert sent == (1,)


async def test_devices_that_are_missing_from_a_complete_file_retire(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        await take_in(opened, await read(opened, TABLE, "csv"))
        shorter = await read(opened, b"\n".join(TABLE.split(b"\n")[:2]), "csv")
        assert (await take_in(opened, shorter, complete=True)).retired == 1
        assert sorted(opened.roster.own()) == ["edge-1~a"]
        stored = await opened.stores.readers.read(lambda c: devices.get(c, "edge-1~b"))
        assert stored is not None
        assert stored.device.lifecycle is Lifecycle.RETIRED


async def test_one_bad_row_refuses_the_file(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        with pytest.raises(Faulty, match="line 3"):
            await read(opened, TABLE.replace(b"mqtt://127.0.0.1:1,t/{local},112.6", b"x,,0"), "csv")
        assert len(opened.roster) == 0


def test_export_then_import_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "ganzhi.yaml"
    config.write_text("node: {name: edge-1, role: edge}\n")
    table = tmp_path / "devices.csv"
    table.write_bytes(TABLE)
    copy = tmp_path / "copy.yaml"
    assert main(["devices", "import", "-c", str(config), str(table)]) == 0
    assert main(["devices", "export", "-c", str(config), str(copy)]) == 0
    assert main(["devices", "import", "-c", str(config), str(copy), "--dry-run"]) == 0
    assert "0 new, 0 changed, 2 the same, 0 retired" in capsys.readouterr().out
