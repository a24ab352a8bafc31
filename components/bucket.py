"""What every bucket of the kit has: closed to the public, owned by its account, versioned, encrypted."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws


def close_bucket(
    name: str,
    bucket: pulumi.Input[str],
    key_arn: pulumi.Input[str] | None,
    opts: pulumi.ResourceOptions,
) -> aws.s3.BucketPublicAccessBlock:
    """Access, ownership and encryption; without a key S3's own key encrypts. Returns what a policy has to wait
    for."""
    closed = aws.s3.BucketPublicAccessBlock(
        f"{name}-closed",
        bucket=bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=opts,
    )
    aws.s3.BucketOwnershipControls(
        f"{name}-ownership",
        bucket=bucket,
        rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
        opts=opts,
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        f"{name}-encryption",
        bucket=bucket,
        rules=[
            aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                apply_server_side_encryption_by_default=(
                    aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="AES256" if key_arn is None else "aws:kms", kms_master_key_id=key_arn
                    )
                ),
                # One data key for many objects: without it each object costs a KMS request.
                bucket_key_enabled=None if key_arn is None else True,
            )
        ],
        opts=opts,
    )
    return closed


def keep_versions(
    name: str, bucket: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> aws.s3.BucketVersioning:
    """Versioning. Rules on old versions and an object lock have to wait for it."""
    return aws.s3.BucketVersioning(
        f"{name}-versioning",
        bucket=bucket,
        versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
        opts=opts,
    )
