"""Whom we speak to and how it is secured: endpoint choice, certificates, trust."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import CertProperties
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from protocols.adapter import Credential, Refused

_MODES: Final = {
    "Sign": ua.MessageSecurityMode.Sign,
    "SignAndEncrypt": ua.MessageSecurityMode.SignAndEncrypt,
}


async def secure(client: Client, security: str, credential: Credential | None) -> None:
    """Prepare a client for `security` (`Basic256Sha256_SignAndEncrypt`, ...): asks the server once.

    Raises:
        Refused: the server does not offer it, its certificate is not trusted, or ours is missing.
    """
    name, _, mode_name = security.partition("_")
    policy: type[security_policies.SecurityPolicy] = getattr(
        security_policies, f"SecurityPolicy{name}"
    )
    mode = _MODES[mode_name]
    if credential is None or not credential.cert_file or not credential.key_file:
        raise Refused(f"{security} needs a credential with cert_file and key_file")
    certificate, key = await asyncio.to_thread(_own, credential.cert_file, credential.key_file)
    client.application_uri = _application_uri(certificate) or client.application_uri
    endpoints = await client.connect_and_get_server_endpoints()
    found = [e for e in endpoints if e.SecurityMode == mode and e.SecurityPolicyUri == policy.URI]
    if not found:
        offered = sorted({_named(e) for e in endpoints})
        raise Refused(f"the server does not offer {security}; it offers {', '.join(offered)}")
    server = _first(found[0].ServerCertificate)
    if credential.ca_file:
        await asyncio.to_thread(_check, server, credential.ca_file)
    await client.set_security(
        policy,
        CertProperties(certificate.public_bytes(Encoding.DER), "der"),
        CertProperties(key, "pem" if key.lstrip().startswith(b"-----") else "der"),
        server_certificate=CertProperties(server.public_bytes(Encoding.DER), "der"),
        mode=mode,
    )


def _own(cert_file: str, key_file: str) -> tuple[x509.Certificate, bytes]:
    try:
        certificate = load(Path(cert_file).read_bytes())[0]
        key = Path(key_file).read_bytes()
    except OSError as error:
        raise Refused(f"our certificate or key cannot be read: {error}") from error
    except ValueError as error:
        raise Refused(f"{cert_file} is no certificate: {error}") from error
    if certificate.not_valid_after_utc < datetime.now(UTC):
        raise Refused(f"our certificate {cert_file} ended on {certificate.not_valid_after_utc}")
    return certificate, key


def load(data: bytes) -> list[x509.Certificate]:
    """Read certificates, PEM (one or more) or DER.

    Raises:
        ValueError: there is none.
    """
    if b"-----BEGIN" in data:
        return x509.load_pem_x509_certificates(data)
    return [x509.load_der_x509_certificate(data)]


def _first(chain: bytes | None) -> x509.Certificate:
    """Return the server's certificate, which may come with its issuers behind it."""
    if not chain:
        raise Refused("the server shows no certificate")
    size = int.from_bytes(chain[2:4], "big") + 4
    try:
        return x509.load_der_x509_certificate(chain[:size])
    except ValueError as error:
        raise Refused(f"the server's certificate cannot be read: {error}") from error


def _check(server: x509.Certificate, ca_file: str) -> None:
    """Check that the server's certificate is in `ca_file` or issued by one that is."""
    try:
        trusted = load(Path(ca_file).read_bytes())
    except (OSError, ValueError) as error:
        raise Refused(f"ca_file cannot be used: {error}") from error
    now = datetime.now(UTC)
    if not server.not_valid_before_utc <= now <= server.not_valid_after_utc:
        raise Refused(f"the server's certificate is valid only to {server.not_valid_after_utc}")
    if server not in trusted and not any(_issued(server, issuer) for issuer in trusted):
        subject = server.subject.rfc4514_string()
        raise Refused(f"the server's certificate ({subject}) is not trusted: add it to {ca_file}")


def _issued(server: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        server.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _application_uri(certificate: x509.Certificate) -> str | None:
    """Return the URI in our certificate: servers insist that we call ourselves so."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return None
    uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if uris else None


def _named(endpoint: ua.EndpointDescription) -> str:
    policy = str(endpoint.SecurityPolicyUri).rpartition("#")[2]
    return policy if policy == "None" else f"{policy}_{endpoint.SecurityMode.name}"
