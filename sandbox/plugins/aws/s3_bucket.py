"""The S3 bucket.

Blind spot: bucket names are unique in the sandbox's account only; on AWS they are unique among everybody's.
"""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError

from sandbox.plugins.aws.framework import (
    Call,
    Context,
    Inputs,
    ResourceType,
    code_of,
    compact,
    is_absent,
    register,
    tag_map,
    tag_pairs,
)
from sandbox.plugins.aws.table import REGION, Prop, judged, refused, replace, tags, update
from sandbox.plugins.protocol import Plain, PluginError, has_unknown

_SEPARATE: Final = {
    "accelerationStatus": "BucketAccelerateConfiguration",
    "acl": "BucketAcl",
    "corsRules": "BucketCorsConfiguration",
    "grants": "BucketAcl",
    "lifecycleRules": "BucketLifecycleConfiguration",
    "logging": "BucketLogging",
    "objectLockConfiguration": "BucketObjectLockConfiguration",
    "policy": "BucketPolicy",
    "replicationConfiguration": "BucketReplicationConfig",
    "requestPayer": "BucketRequestPaymentConfiguration",
    "serverSideEncryptionConfiguration": "BucketServerSideEncryptionConfiguration",
    "versioning": "BucketVersioning",
    "website": "BucketWebsiteConfiguration",
}
"""The bucket's deprecated inputs, and the resources that the SDK's own deprecation notes name instead."""


def _inline(resource: str) -> Prop:
    return refused(f"the SDK deprecates it on the bucket; use aws.s3.{resource}")


@register
class Bucket(ResourceType):
    """A bucket, without its settings."""

    token = "aws:s3/bucket:Bucket"  # noqa: S105 - a type token
    sdk = "s3.Bucket"
    cfn = "AWS::S3::Bucket"
    inputs = {
        "bucket": judged("BucketName", autoname=63),
        "bucketNamespace": refused("the sandbox's S3 has the one global namespace"),
        "bucketPrefix": refused(
            "the kit computes its names, so that ARNs are known at the first preview; use bucket"
        ),
        "forceDestroy": update(
            source="no property in AWS: only steers how the bucket is deleted", default=False
        ),
        "objectLockEnabled": replace(
            cfn="ObjectLockEnabled",
            # Not set, it is what the bucket has: a lock configuration may have switched it on since.
            computed=True,
            source="S3 sets it by CreateBucket's header; later only together with a lock configuration, "
            "which is another resource",
        ),
        **{name: _inline(resource) for name, resource in _SEPARATE.items()},
        **tags("Tags"),
        **REGION,
    }
    outputs = (
        "arn",
        "bucketDomainName",
        "bucketRegion",
        "bucketRegionalDomainName",
        "hostedZoneId",
        "websiteDomain",
        "websiteEndpoint",
    )
    identity = ("bucket",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateBucket, and the tags, which have a call of their own."""
        name = inputs.get("bucket")
        # us-east-1 is the one region that may not be named as a location (CreateBucket's reference).
        location = None if ctx.region == "us-east-1" else {"LocationConstraint": ctx.region}
        create = compact(
            Bucket=name,
            CreateBucketConfiguration=location,
            ObjectLockEnabledForBucket=inputs.get("objectLockEnabled") or None,
        )
        calls: list[Call] = [("s3", "CreateBucket", create)]
        if inputs.get("tagsAll"):
            tagging = {"Bucket": name, "Tagging": {"TagSet": tag_pairs(inputs["tagsAll"])}}
            calls.append(("s3", "PutBucketTagging", tagging))
        return calls

    def known(self, ctx: Context, inputs: Inputs) -> dict[str, Plain]:
        """ARN and domain names follow from the name."""
        name = inputs.get("bucket")
        return {} if has_unknown(name) else _names(ctx, str(name))

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the bucket's name. One that is there is refused: in us-east-1, S3 would say yes to it."""
        name = str(inputs["bucket"])
        if not is_absent(lambda: ctx.client("s3").head_bucket(Bucket=name)):
            raise PluginError(
                f"the bucket {name} exists already: choose another name, or import it "
                f"(pulumi import {self.token} {ctx.name} {name})"
            )
        ctx.send(self.request(ctx, inputs))
        return name

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """HeadBucket, with tags and the object lock."""
        s3 = ctx.client("s3")
        s3.head_bucket(Bucket=resource_id)
        tag_set = _or_none(lambda: s3.get_bucket_tagging(Bucket=resource_id)["TagSet"])
        lock = _or_none(
            lambda: s3.get_object_lock_configuration(Bucket=resource_id)["ObjectLockConfiguration"]
        )
        return {
            "bucket": resource_id,
            "objectLockEnabled": (lock or {}).get("ObjectLockEnabled") == "Enabled",
            "tagsAll": tag_map(tag_set),
            **_names(ctx, resource_id),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Only tags live in AWS; S3 takes them all at once."""
        if new.get("tagsAll"):
            ctx.client("s3").put_bucket_tagging(
                Bucket=resource_id, Tagging={"TagSet": tag_pairs(new["tagsAll"])}
            )
        elif old.get("tagsAll"):
            ctx.client("s3").delete_bucket_tagging(Bucket=resource_id)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteBucket; with forceDestroy every version of every object goes first."""
        s3 = ctx.client("s3")
        if state.get("forceDestroy"):
            _empty(s3, resource_id)
        try:
            s3.delete_bucket(Bucket=resource_id)
        except ClientError as error:
            if code_of(error) != "BucketNotEmpty":
                raise
            raise PluginError(
                f"the bucket {resource_id} still holds objects, and forceDestroy is not set: empty it, "
                "or set forceDestroy: true, run up, and destroy again"
            ) from None


def _names(ctx: Context, name: str) -> dict[str, Plain]:
    return {
        "arn": ctx.arn("s3", name, regional=False, account=False),
        "bucketDomainName": f"{name}.s3.amazonaws.com",
        "bucketRegion": ctx.region,
        "bucketRegionalDomainName": f"{name}.s3.{ctx.region}.amazonaws.com",
        # What only a website has; the sandbox has none, nor Route 53's table of S3's zones.
        "hostedZoneId": None,
        "websiteDomain": None,
        "websiteEndpoint": None,
    }


def _or_none(look: Any) -> Any:
    try:
        return look()
    except ClientError as error:
        # These codes mean that the setting was never made; a missing bucket is the caller's to see.
        if code_of(error) in {"NoSuchTagSet", "ObjectLockConfigurationNotFoundError"}:
            return None
        raise


def _empty(s3: Any, bucket: str) -> None:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        doomed = [
            {"Key": item["Key"], "VersionId": item["VersionId"]}
            for item in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        ]
        if doomed:
            answer = s3.delete_objects(
                Bucket=bucket, Delete={"Objects": doomed, "Quiet": True}, BypassGovernanceRetention=True
            )
            for failure in answer.get("Errors", []):
                raise PluginError(
                    f"{failure['Key']} in {bucket} was not deleted: "
                    f"{failure.get('Message')} ({failure.get('Code')})"
                )
