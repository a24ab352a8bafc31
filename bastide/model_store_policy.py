"""The policies of the model bucket and of the bucket of its logs, computed purely.

No lock-out: what is denied is reading and writing objects. Nothing denies reading, changing or deleting the
bucket's policy or its other settings, so that whoever IAM gives s3:PutBucketPolicy can mend a mistake, and the
account's root always can (S3 user guide, "Bucket policies")."""

from __future__ import annotations

from typing import Any, Final

from bastide import names
from bastide.settings import CreatedCluster, CreatedModelStore, Settings

READS: Final = (
    "s3:GetObject",
    "s3:GetObjectAttributes",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionAttributes",
)
WRITES: Final = (
    *("s3:AbortMultipartUpload", "s3:BypassGovernanceRetention", "s3:DeleteObject", "s3:DeleteObjectVersion"),
    *("s3:PutObject", "s3:PutObjectLegalHold", "s3:PutObjectRetention", "s3:RestoreObject"),
)
"""Actions on objects (Service Authorization Reference, "Actions for Amazon S3"). S3's own lifecycle rules work
whatever a policy denies (S3 user guide, "Expiring objects")."""

_ENCRYPTION: Final = "s3:x-amz-server-side-encryption"
"""IAM's key for the header by which an upload asks for an encryption of its own."""

ACCESS_LOGS: Final = "access/"
INVENTORY: Final = "inventory/"
"""Key prefixes in the bucket of logs."""


def engine_role(settings: Settings, engine: str) -> str:
    """Name of the IAM role of an engine's pods."""
    return f"{settings.prefix}-engine-{engine}"


def publishers(settings: Settings, store: CreatedModelStore) -> list[str]:
    """ARNs of those who may write models: the setting's, else the cluster's administrators."""
    if store.publishers or not isinstance(settings.cluster, CreatedCluster):
        return sorted(set(store.publishers))
    return sorted(set(settings.cluster.admin_principals))


def readers(settings: Settings, store: CreatedModelStore) -> list[str]:
    """ARNs of those who may read models: the stack's engines, the setting's readers, and publishers, who look
    at what they have published."""
    engines = [
        names.role_arn(settings.account_id, engine_role(settings, each.name)) for each in settings.engines
    ]
    return sorted({*engines, *store.readers, *publishers(settings, store)})


def model_bucket_policy(settings: Settings, store: CreatedModelStore) -> str:
    """TLS for everybody; models are read and written by those alone whom the settings name, whatever IAM gives
    to others. A session of a role has the role's ARN as aws:PrincipalArn."""
    bucket = names.arn("s3", "", "", settings.model_bucket)
    return names.policy_document(
        _tls_only(bucket),
        _denied("DenyReadsByOthers", READS, f"{bucket}/*", readers(settings, store)),
        _denied("DenyWritesByOthers", WRITES, f"{bucket}/*", publishers(settings, store)),
        {
            "Sid": "DenyOtherEncryption",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": f"{bucket}/*",
            # An upload that names no encryption gets the bucket's key; one that names another would leave it.
            "Condition": {
                "Null": {_ENCRYPTION: "false"},
                "StringNotEquals": {_ENCRYPTION: "aws:kms"},
            },
        },
    )


def log_bucket_policy(settings: Settings) -> str:
    """TLS for everybody; S3 itself may put access logs and inventories, of the model bucket alone."""
    bucket = names.arn("s3", "", "", settings.model_log_bucket)
    source = {
        "ArnLike": {"aws:SourceArn": names.arn("s3", "", "", settings.model_bucket)},
        "StringEquals": {"aws:SourceAccount": settings.account_id},
    }
    return names.policy_document(
        _tls_only(bucket),
        {
            "Sid": "AccessLogs",
            "Effect": "Allow",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"{bucket}/{ACCESS_LOGS}*",
            "Condition": source,
        },
        {
            "Sid": "Inventory",
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"{bucket}/{INVENTORY}*",
            "Condition": source,
        },
    )


def _tls_only(bucket: str) -> dict[str, Any]:
    return {
        "Sid": "DenyPlainHttp",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket, f"{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _denied(sid: str, actions: tuple[str, ...], resource: str, but: list[str]) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": list(actions),
        "Resource": resource,
        # Holds for a request without a principal of its own too, so that one is denied as well.
        "Condition": {"ArnNotEquals": {"aws:PrincipalArn": but}},
    }
