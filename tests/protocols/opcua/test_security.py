"""Logins and certificates, against asyncua's own server in another process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from protocols.adapter import Credential, Refused
from tests.contract.suite import Feed, Sink
from tests.protocols.opcua.certificates import write_pair
from tests.protocols.opcua.peer import Peer, device, make, point, running, serving

LEVEL = {"Level": ("Double", 1.0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of a server, of us, and of a stranger."""
    made = tmp_path_factory.mktemp("certificates")
    write_pair(made, "server", "urn:freeopcua:python:server")
    write_pair(made, "ours", "urn:ganzhi:test")
    write_pair(made, "stranger", "urn:stranger")
    return made


@pytest_asyncio.fixture
async def secured(folder: Path) -> AsyncIterator[Peer]:
    """A server that signs, and knows one user."""
    async with serving(LEVEL, certificate=str(folder), users={"anna": "right"}) as peer:
        yield peer


def credential(folder: Path, **more: str) -> Credential:
    fields = {
        "username": "anna",
        "password": "right",
        "cert_file": str(folder / "ours.der"),
        "key_file": str(folder / "ours.pem"),
        "ca_file": str(folder / "server.der"),
        **more,
    }
    return Credential(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
async def test_signed_and_encrypted(secured: Peer, folder: Path, mode: str) -> None:
    security = f"Basic256Sha256_{mode}"
    target = device(secured.endpoint, "d", point("Level"), credential="plc", security=security)
    async with running(secured.endpoint, target, credential=credential(folder)) as house:
        await house.sink.until(lambda: house.sink.values(target.id) == [1.0])
        await secured.tell(set={"Level": 2.0})
        await house.sink.until(lambda: house.sink.values(target.id)[-1] == 2.0)
    assert not house.losses


async def refusal(peer: Peer, given: Credential | None, security: str) -> str:
    target = device(peer.endpoint, "d", point("Level"), credential="plc", security=security)
    adapter = make(peer.endpoint, credential=given)
    with pytest.raises(Refused) as caught:
        await adapter.run(Feed([target]), Sink().emit)
    text = str(caught.value)
    assert "wrong-password" not in text
    return text


async def test_what_the_server_does_not_offer_is_named(secured: Peer, folder: Path) -> None:
    text = await refusal(secured, credential(folder), "Aes256Sha256RsaPss_SignAndEncrypt")
    assert "it offers Basic256Sha256_Sign, Basic256Sha256_SignAndEncrypt" in text


async def test_a_server_that_is_not_trusted_is_not_logged_into(secured: Peer, folder: Path) -> None:
    stranger = credential(folder, ca_file=str(folder / "stranger.der"))
    assert "is not trusted" in await refusal(secured, stranger, "Basic256Sha256_Sign")


async def test_files_that_are_not_there_are_named(secured: Peer, folder: Path) -> None:
    missing = credential(folder, cert_file=str(folder / "nobody.der"))
    assert "nobody.der" in await refusal(secured, missing, "Basic256Sha256_Sign")
    wrong = credential(folder, cert_file=str(folder / "ours.pem"))
    assert "is no certificate" in await refusal(secured, wrong, "Basic256Sha256_Sign")
    assert "cert_file and key_file" in await refusal(secured, None, "Basic256Sha256_Sign")


async def test_a_wrong_password_is_refused(secured: Peer, folder: Path) -> None:
    wrong = credential(folder, password="wrong-password")
    assert "check the credential" in await refusal(secured, wrong, "Basic256Sha256_Sign")


async def test_user_and_password_without_encryption() -> None:
    async with serving(LEVEL, users={"anna": "right"}) as peer:
        target = device(peer.endpoint, "d", point("Level"), credential="plc")
        right = Credential(username="anna", password="right")
        async with running(peer.endpoint, target, credential=right) as house:
            await house.sink.until(lambda: house.sink.values(target.id) == [1.0])
        wrong = Credential(username="anna", password="wrong-password")
        assert "check the credential" in await refusal(peer, wrong, "None")
        assert await refusal(peer, None, "None")


async def test_a_credential_is_sent_to_its_hosts_only() -> None:
    elsewhere = Credential(username="anna", password="wrong-password", hosts=("plc.example",))
    assert "may not be sent to 127.0.0.1" in await refusal(Peer({}), elsewhere, "None")
