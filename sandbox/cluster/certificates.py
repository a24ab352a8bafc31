"""Certificates of one control plane: authorities of its own, made new for each cluster.

`cryptography` comes with moto's server, which the sandbox depends on anyway.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID: Final = datetime.timedelta(days=30)
"""A sandbox's world seldom lives for more than a day; nothing renews its certificates."""

_CLOCK_SKEW: Final = datetime.timedelta(minutes=5)


def _write_key(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, path: Path) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def write_service_account_key(path: Path) -> None:
    """Writes the key that signs service account tokens: RSA 2048, for EKS's tokens are RS256.

    Its public half goes beside it with the suffix `.pub`.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write_key(key, path)
    path.with_suffix(".pub").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


@dataclass(frozen=True)
class Pair:
    """Where a certificate and its key lie."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Same:
    """What makes an authority the same wherever it is made."""

    key: ec.EllipticCurvePrivateKey
    begins: datetime.datetime
    ends: datetime.datetime


class Authority:
    """A certificate authority that writes what it issues into one folder."""

    def __init__(self, folder: Path, name: str, same: Same | None = None) -> None:
        """A new one, but for `same`."""
        self.folder = folder
        self._key = same.key if same else ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(1 if same else x509.random_serial_number())
            .not_valid_before(same.begins if same else now - _CLOCK_SKEW)
            .not_valid_after(same.ends if same else now + _VALID)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    key_cert_sign=True,
                    crl_sign=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .sign(self._key, hashes.SHA256(), ecdsa_deterministic=bool(same) or None)
        )
        self.pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)
        self.pair.certificate.write_bytes(self.pem)
        _write_key(self._key, self.pair.key)

    def issue(
        self,
        file: str,
        common_name: str,
        organisations: Sequence[str] = (),
        hosts: Sequence[str] = (),
        addresses: Sequence[str] = (),
    ) -> Pair:
        """A certificate for a client, and for a server where hosts or addresses are given.

        Kubernetes reads the common name as the user and the organisations as the groups.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        subject += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in organisations]
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(now + _VALID)
        )
        if hosts or addresses:
            uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
            names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False).sign(
            self._key, hashes.SHA256()
        )
        pair = Pair(self.folder / f"{file}.crt", self.folder / f"{file}.key")
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(key, pair.key)
        return pair
