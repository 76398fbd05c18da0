"""The configuration: every mistake at once, each with its path and what was expected."""

from pathlib import Path

import pytest

from gateway.config import Role, load, parse
from gateway.config.reference import rows
from registry.model import Faulty

GOOD = b"node: {name: edge-1, role: edge}\n"


def faults(text: bytes, environment: dict[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(Faulty) as caught:
        parse(text, Path("/nowhere"), environment or {})
    return {fault.where: str(fault) for fault in caught.value.faults}


def test_a_minimal_file_is_enough() -> None:
    settings = parse(GOOD, Path(), {})
    assert (settings.node.name, settings.node.role) == ("edge-1", Role.EDGE)
    assert settings.api.bind == "127.0.0.1"


def test_several_mistakes_are_told_at_once() -> None:
    found = faults(
        b"node: {name: 'edge 1', role: village}\n"
        b"api: {prot: 80, port: 99999}\n"
        b"data: {retention_days: many}\n"
        b"lower: {nodes: [{name: a, areas: [12]}, {areas: []}]}\n"
    )
    assert set(found) == {
        "node.name",
        "node.role",
        "api.prot",
        "api.port",
        "data.retention_days",
        "lower.nodes[0].areas[0]",
        "lower.nodes[1].name",
    }
    assert "port?" in found["api.prot"]
    assert "one of city, edge, province" in found["node.role"]
    assert "a whole number" in found["data.retention_days"]
    assert "is missing" in found["lower.nodes[1].name"]


def test_broken_yaml_is_named_by_line() -> None:
    assert "line 2, column" in next(iter(faults(b"node: {name: a\nrole: [")))


def test_secrets_come_from_the_environment_and_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden\n")
    path = tmp_path / "ganzhi.yaml"
    path.write_text(
        "node: {name: e, role: edge}\n"
        "credentials:\n"
        "  a: {username: '${USER_NAME}', password: 'file:secret'}\n"
        "  b: {username: '${OTHER:-nobody}'}\n"
    )
    settings = load(path, {"USER_NAME": "li"})
    assert settings.credentials["a"].username == "li"
    assert settings.credentials["a"].password == "hidden"
    assert settings.credentials["b"].username == "nobody"
    assert "hidden" not in repr(settings)
    assert settings.data.folder == str(tmp_path / "data/e")


def test_missing_secrets_are_named() -> None:
    found = faults(GOOD + b"credentials: {a: {username: '${NOPE}', password: 'file:gone'}}\n")
    assert set(found) == {"credentials.a.username", "credentials.a.password"}


def test_contradictions_are_found() -> None:
    found = faults(
        b"node: {name: p, role: province}\n"
        b"upper: {name: p, url: 'mqtt://x', credential: none}\n"
        b"lower: {nodes: [{name: a}, {name: a}]}\n"
    )
    assert set(found) == {
        "upper.credential",
        "upper",
        "upper.name",
        "lower.url",
        "lower.nodes[1].name",
    }


def test_every_setting_is_described() -> None:
    assert [path for path, _, _, text in rows() if not text] == []
