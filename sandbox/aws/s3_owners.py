"""Who owns a bucket: S3's answer to `ExpectedBucketOwner`, which moto does not read, and buckets of somebody else."""

from __future__ import annotations

from http import HTTPStatus

from sandbox.aws.errors import ApiError
from sandbox.aws.identity import PARTITION
from sandbox.aws.request import Request


def refuse_others(asked: Request) -> None:
    """Raises AccessDenied where the bucket's owner is not who the request expects (S3 user guide, "Verifying bucket
    ownership with bucket owner condition"). Buckets are named by path here, as the sandbox's endpoint is an address."""
    expected = asked.environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER")
    if asked.service != "s3" or expected is None:
        return
    from moto.s3.models import s3_backends

    owner = s3_backends.bucket_accounts.get(asked.path.lstrip("/").partition("/")[0])
    if owner is not None and owner[1] != expected:
        raise ApiError("AccessDenied", "Access Denied", HTTPStatus.FORBIDDEN)


def make_for_other(name: str, region: str, account: str) -> None:
    """A bucket of another account, in which everybody may read and write: what waits for those who send no expected
    owner."""
    from moto.s3.models import s3_backends

    s3_backends[account][PARTITION].create_bucket(name, region)
