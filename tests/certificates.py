"""Certificates for servers of tests, each its own authority."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK = x509.IPAddress(IPv4Address("127.0.0.1"))


class Certified(NamedTuple):
    """Files: a certificate, its key, and both in one."""

    certificate: Path
    key: Path
    both: Path


def certified(folder: Path, whom: x509.GeneralName) -> Certified:
    """Make a key and a certificate for a host or an address, which signs itself, in a new folder."""
    folder.mkdir()
    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(whom.value))])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([whom]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(secret, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    own = secret.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    shown = signed.public_bytes(serialization.Encoding.PEM)
    files = Certified(folder / "certificate.pem", folder / "key.pem", folder / "both.pem")
    for file, content in zip(files, (shown, own, own + shown), strict=True):
        file.write_bytes(content)
    return files
