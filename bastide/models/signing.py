"""Signatures of published versions, in OpenSSF Model Signing's format (`artifact_agent.signature` reads them).

What is signed is the list of all files with their SHA-256, SHA256SUMS and manifest.json among them, so that name,
version, licence and source are signed too. A key is one on P-256: in a file, or in KMS, which it never leaves.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from artifact_agent.errors import RefusedError
from artifact_agent.signature import (
    BUNDLE_TYPE,
    PAYLOAD_TYPE,
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    PublicKey,
    key_id,
    pae,
    verify,
)
from artifact_agent.statement import MANIFEST_NAME, SIGNATURE_NAME, SUMS_NAME
from bastide import unreached
from bastide.models.errors import ModelError
from bastide.models.manifest import Manifest

PASSWORD_VARIABLE: Final = "BASTIDE_SIGNING_KEY_PASSWORD"  # noqa: S105 - the name of the variable
"""Where the password of an encrypted key file is taken from; never the command line, which others can read."""

KMS: Final = "kms:"
"""Leads a key in KMS: its ARN, its id, or alias/NAME follows."""


class Signer(Protocol):
    """A private key that signs models."""

    @property
    def public(self) -> PublicKey:
        """Its public half."""

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256 over the message, in DER. Raises ModelError."""


@dataclass(frozen=True)
class FileSigner:
    """A key in a file."""

    key: ec.EllipticCurvePrivateKey

    @property
    def public(self) -> PublicKey:
        """Its public half."""
        return PublicKey(self.key.public_key(), key_id(self.key.public_key()))

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256 over the message, in DER."""
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))


@dataclass(frozen=True)
class KmsSigner:
    """A key in KMS, by a boto3 client."""

    client: Any
    name: str
    public: PublicKey

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256 over the message, in DER. Only its hash goes to KMS, which takes 4,096 bytes at most."""
        try:
            answer = self.client.sign(
                KeyId=self.name,
                Message=hashlib.sha256(message).digest(),
                MessageType="DIGEST",
                SigningAlgorithm="ECDSA_SHA_256",
            )
        except (ClientError, BotoCoreError) as error:
            raise _kms_refused("kms:Sign", self.name, error) from None
        signature: bytes = answer["Signature"]
        return signature


def file_signer(path: Path) -> FileSigner:
    """A key from a PEM file that nobody else can read. Raises ModelError."""
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"the signing key {path} cannot be read: {error.strerror}; give the PEM file of a private key, or make "
            "one by `bastide model key --new FILE`"
        ) from None
    if mode & 0o077:
        raise ModelError(
            f"the signing key {path} can be read by others (mode {mode & 0o777:o}), and whoever has it can sign any "
            f"model: run `chmod 600 {path}`"
        )
    password = os.environ.get(PASSWORD_VARIABLE, "").encode() or None
    try:
        key = serialization.load_pem_private_key(content, password)
    except (ValueError, TypeError) as error:
        raise ModelError(
            f"{path} is no private key in PEM that can be used ({error}); make one by `openssl genpkey -algorithm EC "
            f"-pkeyopt ec_paramgen_curve:P-256`; the password of an encrypted one is taken from {PASSWORD_VARIABLE}"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ModelError(f"{path} is not an elliptic-curve key on P-256, which is what signs models")
    return FileSigner(key)


def kms_signer(client: Any, name: str) -> KmsSigner:
    """A key in KMS, by its ARN, id or alias. Raises ModelError where it cannot sign models."""
    return KmsSigner(client, name, kms_public_key(client, name))


def kms_public_key(client: Any, name: str) -> PublicKey:
    """The public half of a key in KMS. Raises ModelError."""
    try:
        answer = client.get_public_key(KeyId=name)
    except (ClientError, BotoCoreError) as error:
        raise _kms_refused("kms:GetPublicKey", name, error) from None
    key = serialization.load_der_public_key(answer["PublicKey"])
    signs = answer["KeyUsage"] == "SIGN_VERIFY"
    if signs and isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return PublicKey(key, key_id(key))
    raise ModelError(
        f"the KMS key {name} is of another kind, {answer.get('KeySpec')} for {answer['KeyUsage']}: models are signed "
        "by one of spec ECC_NIST_P256 and usage SIGN_VERIFY"
    )


def public_pem(key: PublicKey) -> str:
    """The public key as a stack file takes it."""
    return key.key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def digests(manifest: Manifest) -> dict[str, str]:
    """SHA-256 by name of all that is signed."""
    return {
        **{each.name: each.sha256 for each in manifest.files},
        SUMS_NAME: manifest.digest,
        MANIFEST_NAME: hashlib.sha256(manifest.document()).hexdigest(),
    }


def bundle(manifest: Manifest, signer: Signer) -> bytes:
    """model.sig of a version. It is read back before it is given out."""
    payload = _payload(manifest)
    content = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": signer.public.id}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signer.sign(pae(payload))).decode(), "keyid": ""}],
        },
    }
    document = (json.dumps(content) + "\n").encode()
    check(document, manifest, signer.public)
    return document


def check(document: bytes, manifest: Manifest, public: PublicKey) -> None:
    """Raises ModelError where the bundle is not by this key, or of something else than the version."""
    try:
        signed = verify(document, (public,))
    except RefusedError as error:
        raise ModelError(str(error)) from None
    if signed.digests != digests(manifest):
        raise ModelError(f"{SIGNATURE_NAME} is of other files than those of the manifest")


def _payload(manifest: Manifest) -> bytes:
    resources = [
        {"name": name, "algorithm": "sha256", "digest": digest}
        for name, digest in sorted(digests(manifest).items(), key=lambda each: PurePosixPath(each[0]))
    ]
    root = hashlib.sha256(b"".join(bytes.fromhex(each["digest"]) for each in resources)).hexdigest()
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": f"{manifest.name}@{manifest.version}", "digest": {"sha256": root}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [SIGNATURE_NAME],
            },
            "resources": resources,
        },
    }
    return json.dumps(statement, sort_keys=True).encode()


def _kms_refused(action: str, name: str, error: ClientError | BotoCoreError) -> ModelError:
    if isinstance(error, NoCredentialsError):
        return ModelError(
            f"no AWS credentials were found for KMS key {name}: set AWS_PROFILE or sign in (`aws sso login`), then run "
            "it again"
        )
    if isinstance(error, BotoCoreError):
        return ModelError(f"KMS could not be reached for key {name}: {unreached.why(error)}")
    code = error.response["Error"]["Code"]
    if code in ("NotFoundException", "404"):
        return ModelError(
            f"there is no KMS key {name} here: `pulumi up` makes the stack's own; or give another by --key"
        )
    return ModelError(
        f"KMS refuses {action} with key {name} ({code}): the identity needs {action} on it, and the key must be "
        "enabled"
    )
