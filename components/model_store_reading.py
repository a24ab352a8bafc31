"""An adopted model bucket as AWS describes it, read before the first resource is registered.

S3 has no function for a bucket's settings in the SDK; Cloud Control's gives them all, as AWS's resource schema names
them."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from bastide.adopted.store import BucketFacts, KeyFacts, examine
from bastide.settings import AdoptedModelStore, Settings
from bastide.settings.errors import Problem


def model_store_problems(settings: Settings, provider: aws.Provider) -> list[Problem]:
    """Everything for which the stack's adopted bucket cannot be used; nothing for a created one."""
    store = settings.model_store
    if not isinstance(store, AdoptedModelStore):
        return []
    options = pulumi.InvokeOptions(provider=provider)
    unread: list[Problem] = []

    def unreadable(path: str, given: str, error: Exception) -> None:
        unread.append(
            Problem(
                path,
                f"{given!r} cannot be read in {settings.region} of account {settings.account_id}: {error}; give one "
                "that is there, and see docs/model-store.md for the rights to read it",
            )
        )

    bucket: BucketFacts | None = None
    try:
        region = aws.s3.get_bucket(bucket=store.bucket, opts=options).bucket_region
        bucket = BucketFacts(region, {})
        if region == settings.region:
            found = aws.cloudcontrol.get_resource(
                type_name="AWS::S3::Bucket", identifier=store.bucket, opts=options
            )
            bucket = BucketFacts(region, json.loads(found.properties))
    except Exception as error:
        bucket = None
        unreadable("modelStore.bucket", store.bucket, error)
    key: KeyFacts | None = None
    try:
        described = aws.kms.get_key(key_id=store.key_arn, opts=options)
        key = KeyFacts(described.arn, described.enabled, described.key_manager)
    except Exception as error:
        unreadable("modelStore.keyArn", store.key_arn, error)
    return unread + examine(settings, store, bucket, key)
