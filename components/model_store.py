"""The store of models: a bucket of the stack's own, or one that is somebody else's."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bastide.plans.model_store_policy import ACCESS_LOGS, INVENTORY, model_bucket_policy
from bastide.settings import AdoptedModelStore, CreatedModelStore, Settings
from components.bucket import close_bucket, keep_versions
from components.key import Key, KeyArgs
from components.model_signing import ModelSigning, ModelSigningArgs
from components.model_store_logs import ModelStoreLogs, ModelStoreLogsArgs

INVENTORY_FIELDS = (
    *("Size", "LastModifiedDate", "ETag", "IsMultipartUploaded", "EncryptionStatus", "ChecksumAlgorithm"),
    *("ObjectLockMode", "ObjectLockRetainUntilDate", "StorageClass"),
)
"""What an inventory says of each object besides its name and version."""


@dataclass(frozen=True)
class ModelStoreArgs:
    """The stack's settings."""

    settings: Settings


class ModelStore(pulumi.ComponentResource):
    """The model bucket and its key. `bastide model publish` fills it; engines only read. One prefix a model
    and version: models/NAME/VERSION/."""

    bucket: pulumi.Output[str]
    """Name of the bucket, known once it exists."""
    key_arn: pulumi.Output[str]
    public_keys: pulumi.Output[list[str]]
    """Public keys, in PEM, by one of which an engine's model must be signed."""

    def __init__(self, name: str, args: ModelStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:models:ModelStore", name, None, opts)
        self._name, self._settings = name, args.settings
        self._child = pulumi.ResourceOptions(parent=self)
        store = args.settings.model_store
        if isinstance(store, AdoptedModelStore):
            # Read, so that the state shows them as external; `components.model_store_reading` has judged them.
            aws.s3.Bucket.get(f"{name}-bucket", store.bucket, opts=self._child)
            aws.kms.Key.get(f"{name}-key", store.key_arn.partition("/")[2], opts=self._child)
            self.bucket = pulumi.Output.from_input(store.bucket)
            self.key_arn = pulumi.Output.from_input(store.key_arn)
        else:
            self._create(store)
        self.public_keys = ModelSigning(
            f"{name}-signing", ModelSigningArgs(self._settings), opts=self._child
        ).public_keys
        self.register_outputs({"bucket": self.bucket})

    def _create(self, store: CreatedModelStore) -> None:
        name, settings, child = self._name, self._settings, self._child
        key = Key(f"{name}-key", KeyArgs(settings, "models", "Encryption of models at rest"), opts=child)
        bucket = aws.s3.Bucket(
            f"{name}-bucket",
            bucket=settings.model_bucket,
            force_destroy=settings.sandbox,
            # Protected, no run may delete it; and should someone lift that, the models still stay.
            opts=pulumi.ResourceOptions(
                parent=self, protect=settings.protection, retain_on_delete=settings.protection
            ),
        )
        closed = close_bucket(name, bucket.bucket, key.arn, child)
        versions = keep_versions(name, bucket.bucket, child)
        self._lock(store, bucket, versions)
        self._lifecycle(store, bucket, versions)
        aws.s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket.bucket,
            policy=model_bucket_policy(settings, store),
            opts=pulumi.ResourceOptions(
                parent=self,
                # S3 refuses two changes of a bucket's access at once.
                depends_on=[closed],
                aliases=[pulumi.Alias(name=f"{name}-tls-only")],
            ),
        )
        self._logs(store, bucket)
        self.bucket, self.key_arn = bucket.bucket, key.arn

    def _lock(
        self, store: CreatedModelStore, bucket: aws.s3.Bucket, versions: aws.s3.BucketVersioning
    ) -> None:
        """Its own resource and not the bucket's input, which would replace the bucket when it is switched on."""
        if store.object_lock is None:
            return
        aws.s3.BucketObjectLockConfiguration(
            f"{self._name}-lock",
            bucket=bucket.bucket,
            object_lock_enabled="Enabled",
            rule=aws.s3.BucketObjectLockConfigurationRuleArgs(
                default_retention=aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(
                    mode=store.object_lock.mode.upper(), days=store.object_lock.days
                )
            ),
            # S3 cannot switch it off: taking the setting away is refused where the stack is protected.
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[versions], protect=self._settings.protection
            ),
        )

    def _lifecycle(
        self, store: CreatedModelStore, bucket: aws.s3.Bucket, versions: aws.s3.BucketVersioning
    ) -> None:
        """Ends unfinished uploads and what was overwritten or deleted; no rule touches a current object."""
        models = aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix="models/")
        aws.s3.BucketLifecycleConfiguration(
            f"{self._name}-lifecycle",
            bucket=bucket.bucket,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="abort-unfinished-uploads",
                    status="Enabled",
                    filter=models,
                    abort_incomplete_multipart_upload=(
                        aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                            days_after_initiation=store.abort_uploads_days
                        )
                    ),
                ),
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="end-of-old-versions",
                    status="Enabled",
                    filter=models,
                    noncurrent_version_expiration=(
                        aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                            noncurrent_days=store.old_version_days
                        )
                    ),
                    # A marker under which no version is left any more.
                    expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(
                        expired_object_delete_marker=True
                    ),
                ),
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versions]),
        )

    def _logs(self, store: CreatedModelStore, bucket: aws.s3.Bucket) -> None:
        name = self._name
        logs = ModelStoreLogs(f"{name}-logs", ModelStoreLogsArgs(self._settings, store), opts=self._child)
        # S3 tries the log bucket's policy when logging is switched on.
        after = pulumi.ResourceOptions(parent=self, depends_on=[logs.ready])
        aws.s3.BucketLogging(
            f"{name}-logging",
            bucket=bucket.bucket,
            target_bucket=logs.bucket,
            target_prefix=ACCESS_LOGS,
            opts=after,
        )
        aws.s3.Inventory(
            f"{name}-inventory",
            bucket=bucket.bucket,
            name="all-models",
            included_object_versions="All",
            schedule=aws.s3.InventoryScheduleArgs(frequency=store.inventory.capitalize()),
            optional_fields=list(INVENTORY_FIELDS),
            destination=aws.s3.InventoryDestinationArgs(
                bucket=aws.s3.InventoryDestinationBucketArgs(
                    bucket_arn=logs.arn,
                    account_id=self._settings.account_id,
                    format="Parquet",
                    prefix=INVENTORY.rstrip("/"),
                    encryption=aws.s3.InventoryDestinationBucketEncryptionArgs(
                        sse_s3=aws.s3.InventoryDestinationBucketEncryptionSseS3Args()
                    ),
                )
            ),
            opts=after,
        )
