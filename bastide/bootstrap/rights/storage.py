"""The model bucket, keys and log groups. Objects are published by others: this role cannot read a model."""

from __future__ import annotations

from bastide import names
from bastide.bootstrap.rights.base import Right, Scope
from bastide.settings.model_store import AdoptedModelStore
from bastide.settings.signing import KmsSigning


def rights(scope: Scope) -> list[Right]:
    """Buckets by name, keys by tag and alias, log groups by name."""
    settings = scope.settings
    bucket = names.arn("s3", "", "", f"{settings.prefix}-*")
    found = [
        Right(
            "S3Buckets",
            "buckets of the stack and their settings; the provider reads every setting back",
            [
                *("s3:CreateBucket", "s3:DeleteBucket", "s3:ListBucket", "s3:ListTagsForResource"),
                *("s3:GetBucket*", "s3:GetAccelerateConfiguration", "s3:GetEncryptionConfiguration"),
                *("s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration"),
                *("s3:GetInventoryConfiguration", "s3:PutInventoryConfiguration"),
                *(
                    "s3:PutBucketLogging",
                    "s3:PutBucketObjectLockConfiguration",
                    "s3:PutBucketOwnershipControls",
                ),
                *("s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:PutBucketPublicAccessBlock"),
                *("s3:PutBucketTagging", "s3:PutBucketVersioning", "s3:PutEncryptionConfiguration"),
                *("s3:PutLifecycleConfiguration", "s3:TagResource", "s3:UntagResource"),
            ],
            [bucket],
        ),
        Right(
            "KmsCreate",
            "a new key carries the stack's tags",
            ["kms:CreateKey"],
            ["*"],
            scope.tagged,
        ),
        Right(
            "KmsTagNew",
            "only a key without an alias: whoever could tag any key would make it the stack's, and then decrypt by "
            "it; KMS has no narrower way to tag at creation (KMS developer guide, 'Controlling access to tags')",
            ["kms:TagResource"],
            ["*"],
            {**scope.tagged, "Null": {"kms:ResourceAliases": "true"}},
        ),
        Right(
            "KmsKeys",
            "only the stack's keys; none is used to decrypt",
            [
                *(
                    "kms:CreateAlias",
                    "kms:DeleteAlias",
                    "kms:UpdateAlias",
                    "kms:DescribeKey",
                    "kms:DisableKey",
                ),
                *("kms:EnableKey", "kms:EnableKeyRotation", "kms:DisableKeyRotation", "kms:GetKeyPolicy"),
                *("kms:GetKeyRotationStatus", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:TagResource"),
                *("kms:ScheduleKeyDeletion", "kms:UntagResource", "kms:UpdateKeyDescription"),
                "kms:GetPublicKey",
            ],
            [scope.arn("kms", "key/*")],
            scope.owned_keys,
        ),
        Right(
            "KmsAliases",
            "aliases of the stack's name; KMS asks for the right on both key and alias",
            ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"],
            [scope.arn("kms", f"alias/{settings.prefix}-*")],
        ),
        Right("KmsList", "an alias is found by listing", ["kms:ListAliases"], ["*"], scope.in_region),
        Right(
            "KmsGrant",
            "EKS gets its right to the secrets' key by a grant",
            ["kms:CreateGrant"],
            [scope.arn("kms", "key/*")],
            {
                **scope.owned_keys,
                "Bool": {"kms:GrantIsForAWSResource": "true"},
                "StringEquals": {
                    **scope.owned["StringEquals"],
                    "kms:ViaService": f"eks.{settings.region}.amazonaws.com",
                },
            },
        ),
        Right(
            "Logs",
            "log groups of the cluster and of flow logs",
            [
                *("logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy"),
                *("logs:DeleteRetentionPolicy", "logs:AssociateKmsKey", "logs:DisassociateKmsKey"),
                *("logs:ListTagsForResource", "logs:TagResource", "logs:UntagResource"),
            ],
            [
                scope.arn("logs", f"log-group:/aws/{service}/{settings.prefix}/*")
                for service in ("eks", "vpc")
            ],
        ),
        Right(
            "LogsList",
            "groups are found by listing, and flow logs are delivered by Logs' own delivery",
            ["logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups"],
            ["*"],
            scope.in_region,
        ),
    ]
    if isinstance(settings.model_store, AdoptedModelStore):
        found += _adopted(settings.model_store)
    signing = settings.model_store.signing
    if isinstance(signing, KmsSigning) and signing.key_arn is not None:
        found.append(
            Right(
                "AdoptedSigningKey",
                "engines trust the public half of somebody else's key; nothing is signed by it here",
                ["kms:GetPublicKey"],
                [signing.key_arn],
            )
        )
    if not settings.protection:
        found.append(
            Right(
                "S3Empty",
                "without protection `destroy` empties the bucket first",
                [
                    *("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions"),
                    *("s3:ListBucketMultipartUploads", "s3:AbortMultipartUpload"),
                ],
                [bucket, f"{bucket}/*"],
            )
        )
    return found


def _adopted(store: AdoptedModelStore) -> list[Right]:
    return [
        Right(
            "AdoptedBucket",
            "somebody else's bucket is read and judged before anything is made; its objects are not read",
            [
                *("s3:GetAccelerateConfiguration", "s3:GetAnalyticsConfiguration", "s3:GetBucket*"),
                *("s3:GetEncryptionConfiguration", "s3:GetIntelligentTieringConfiguration"),
                *(
                    "s3:GetInventoryConfiguration",
                    "s3:GetLifecycleConfiguration",
                    "s3:GetMetricsConfiguration",
                ),
                *("s3:GetReplicationConfiguration", "s3:ListBucket", "s3:ListTagsForResource"),
            ],
            [names.arn("s3", "", "", store.bucket)],
        ),
        Right("AdoptedKey", "and so is its key", ["kms:DescribeKey"], [store.key_arn]),
        Right(
            "AdoptedRead",
            "the provider reads the bucket by Cloud Control, which uses the rights above",
            ["cloudformation:GetResource"],
            ["*"],
        ),
    ]
