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
    "s3:GetObjectVersionForReplication",
)
WRITES: Final = (
    *("s3:AbortMultipartUpload", "s3:BypassGovernanceRetention", "s3:DeleteObject", "s3:DeleteObjectVersion"),
    *("s3:PutObject", "s3:PutObjectLegalHold", "s3:PutObjectRetention", "s3:ReplicateDelete"),
    *("s3:ReplicateObject", "s3:RestoreObject"),
)
"""Actions on objects (Service Authorization Reference, "Actions for Amazon S3"). S3's own lifecycle rules work
whatever a policy denies (S3 user guide, "Expiring objects")."""

_ENCRYPTION: Final = {
    "DenyOtherEncryption": "s3:x-amz-server-side-encryption",
    "DenyCustomerKeys": "s3:x-amz-server-side-encryption-customer-algorithm",
}
"""IAM's keys for the headers by which an upload asks for an encryption of its own, by the statement that denies it."""

ACCESS_LOGS: Final = "access/"
INVENTORY: Final = "inventory/"
"""Key prefixes in the bucket of logs."""


def publishers(settings: Settings, store: CreatedModelStore) -> list[str]:
    """ARNs of those who may write models: the setting's, else the cluster's administrators."""
    if store.publishers or not isinstance(settings.cluster, CreatedCluster):
        return sorted(set(store.publishers))
    return sorted(set(settings.cluster.admin_principals))


def readers(settings: Settings, store: CreatedModelStore) -> list[str]:
    """ARNs of those who may read models: the stack's engines, the setting's readers, and publishers, who look
    at what they have published."""
    engines = [
        names.role_arn(settings.account_id, names.engine_role(settings.prefix, each.name))
        for each in settings.engines
    ]
    return sorted({*engines, *store.readers, *publishers(settings, store)})


def model_bucket_policy(settings: Settings, store: CreatedModelStore) -> str:
    """TLS for everybody; models are read and written by those alone whom the settings name, whatever IAM gives
    to others. A session of a role has the role's ARN as aws:PrincipalArn."""
    bucket = names.arn("s3", "", "", settings.model_bucket)
    return names.policy_document(
        tls_only(bucket),
        _denied("DenyReadsByOthers", READS, f"{bucket}/*", readers(settings, store)),
        _denied("DenyWritesByOthers", WRITES, f"{bucket}/*", publishers(settings, store)),
        *(
            {
                "Sid": sid,
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:PutObject",
                "Resource": f"{bucket}/*",
                # An upload that names no encryption gets the bucket's key. One that names any leaves it: `aws:kms`
                # without a key means AWS's own (S3 API reference, PutObject), and a key of the customer's makes the
                # model unreadable to everybody else.
                "Condition": {"Null": {header: "false"}},
            }
            for sid, header in _ENCRYPTION.items()
        ),
    )


def log_bucket_policy(settings: Settings) -> str:
    """TLS for everybody; S3 itself may put access logs and inventories, of the model bucket alone."""
    bucket = names.arn("s3", "", "", settings.model_log_bucket)
    source = {
        "ArnLike": {"aws:SourceArn": names.arn("s3", "", "", settings.model_bucket)},
        "StringEquals": {"aws:SourceAccount": settings.account_id},
    }
    return names.policy_document(
        tls_only(bucket),
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


def tls_only(bucket: str) -> dict[str, Any]:
    """Nothing of a bucket without TLS."""
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
