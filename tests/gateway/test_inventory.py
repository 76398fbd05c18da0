"""Taking a file into the registry: idempotent, refused as a whole, effective at once."""

from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.inventory import preview, read, take_in
from registry.model import Faulty, Lifecycle
from registry.store import devices
from tests.gateway.support import EDGE, Clock, core

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


async def refused(folder: Path, table: bytes, text: bytes = EDGE) -> list[str]:
    async with core(folder, Clock(), text) as opened:
        document = await read(opened, table, "csv")
        with pytest.raises(Faulty):
            preview(opened, document)
        with pytest.raises(Faulty) as caught:
            await take_in(opened, document)
        assert opened.roster.own() == {}
        return [str(fault) for fault in caught.value.faults]


async def test_devices_of_another_home_are_refused_one_by_one(tmp_path: Path) -> None:
    table = TABLE.replace(b"local,", b"home,local,").replace(b"\na,", b"\nedge-east,a,")
    table = table.replace(b"\nb,", b"\nedge-east,b,")
    assert await refused(tmp_path, table) == [
        f"line {line}, edge-east~{name}: home: home is edge-east, this node is edge-1"
        " (expected home: edge-1, or no home at all)"
        for line, name in ((2, "a"), (3, "b"))
    ]


CREDENTIALS = b"""
node: {name: edge-1, role: edge}
upper: {name: city, url: "mqtt://127.0.0.1:1", credential: up}
credentials: {up: {hosts: [127.0.0.1]}, far: {hosts: [10.0.0.1]}, near: {hosts: [127.0.0.1]}}
"""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nope", "'nope' is not in the configuration (expected one of far, near)"),
        ("up", "'up' signs in at another tier (expected one of far, near)"),
        ("far", "hosts does not list 127.0.0.1 (expected [10.0.0.1, 127.0.0.1] there)"),
    ],
)
async def test_a_credential_that_is_not_for_the_device_is_refused(
    tmp_path: Path, name: str, told: str
) -> None:
    table = TABLE.replace(b"endpoint,", b"endpoint,credential,")
    table = table.replace(b":1,t", f":1,{name},t".encode())
    (first, _) = await refused(tmp_path, table, CREDENTIALS)
    assert first.startswith("line 2, edge-1~a: link.credential: ")
    assert told in first
    async with core(tmp_path, Clock(), CREDENTIALS) as opened:
        good = table.replace(name.encode(), b"near")
        assert (await take_in(opened, await read(opened, good, "csv"))).new == 2


async def test_a_device_that_the_file_retires_is_counted_once_as_retired(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        await take_in(opened, await read(opened, TABLE, "csv"))
        table = TABLE.replace(b"local,", b"lifecycle,local,").replace(b"\na,", b"\nretired,a,")
        document = await read(opened, table.replace(b"\nb,", b"\nactive,b,"), "csv")
        assert str(preview(opened, document)) == "0 new, 0 changed, 1 the same, 1 retired"
        assert str(await take_in(opened, document)) == "0 new, 0 changed, 1 the same, 1 retired"
        assert str(await take_in(opened, document)) == "0 new, 0 changed, 2 the same, 0 retired"


async def test_a_profile_that_no_document_brought_yet_is_explained(tmp_path: Path) -> None:
    async with core(tmp_path, Clock()) as opened:
        with pytest.raises(Faulty, match="no profile is known yet: import the document"):
            await read(opened, b"local,name,profile\na,A,water-level\n", "csv")


@pytest.mark.parametrize("action", ["import", "verify", "export"])
def test_a_file_that_is_not_there_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    config = tmp_path / "ganzhi.yaml"
    config.write_text("node: {name: edge-1, role: edge}\n")
    table = tmp_path / "devices.csv"
    table.write_bytes(TABLE)
    assert main(["devices", "import", "-c", str(config), str(table)]) == 0
    options = [] if action == "verify" else ["-c", str(config)]
    assert main(["devices", action, *options, str(tmp_path / "nowhere" / "x.csv")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ganzhi devices: ")
    assert "x.csv: cannot be" in line
    assert "No such file" in line
