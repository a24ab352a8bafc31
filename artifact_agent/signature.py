"""The signature of a version, in the format of OpenSSF Model Signing 1.0: a Sigstore bundle with a DSSE envelope, whose
payload is an in-toto statement that lists every file with its SHA-256; made by an elliptic-curve key.

Only what the kit writes is accepted: P-256, SHA-256, one signature, files and no shards. The tests hold this verifier
against the project's own (docs/adr/0014-signatures.md says why it is not used here).

Formats: github.com/secure-systems-lab/dsse (protocol, version 1), github.com/in-toto/attestation (Statement v1),
github.com/sigstore/protobuf-specs (bundle 0.3), github.com/ossf/model-signing-spec.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from artifact_agent.errors import RefusedError

BUNDLE_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"


@dataclass(frozen=True)
class Signed:
    """What a valid signature states: SHA-256 by file name, and by which key."""

    digests: dict[str, str]
    key_id: str


@dataclass(frozen=True)
class PublicKey:
    """A key that is trusted to sign models. `id` is the SHA-256 of its PEM, as Model Signing writes it."""

    key: ec.EllipticCurvePublicKey
    id: str


def read_public_key(pem: str) -> PublicKey:
    """A public key from its PEM. Raises RefusedError for anything but one on P-256."""
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, TypeError) as error:
        raise RefusedError(f"a trusted key is no public key in PEM ({error})") from None
    except Exception as error:  # cryptography's own UnsupportedAlgorithm and the like
        raise RefusedError(f"a trusted key cannot be used ({error})") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RefusedError("a trusted key is not an elliptic-curve key on P-256 (ECC_NIST_P256)")
    return PublicKey(key, key_id(key))


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 of the key's PEM, in hexadecimal: the hint by which a bundle names its key."""
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()


def pae(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is really signed."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def verify(bundle: bytes, trusted: tuple[PublicKey, ...]) -> Signed:
    """What the bundle states, if one of the trusted keys signed it. Raises RefusedError otherwise."""
    try:
        document = _unique(bundle)
        if document["mediaType"] != BUNDLE_TYPE:
            raise RefusedError(f"model.sig is not a bundle of type {BUNDLE_TYPE}")
        hint = document["verificationMaterial"]["publicKey"]["hint"]
        envelope = document["dsseEnvelope"]
        (signature,) = envelope["signatures"]
        raw = base64.b64decode(signature["sig"], validate=True)
        payload = base64.b64decode(envelope["payload"], validate=True)
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise RefusedError(f"model.sig signs something other than {PAYLOAD_TYPE}")
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError) as error:
        raise RefusedError(f"model.sig is not a signature of a model ({error!r})") from None
    key = next((each for each in trusted if each.id == hint), None)
    if key is None:
        known = ", ".join(each.id[:16] for each in trusted) or "none"
        raise RefusedError(f"model.sig is by key {str(hint)[:16]}, which is not trusted; trusted: {known}")
    try:
        key.key.verify(raw, pae(payload), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise RefusedError(
            f"model.sig does not hold: key {key.id[:16]} did not sign this list of files"
        ) from None
    return Signed(_digests(payload), key.id)


def _digests(payload: bytes) -> dict[str, str]:
    try:
        statement = _unique(payload)
        if statement["_type"] != STATEMENT_TYPE or statement["predicateType"] != PREDICATE_TYPE:
            raise RefusedError("model.sig signs a statement that is not one about a model's files")
        predicate = statement["predicate"]
        serialization_of = predicate["serialization"]
        if serialization_of["method"] != "files" or serialization_of["hash_type"] != "sha256":
            raise RefusedError("model.sig is not over whole files by SHA-256")
        found: dict[str, str] = {}
        root = hashlib.sha256()
        for each in predicate["resources"]:
            name, digest = each["name"], each["digest"]
            if each["algorithm"] != "sha256" or len(bytes.fromhex(digest)) != 32:
                raise ValueError(f"{name!r} has no SHA-256")
            if not isinstance(name, str) or name in found:
                raise ValueError(f"{name!r} twice, or no name")
            root.update(bytes.fromhex(digest))
            found[name] = digest
        (subject,) = statement["subject"]
        if subject["digest"]["sha256"] != root.hexdigest():
            raise ValueError("its own digest is not that of its files")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RefusedError(f"model.sig signs no list of a model's files ({error!r})") from None
    return found


def _unique(document: bytes) -> Any:
    """JSON in which no name stands twice: two readers could take different ones."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name stands twice")
        return found

    return json.loads(document, object_pairs_hook=once)
