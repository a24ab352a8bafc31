"""Certificates that a stack file carries, so that a server can be known by them."""

from __future__ import annotations

from typing import Annotated

from cryptography import x509
from cryptography.x509.oid import NameOID
from pydantic import AfterValidator

MAX_CHARACTERS = 65536
"""Most characters of a bundle. A choice: a region's bundle of RDS has about 6,000, and a ConfigMap, in which it goes
to the pods, takes 1 MiB altogether."""


def _certificates(text: str) -> str:
    if len(text) > MAX_CHARACTERS:
        raise ValueError(
            f"has {len(text)} characters; allowed: up to {MAX_CHARACTERS}, because it goes into a ConfigMap; give the "
            "region's bundle and not the global one"
        )
    if "PRIVATE KEY" in text:
        raise ValueError(
            "has a private key; allowed: certificates alone, because everybody who sees the stack file sees it; take "
            "the key out, and make a new one: this one is known now"
        )
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise ValueError(
            f"is not a list of certificates in PEM ({error}); allowed: one or more blocks -----BEGIN CERTIFICATE-----"
        ) from None
    for each in found:
        try:
            basic = each.extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound:
            continue
        if not basic.ca:
            raise ValueError(
                f"has the certificate of {each.subject.rfc4514_string()}, which is no CA; allowed: CA certificates, "
                "because a server's own is replaced every year; give the one that signed it"
            )
    return text


def common_names(text: str) -> list[str]:
    """Common names of the certificates in a bundle that was judged above, in its order; '' for one without."""
    certificates = x509.load_pem_x509_certificates(text.encode())
    found = (each.subject.get_attributes_for_oid(NameOID.COMMON_NAME) for each in certificates)
    return [str(names[0].value) if names else "" for names in found]


PemCertificates = Annotated[str, AfterValidator(_certificates)]
"""One or more CA certificates in PEM."""
