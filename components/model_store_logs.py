"""The bucket that takes the model bucket's access logs and inventories: closed, encrypted, and emptied by age."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bastide.plans.model_store_policy import log_bucket_policy
from bastide.settings import CreatedModelStore, Settings
from components.bucket import close_bucket, keep_versions

OLD_LOG_DAYS = 30
"""Days for which an overwritten or deleted log is still there: time to notice that somebody removed it."""


@dataclass(frozen=True)
class ModelStoreLogsArgs:
    """The stack's settings and those of its model store."""

    settings: Settings
    store: CreatedModelStore


class ModelStoreLogs(pulumi.ComponentResource):
    """The bucket of logs. `ready` is what whoever sends logs has to wait for."""

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]
    ready: pulumi.Resource

    def __init__(
        self, name: str, args: ModelStoreLogsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("bastide:models:ModelStoreLogs", name, None, opts)
        settings = args.settings
        child = pulumi.ResourceOptions(parent=self)
        bucket = aws.s3.Bucket(
            f"{name}-bucket",
            bucket=settings.model_log_bucket,
            force_destroy=settings.sandbox,
            opts=pulumi.ResourceOptions(
                parent=self, protect=settings.protection, retain_on_delete=settings.protection
            ),
        )
        # S3's log delivery cannot use a customer key (S3 user guide, "Enabling Amazon S3 server access logging").
        closed = close_bucket(name, bucket.bucket, None, child)
        versions = keep_versions(name, bucket.bucket, child)
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket.bucket,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="end-of-logs",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(
                        days=args.store.access_log_retention_days
                    ),
                    noncurrent_version_expiration=(
                        aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                            noncurrent_days=OLD_LOG_DAYS
                        )
                    ),
                    abort_incomplete_multipart_upload=(
                        aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                            days_after_initiation=args.store.abort_uploads_days
                        )
                    ),
                )
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versions]),
        )
        self.ready = aws.s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket.bucket,
            policy=log_bucket_policy(settings),
            # S3 refuses two changes of a bucket's access at once.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[closed]),
        )
        self.bucket, self.arn = bucket.bucket, bucket.arn
        self.register_outputs({"bucket": self.bucket})
