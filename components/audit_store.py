"""The bucket of the gateway's audit trail: locked, encrypted, closed, and emptied by age of each class."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bastide.plans import audit
from bastide.settings import Settings
from components.bucket import close_bucket, keep_versions
from components.key import Key, KeyArgs

OLD_DAYS = 1
"""Days for which a line's version is there after its end: the fewest that S3 takes."""

UPLOAD_DAYS = 1
"""Days for which parts of an upload stay. The gateway makes none: its objects are small."""


@dataclass(frozen=True)
class AuditStoreArgs:
    """The stack's settings, which have a trail."""

    settings: Settings


class AuditStore(pulumi.ComponentResource):
    """The bucket and its key. An object's own retention, which the gateway sets, is what locks it."""

    bucket: pulumi.Output[str]

    def __init__(self, name: str, args: AuditStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:gateway:AuditStore", name, None, opts)
        settings, child = args.settings, pulumi.ResourceOptions(parent=self)
        key = Key(
            f"{name}-key", KeyArgs(settings, "audit", "Encryption of the gateway's audit trail"), opts=child
        )
        bucket = aws.s3.Bucket(
            f"{name}-bucket",
            bucket=settings.audit_bucket,
            force_destroy=settings.sandbox,
            opts=pulumi.ResourceOptions(
                parent=self, protect=settings.protection, retain_on_delete=settings.protection
            ),
        )
        closed = close_bucket(name, bucket.bucket, key.arn, child)
        versions = keep_versions(name, bucket.bucket, child)
        after = pulumi.ResourceOptions(parent=self, depends_on=[versions])
        aws.s3.BucketObjectLockConfiguration(
            f"{name}-lock",
            bucket=bucket.bucket,
            object_lock_enabled="Enabled",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versions], protect=settings.protection),
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket.bucket,
            rules=[_rule(data_class, days) for data_class, days in audit.days(settings).items()],
            opts=after,
        )
        aws.s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket.bucket,
            policy=audit.bucket_policy(settings),
            # S3 refuses two changes of a bucket's access at once.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[closed]),
        )
        self.bucket = bucket.bucket
        self.register_outputs({"bucket": self.bucket})


def _rule(data_class: str, days: int) -> aws.s3.BucketLifecycleConfigurationRuleArgs:
    return aws.s3.BucketLifecycleConfigurationRuleArgs(
        id=f"end-of-{data_class}",
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=f"{audit.PREFIX}{data_class}/"),
        # A day later than the lock, which holds to the second while S3 counts whole days.
        expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days + 1),
        noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=OLD_DAYS
        ),
        abort_incomplete_multipart_upload=(
            aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                days_after_initiation=UPLOAD_DAYS
            )
        ),
    )
