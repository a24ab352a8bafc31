"""The gateway's audit trail: the bucket's policy and rules, what the gateway may do there, and its guard. Pure."""

from __future__ import annotations

from typing import Any, Final

from bastide import names
from bastide.plans.model_store_policy import tls_only
from bastide.settings import Settings
from bastide.settings.audit import AuditSettings
from bastide.settings.data_classes import CLASSES

PREFIX: Final = "audit/"
"""Below it lie the objects, by class."""
GUARD: Final = "audit"
MODULE: Final = "bastide_gateway.guards.audit"
TIMEOUT_MS: Final = 1000
"""Of the guard: it writes a line to the pod's own disk."""

SPARE_DAYS: Final = 1
"""By how much a lock's remaining days may differ from the class's: S3 counts whole days and does not say how it rounds,
and clocks differ."""


def wanted(settings: Settings) -> AuditSettings | None:
    """The settings where the stack has a gateway with an audit trail."""
    return settings.gateway.audit if settings.gateway.enabled else None


def days(settings: Settings) -> dict[str, int]:
    """For how long each class's lines are kept."""
    return {name: settings.data_classes.of(name).retention_days for name in CLASSES}


def guard(settings: Settings, audit: AuditSettings) -> dict[str, Any]:
    """The guard's entry in routes.json."""
    return {
        "name": GUARD,
        "module": MODULE,
        "timeoutMs": TIMEOUT_MS,
        "onFailure": settings.on_failure.log,
        "settings": {
            "bucket": settings.audit_bucket,
            "prefix": PREFIX,
            "region": settings.region,
            "mode": audit.mode.upper(),
            "days": [f"{name}={count}" for name, count in days(settings).items()],
            "spoolMib": audit.spool_mib,
            "batchSeconds": audit.batch_seconds,
        },
    }


def statements(settings: Settings) -> list[dict[str, Any]]:
    """What the gateway's pods may do: add objects with the retention of their class, and nothing else: not read, list
    or delete. A shorter lock would let lines go before their time; one of decades could be ended by nobody."""
    if wanted(settings) is None:
        return []
    bucket = names.arn("s3", "", "", settings.audit_bucket)
    return [
        {
            "Sid": "AuditWrite",
            "Effect": "Allow",
            "Action": ["s3:PutObject"],
            "Resource": [f"{bucket}/{PREFIX}*"],
        },
        *(_lock(bucket, name, count) for name, count in days(settings).items()),
        {
            "Sid": "AuditEncrypt",
            "Effect": "Allow",
            "Action": ["kms:GenerateDataKey"],
            "Resource": [names.arn("kms", settings.region, settings.account_id, "key/*")],
            # By way of this bucket alone; with a bucket key the context is the bucket (S3 user guide, "Bucket Keys").
            "Condition": {
                "StringEquals": {
                    "kms:ViaService": f"s3.{settings.region}.amazonaws.com",
                    "kms:EncryptionContext:aws:s3:arn": bucket,
                }
            },
        },
    ]


def _lock(bucket: str, data_class: str, count: int) -> dict[str, Any]:
    # S3 asks for this right also where an object comes with its lock (S3 user guide, "Object Lock considerations",
    # which bounds retention by this key).
    key = "s3:object-lock-remaining-retention-days"
    return {
        "Sid": f"AuditLock{data_class.capitalize()}",
        "Effect": "Allow",
        "Action": ["s3:PutObjectRetention"],
        "Resource": [f"{bucket}/{PREFIX}{data_class}/*"],
        "Condition": {
            "NumericGreaterThanEquals": {key: str(count - SPARE_DAYS)},
            "NumericLessThanEquals": {key: str(count + SPARE_DAYS)},
        },
    }


def bucket_policy(settings: Settings) -> str:
    """TLS for everybody; only the gateway adds, nobody without a lock, and nobody deletes a version by hand."""
    bucket = names.arn("s3", "", "", settings.audit_bucket)
    gateway = names.role_arn(settings.account_id, names.gateway_role(settings.prefix))
    return names.policy_document(
        tls_only(bucket),
        {
            "Sid": "DenyWritesByOthers",
            "Effect": "Deny",
            "Principal": "*",
            "Action": [
                "s3:PutObject",
                "s3:PutObjectLegalHold",
                "s3:PutObjectRetention",
                "s3:ReplicateObject",
            ],
            "Resource": f"{bucket}/*",
            "Condition": {"ArnNotEquals": {"aws:PrincipalArn": gateway}},
        },
        {
            "Sid": "DenyWithoutLock",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": f"{bucket}/*",
            "Condition": {"Null": {"s3:object-lock-mode": "true"}},
        },
    )
