"""From an operation of AWS's API to the IAM action that it needs. Most have the same name; S3's often do not.

Source: S3 user guide, "Required permissions for Amazon S3 API operations"; service authorization reference."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Final

from bastide.bootstrap.rights import policies
from bastide.settings import Settings

_S3: Final = {
    "AbortMultipartUpload": "AbortMultipartUpload",
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketInventoryConfiguration": "PutInventoryConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeleteObjects": "DeleteObject",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "GetBucketLifecycle": "GetLifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketInventoryConfiguration": "PutInventoryConfiguration",
    "PutBucketLifecycle": "PutLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "UploadPart": "PutObject",
}

_PREFIXES: Final = {"monitoring": "cloudwatch"}
"""Services whose name in a signature is not their name in IAM."""

_FREE: Final = frozenset({"sts.GetCallerIdentity"})
"""Operations that need no right."""


def iam_action(operation: str) -> str:
    """`s3:PutEncryptionConfiguration` for `s3.PutBucketEncryption` (as the sandbox's journal writes it); '' where
    none is needed."""
    if operation in _FREE:
        return ""
    service, _, name = operation.partition(".")
    if service == "s3":
        name = _S3.get(name, name)
    return f"{_PREFIXES.get(service, service)}:{name}"


def allowed(action: str, documents: Iterable[dict[str, Any]]) -> bool:
    """Whether any statement allows an action on anything; conditions are AWS's to judge."""
    return any(
        fnmatchcase(action, pattern)
        for document in documents
        for statement in document["Statement"]
        for pattern in statement["Action"]
    )


def refused(operations: Iterable[str], settings: Settings) -> list[str]:
    """Of a run's calls, as the sandbox's journal writes them, those that the deploy role of these settings has no
    right to."""
    documents = [json.loads(text) for text in policies(settings).values()]
    return [each for each in operations if (action := iam_action(each)) and not allowed(action, documents)]
