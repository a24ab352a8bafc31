"""Settings of the signatures of models: by which keys a version must be signed before an engine serves it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Tag

from artifact_agent.errors import RefusedError
from artifact_agent.signature import read_public_key
from bastide.settings.base import Strict, matching
from bastide.settings.variants import by_kind


def _public_key(value: str) -> str:
    if "PRIVATE KEY" in value:
        raise ValueError(
            "is a private key; allowed: the public half, which `openssl pkey -pubout` prints; a stack file is no "
            "place for a secret: replace this key, it is known now"
        )
    if value.count("-----BEGIN ") > 1:
        raise ValueError(
            f"holds {value.count('-----BEGIN ')} keys; allowed: one in each entry, of which only the first "
            "would be read; give each an entry of its own"
        )
    try:
        read_public_key(value)
    except RefusedError as error:
        raise ValueError(
            f"is not a public key that signs models ({error}); allowed: one on P-256 in PEM, as "
            "`openssl pkey -pubout` or `bastide model key` prints it"
        ) from None
    return value.strip() + "\n"


PublicKeyPem = Annotated[str, AfterValidator(_public_key)]

SigningKeyArn = Annotated[
    str,
    matching(
        r"arn:aws:kms:[a-z0-9-]+:\d{12}:key/[0-9a-zA-Z-]+",
        "is not the ARN of a KMS key; allowed: arn:aws:kms:<region>:<account>:key/<id>, no alias, because an alias "
        "can be moved to another key; `aws kms describe-key` prints it",
    ),
]


class KmsSigning(Strict):
    """By a key in KMS, which it never leaves."""

    kind: Literal["kms"] = "kms"
    """`kms`: `bastide model publish --stack` signs by the key, and engines trust it."""

    key_arn: SigningKeyArn | None = None
    """An asymmetric key (ECC_NIST_P256, SIGN_VERIFY) that is there already, in the stack's region. By default the kit
    makes one, with which only the store's publishers may sign; of an adopted store the cluster's administrators, and
    where the cluster is adopted too, whom IAM lets."""

    trusted_keys: tuple[PublicKeyPem, ...] = ()
    """Further public keys, in PEM, whose signatures engines accept: of another region's stack, or of a release
    pipeline."""


class KeySigning(Strict):
    """By keys that are kept elsewhere."""

    kind: Literal["keys"]
    """`keys`: no key in KMS; `bastide model publish --key` signs."""

    trusted_keys: tuple[PublicKeyPem, ...] = Field(min_length=1)
    """Public keys, in PEM, whose signatures engines accept. Two, while one takes the place of the other."""


class AllowUnsigned(Strict):
    """No signature is asked for. Digests in the stack file are still compared."""

    kind: Literal["allow-unsigned"]
    """`allow-unsigned`: whoever may write to the bucket decides what engines without a digest serve. For sandbox and
    dev only."""


SigningSettings = Annotated[
    Annotated[KmsSigning, Tag("kms")]
    | Annotated[KeySigning, Tag("keys")]
    | Annotated[AllowUnsigned, Tag("allow-unsigned")],
    by_kind("kms"),
]
