"""Objects in S3 that are written once: each only where nothing lies yet, and whole."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from bastide import unreached
from bastide.models.errors import ModelError

EXISTS: Final = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
ABSENT: Final = {"NoSuchKey", "NotFound", "404"}


class ExistsError(Exception):
    """Something lies at this key."""


def other_content(bucket: str, key: str) -> ModelError:
    """What to say where a key is taken by something else."""
    return ModelError(
        f"s3://{bucket}/{key} is there with other content, from a publish that did not end or that runs now: "
        "nothing is overwritten; remove what lies there, or publish under a new version"
    )


def put_bytes(client: Any, bucket: str, key: str, content: bytes) -> None:
    """Writes a small object, or accepts the equal one that is there."""
    try:
        put_new(client, bucket, key, content)
    except ExistsError:
        if get(client, bucket, key) != content:
            raise other_content(bucket, key) from None


def put_new(client: Any, bucket: str, key: str, content: bytes) -> None:
    """Writes a small object. Raises ExistsError where one is."""
    checksum = base64_of(hashlib.sha256(content).digest())
    try:
        put_object(client, bucket, key, content, checksum)
    except ClientError as error:
        if error.response["Error"]["Code"] in EXISTS:
            raise ExistsError from None
        raise


def put_object(client: Any, bucket: str, key: str, body: bytes, checksum: str) -> None:
    """S3 itself refuses a body that does not have the checksum, and a key that is taken."""
    client.put_object(
        Bucket=bucket,
        Key=key,
        Body=body,
        ChecksumAlgorithm="SHA256",
        ChecksumSHA256=checksum,
        IfNoneMatch="*",
    )


def get(client: Any, bucket: str, key: str) -> bytes:
    """An object's content."""
    content: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def checksum_at(client: Any, bucket: str, key: str) -> str | None:
    """The SHA-256 that S3 holds of an object ('' where it holds none), or None where there is no object."""
    try:
        found = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            return None
        raise
    # Of an object in parts S3 appends their number, other servers may not; base64 has no hyphen.
    return str(found.get("ChecksumSHA256", "")).partition("-")[0]


def base64_of(digest: bytes) -> str:
    """A digest as S3 writes it."""
    return base64.b64encode(digest).decode()


@contextmanager
def clear(bucket: str) -> Iterator[None]:
    """AWS's refusals in words that say what to do."""
    try:
        yield
    except NoCredentialsError:
        raise ModelError(
            "no AWS credentials were found: set AWS_PROFILE or sign in (`aws sso login`), then run it again"
        ) from None
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == "NoSuchBucket":
            raise ModelError(
                f"there is no bucket {bucket!r}: `pulumi up` makes it, or give another one by --bucket"
            ) from None
        if code in ("AccessDenied", "403"):
            raise ModelError(
                f"AWS refuses {error.operation_name} on bucket {bucket!r}: either the bucket is not of the stack's "
                "account (without --stack: not of the caller's), and nothing goes to others; or the identity needs "
                "s3:ListBucket, s3:GetObject and s3:PutObject on it, and kms:GenerateDataKey and kms:Decrypt on its "
                f"key ({message})"
            ) from None
        raise ModelError(
            f"AWS refused {error.operation_name} on bucket {bucket!r}: {code}: {message}"
        ) from None
    except BotoCoreError as error:
        raise ModelError(f"S3 could not be reached for bucket {bucket!r}: {unreached.why(error)}") from None
