"""Signatures of versions in the bucket: put beside what was published, and checked there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from artifact_agent.errors import RefusedError
from artifact_agent.signature import read_public_key
from bastide import names
from bastide.models.errors import ModelError
from bastide.models.manifest import MANIFEST_NAME, SIGNATURE_NAME, Manifest
from bastide.models.objects import ABSENT, ExistsError, clear, get, put_new
from bastide.models.signing import Signer, bundle, check

if TYPE_CHECKING:
    from bastide.models.publish import Published


def put_signature(
    client: Any, bucket: str, manifest: Manifest, signer: Signer, *, anew: bool = False
) -> bool:
    """Signs a version; whether there was no signature by this key before. Raises ModelError where it is signed by
    another key, unless that is to be replaced."""
    key = f"{names.model_prefix(manifest.name, manifest.version)}{SIGNATURE_NAME}"
    document = bundle(manifest, signer)
    try:
        put_new(client, bucket, key, document)
    except ExistsError:
        try:
            check(get(client, bucket, key), manifest, signer.public)
        except ModelError as error:
            if not anew:
                raise ModelError(
                    f"s3://{bucket}/{key} is there and is not this key's ({error}): trust that key, or sign anew by "
                    "`bastide model sign --replace`"
                ) from None
            client.put_object(Bucket=bucket, Key=key, Body=document, ChecksumAlgorithm="SHA256")
            return True
        return False
    return True


def verify_signature(client: Any, bucket: str, manifest: Manifest, pem: str) -> None:
    """Raises ModelError where a version is not signed by this key."""
    key = f"{names.model_prefix(manifest.name, manifest.version)}{SIGNATURE_NAME}"
    try:
        public = read_public_key(pem)
    except RefusedError as error:
        raise ModelError(str(error)) from None
    with clear(bucket):
        try:
            document = get(client, bucket, key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ABSENT:
                raise ModelError(f"s3://{bucket}/{key} is not there: the version is not signed") from None
            raise
    check(document, manifest, public)


def sign_there(
    client: Any, bucket: str, there: Manifest, done: Published, signer: Signer | None
) -> Published:
    """Signs a version that was published before, whose content is known to be right."""
    if signer is None:
        return done
    prefix = names.model_prefix(there.name, there.version)
    if get(client, bucket, f"{prefix}{MANIFEST_NAME}") != there.document():
        raise ModelError(
            f"{done.url}{MANIFEST_NAME} is not written as this version of the kit writes it, so it cannot be signed: "
            "publish the model under a new version"
        )
    return replace(done, signed=put_signature(client, bucket, there, signer))
