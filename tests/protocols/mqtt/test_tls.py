"""mqtts: the broker's certificate is verified, and a certificate of ours is shown if asked for."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from protocols.adapter import Credential, LinkLost, Refused
from protocols.mqtt.client import MqttClient
from tests.protocols.mqtt.mosquitto import Mosquitto, free_port

START, END = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.crt"
        self._write(self.file, self._sign(self._name, self._key.public_key(), authority=True))

    def issue(self, name: str, *, address: str = "127.0.0.1") -> tuple[Path, Path]:
        """Issue a certificate for an IP address; return its file and its key's file."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), address=address)
        cert_file, key_file = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        self._write(cert_file, certificate)
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return cert_file, key_file

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *,
        authority: bool = False,
        address: str = "127.0.0.1",
    ) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(START)
            .not_valid_after(END)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "province-ca")


@pytest_asyncio.fixture
async def secure(tmp_path: Path, authority: Authority) -> AsyncIterator[Mosquitto]:
    """A broker whose listener speaks TLS and wants a certificate."""
    certificate, key = authority.issue("broker")
    broker = Mosquitto(
        tmp_path,
        extra=f"cafile {authority.file}\ncertfile {certificate}\nkeyfile {key}\n"
        "require_certificate true\n",
    )
    await broker.start()
    yield broker
    broker.kill()


def make(broker: Mosquitto, credential: Credential | None) -> MqttClient:
    return MqttClient(
        url=f"mqtts://127.0.0.1:{broker.port}",
        client_id="node",
        credential=credential,
        clean_session=True,
    )


def shown(authority: Authority) -> Credential:
    certificate, key = authority.issue("node")
    return Credential(ca_file=str(authority.file), cert_file=str(certificate), key_file=str(key))


async def test_messages_large_and_small_over_tls(secure: Mosquitto, authority: Authority) -> None:
    client = make(secure, shown(authority))
    await client.connect()
    await client.subscribe([("a", 1)])
    payloads = [b"small", bytes(range(256)) * 2000, b"end"]
    for payload in payloads:
        await client.publish("a", payload)
    got: list[bytes] = []
    while len(got) < 3:
        batch = await client.messages()
        client.ack(batch)
        got += [m.payload for m in batch]
    await client.close()
    assert got == payloads


async def test_an_unknown_authority_is_refused(secure: Mosquitto) -> None:
    with pytest.raises(Refused, match="set ca_file"):
        await make(secure, None).connect()


async def test_a_certificate_for_another_host_is_refused(
    tmp_path: Path, authority: Authority
) -> None:
    certificate, key = authority.issue("elsewhere", address="192.0.2.1")
    broker = Mosquitto(tmp_path, extra=f"certfile {certificate}\nkeyfile {key}\n")
    await broker.start()
    with pytest.raises(Refused, match="not trusted"):
        await make(broker, Credential(ca_file=str(authority.file))).connect()
    broker.kill()


async def test_without_our_certificate_the_link_does_not_come_up(
    secure: Mosquitto, authority: Authority
) -> None:
    with pytest.raises((LinkLost, Refused)):
        await make(secure, Credential(ca_file=str(authority.file))).connect()


async def test_a_plain_port_is_named(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    await broker.start()
    with pytest.raises((Refused, LinkLost), match="TLS"):
        await make(broker, None).connect()
    broker.kill()


async def test_files_that_cannot_be_read_are_named() -> None:
    client = MqttClient(
        url=f"mqtts://127.0.0.1:{free_port()}",
        client_id="node",
        credential=Credential(ca_file="/nowhere/ca.crt"),
        clean_session=True,
    )
    with pytest.raises(Refused, match="ca_file, cert_file and key_file"):
        await client.connect()
