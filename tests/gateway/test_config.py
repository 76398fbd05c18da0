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


def test_a_value_that_does_not_fit_is_shown_but_no_secret() -> None:
    found = faults(
        b"node: {name: p, role: edge}\n"
        b"api: {port: many, login_attempts: -3, open_on_loopback: 7}\n"
        b"upper: {name: u, url: 'http://li:hidden@host', credential: up}\n"
        b"lower: {nodes: [{name: a, areas: [12]}]}\n"
        b"credentials: {up: {username: 1, password: 12345678}}\n"
    )
    assert found["api.port"] == ("api.port: is 'many' (expected a whole number >= 0 <= 65535)")
    assert "is -3 (expected a whole number >= 1)" in found["api.login_attempts"]
    assert "is 7 (expected true or false)" in found["api.open_on_loopback"]
    assert "is 12 (expected text like" in found["lower.nodes[0].areas[0]"]
    assert "is a number (expected text)" in found["credentials.up.password"]
    together = "".join(found.values())
    assert "Expected" not in together
    assert "1234" not in together
    assert "hidden" not in together


def test_a_credential_that_is_not_there_says_what_to_add() -> None:
    upper = b"upper: {name: u, url: 'mqtt://x', credential: nope}\n"
    found = faults(GOOD + upper)
    assert found["upper.credential"].endswith("'nope' is not defined; add credentials.nope")
    found = faults(GOOD + upper + b"credentials: {b: {}, a: {}}\n")
    assert found["upper.credential"].endswith("add credentials.nope (expected one of a, b)")


def test_contradictions_are_told_beside_other_mistakes() -> None:
    found = faults(
        b"node: {name: p, role: edge}\n"
        b"api: {port: many}\n"
        b"upper: {name: p, url: 'mqtt://x', credential: nope}\n"
        b"broker: {port: 5, prot: 6}\n"
        b"lower: {nodes: [{name: a}, {name: a}]}\n"
    )
    assert set(found) == {
        "api.port",
        "broker.prot",
        "upper.name",
        "upper.credential",
        "lower.nodes[1].name",
    }


def test_listeners_that_cannot_work_are_found() -> None:
    found = faults(
        GOOD
        + b"api: {bind: my-host, port: 99, certificate: a.pem}\n"
        + b"broker: {bind: my-host, port: 99, key: b.pem}\n"
    )
    assert set(found) == {"api.bind", "broker.bind", "api.key", "broker.certificate", "broker.port"}
    both = b"api: {bind: localhost, port: %d}\nbroker: {port: %d}\n"
    assert set(faults(GOOD + both % (99, 99))) == {"broker.port"}
    assert parse(GOOD + both % (0, 0), Path(), {}).api.bind == "localhost"


def test_a_key_that_is_there_twice_is_named_with_its_line() -> None:
    found = faults(GOOD + b"api: {port: 1}\nlog: {level: info}\napi:\n  bind: ::1\n  bind: ::1\n")
    assert found == {
        "api": "api: is there twice, again on line 4",
        "api.bind": "api.bind: is there twice, again on line 6",
    }


def test_every_setting_is_described() -> None:
    assert [path for path, _, _, text in rows() if not text] == []
