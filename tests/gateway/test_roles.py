"""Roles: with which credential an adapter is made."""

from pathlib import Path

import pytest

from gateway.roles import Adapters
from protocols.adapter import Adapter
from registry.model import Device, Faulty, Link
from tests.gateway.support import NOW, device, settings

NODE = b"""
node: {name: edge-1, role: edge}
upper: {name: city, url: "mqtt://10.0.0.1", credential: up}
lower: {url: "mqtt://10.0.0.1", credential: down, nodes: []}
credentials:
  up: {username: edge-1, hosts: [10.0.0.1]}
  down: {username: edge-1, hosts: [10.0.0.1]}
  unbound: {username: sensors}
  bound: {username: sensors, hosts: [10.0.0.1]}
"""


def linked(credential: str, host: str) -> Device:
    link = Link(
        protocol="mqtt",
        endpoint=f"mqtt://{host}:1883",
        credential=credential,
        address={"topic": "city/{local}"},
    )
    return device(link=link)


def opened(folder: Path, credential: str, host: str) -> Adapter:
    return Adapters(settings(folder, NODE), lambda: NOW)(linked(credential, host), lambda: None)


@pytest.mark.parametrize(
    ("credential", "host", "where", "expected"),
    [
        ("unbound", "10.0.0.1", "credentials.unbound.hosts", "[10.0.0.1]"),
        ("bound", "10.0.0.2", "credentials.bound.hosts", "[10.0.0.1, 10.0.0.2]"),
        ("up", "10.0.0.1", "link.credential", "of its own"),
        ("down", "10.0.0.1", "link.credential", "of its own"),
        ("none", "10.0.0.1", "link.credential", "bound"),
    ],
)
def test_a_credential_goes_nowhere_it_does_not_list(
    tmp_path: Path, credential: str, host: str, where: str, expected: str
) -> None:
    with pytest.raises(Faulty) as refused:
        opened(tmp_path, credential, host)
    (fault,) = refused.value.faults
    assert fault.where == where
    assert expected in (fault.expected or "")


def test_a_credential_goes_to_a_host_it_lists(tmp_path: Path) -> None:
    assert opened(tmp_path, "bound", "10.0.0.1") is not None
