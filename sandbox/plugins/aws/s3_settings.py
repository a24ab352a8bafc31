"""The resources that each hold one setting of a bucket. Their id is the bucket's name.

Blind spots: the sandbox's S3 keeps encryption, ownership, the public access block and the bucket policy, and
enforces none of them.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from sandbox.plugins.aws.framework import Call, Context, Inputs, ResourceType, code_of, compact, register
from sandbox.plugins.aws.table import REGION, judged, refused, update
from sandbox.plugins.aws.values import Shape, inward, outward
from sandbox.plugins.protocol import Plain

EXPECTED_OWNER = refused(
    "the SDK deprecates it; the provider's allowedAccountIds holds the account for all resources"
)


class Setting(ResourceType):
    """What the settings share: putting makes and changes alike."""

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the bucket's name."""
        ctx.send(self.request(ctx, inputs))
        return str(inputs["bucket"])

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """The same call as at creation."""
        ctx.send(self.request(ctx, new))


@register
class BucketVersioning(Setting):
    """Whether a bucket keeps old versions."""

    token = "aws:s3/bucketVersioning:BucketVersioning"  # noqa: S105 - a type token
    sdk = "s3.BucketVersioning"
    cfn = "AWS::S3::Bucket"
    inputs = {
        "bucket": judged("BucketName", required=True),
        "versioningConfiguration": judged(
            "VersioningConfiguration",
            required=True,
            fields={
                "status": judged("Status", required=True),
                "mfaDelete": refused("only the root user with an MFA device can set it, never a program"),
            },
        ),
        "mfa": refused("goes with mfaDelete, which only the root user can set"),
        "expectedBucketOwner": EXPECTED_OWNER,
        **REGION,
    }

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutBucketVersioning."""
        wanted = outward(inputs.get("versioningConfiguration"), {"status": "Status"})
        return [
            (
                "s3",
                "PutBucketVersioning",
                compact(Bucket=inputs.get("bucket"), VersioningConfiguration=wanted),
            )
        ]

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetBucketVersioning, which has no status where versioning was never set."""
        found = ctx.client("s3").get_bucket_versioning(Bucket=resource_id)
        if "Status" not in found:
            return None
        return {"bucket": resource_id, "versioningConfiguration": {"status": found["Status"]}}

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Versioning cannot be taken away, only suspended; with object lock not even that, as S3 says."""
        try:
            ctx.client("s3").put_bucket_versioning(
                Bucket=resource_id, VersioningConfiguration={"Status": "Suspended"}
            )
        except ClientError as error:
            if code_of(error) != "InvalidBucketState":
                raise


_ENCRYPTION: Shape = {
    "applyServerSideEncryptionByDefault": (
        "ApplyServerSideEncryptionByDefault",
        {"sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"},
    ),
    "bucketKeyEnabled": "BucketKeyEnabled",
}


@register
class BucketServerSideEncryptionConfiguration(Setting):
    """By which key a bucket encrypts what comes without one."""

    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"  # noqa: S105 - a type token
    sdk = "s3.BucketServerSideEncryptionConfiguration"
    cfn = "AWS::S3::Bucket"
    inputs = {
        "bucket": judged("BucketName", required=True),
        "rules": judged(
            "BucketEncryption/ServerSideEncryptionConfiguration",
            required=True,
            fields={
                "applyServerSideEncryptionByDefault": judged(
                    "ServerSideEncryptionByDefault",
                    fields={
                        "sseAlgorithm": judged("SSEAlgorithm", required=True),
                        "kmsMasterKeyId": judged("KMSMasterKeyID"),
                    },
                ),
                "blockedEncryptionTypes": refused("the sandbox's S3 does not keep it"),
                "bucketKeyEnabled": judged("BucketKeyEnabled"),
            },
        ),
        "expectedBucketOwner": EXPECTED_OWNER,
        **REGION,
    }

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutBucketEncryption."""
        wanted = {"Rules": outward(inputs.get("rules"), _ENCRYPTION)}
        params = compact(Bucket=inputs.get("bucket"), ServerSideEncryptionConfiguration=wanted)
        return [("s3", "PutBucketEncryption", params)]

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetBucketEncryption."""
        found = ctx.client("s3").get_bucket_encryption(Bucket=resource_id)[
            "ServerSideEncryptionConfiguration"
        ]
        return {"bucket": resource_id, "rules": inward(found["Rules"], _ENCRYPTION)}

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteBucketEncryption: back to S3's own key."""
        ctx.client("s3").delete_bucket_encryption(Bucket=resource_id)


_ACCESS_BLOCK: Shape = {
    "blockPublicAcls": "BlockPublicAcls",
    "blockPublicPolicy": "BlockPublicPolicy",
    "ignorePublicAcls": "IgnorePublicAcls",
    "restrictPublicBuckets": "RestrictPublicBuckets",
}


@register
class BucketPublicAccessBlock(Setting):
    """What a bucket refuses of public access."""

    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"  # noqa: S105 - a type token
    sdk = "s3.BucketPublicAccessBlock"
    cfn = "AWS::S3::Bucket"
    inputs = {
        "bucket": judged("BucketName", required=True),
        **{
            name: judged(f"PublicAccessBlockConfiguration/{wire}", default=False)
            for name, wire in _ACCESS_BLOCK.items()
        },
        "skipDestroy": update(
            source="no property in AWS: only steers whether the block is deleted", default=False
        ),
        **REGION,
    }

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutPublicAccessBlock."""
        block = outward(inputs, _ACCESS_BLOCK)
        params = compact(Bucket=inputs.get("bucket"), PublicAccessBlockConfiguration=block)
        return [("s3", "PutPublicAccessBlock", params)]

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetPublicAccessBlock."""
        found = ctx.client("s3").get_public_access_block(Bucket=resource_id)
        return {"bucket": resource_id, **inward(found["PublicAccessBlockConfiguration"], _ACCESS_BLOCK)}

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeletePublicAccessBlock, unless it is to be left."""
        if not state.get("skipDestroy"):
            ctx.client("s3").delete_public_access_block(Bucket=resource_id)


@register
class BucketOwnershipControls(Setting):
    """Who owns what others write into a bucket, and so whether ACLs count."""

    token = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"  # noqa: S105 - a type token
    sdk = "s3.BucketOwnershipControls"
    cfn = "AWS::S3::Bucket"
    inputs = {
        "bucket": judged("BucketName", required=True),
        "rule": judged(
            "OwnershipControls/Rules",
            required=True,
            fields={"objectOwnership": judged("ObjectOwnership", required=True)},
        ),
        **REGION,
    }

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutBucketOwnershipControls; S3 takes a list of exactly one rule."""
        rule = outward(inputs.get("rule"), {"objectOwnership": "ObjectOwnership"})
        params = compact(Bucket=inputs.get("bucket"), OwnershipControls={"Rules": [rule]})
        return [("s3", "PutBucketOwnershipControls", params)]

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetBucketOwnershipControls."""
        found = ctx.client("s3").get_bucket_ownership_controls(Bucket=resource_id)["OwnershipControls"]
        rule = inward(found["Rules"][0], {"objectOwnership": "ObjectOwnership"})
        return {"bucket": resource_id, "rule": rule}

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteBucketOwnershipControls."""
        ctx.client("s3").delete_bucket_ownership_controls(Bucket=resource_id)


@register
class BucketPolicy(Setting):
    """The bucket's own policy."""

    token = "aws:s3/bucketPolicy:BucketPolicy"  # noqa: S105 - a type token
    sdk = "s3.BucketPolicy"
    cfn = "AWS::S3::BucketPolicy"
    inputs = {
        "bucket": judged("Bucket", required=True),
        "policy": judged("PolicyDocument", required=True, json=True),
        **REGION,
    }

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutBucketPolicy."""
        params = compact(Bucket=inputs.get("bucket"), Policy=inputs.get("policy"))
        return [("s3", "PutBucketPolicy", params)]

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetBucketPolicy."""
        found = ctx.client("s3").get_bucket_policy(Bucket=resource_id)
        return {"bucket": resource_id, "policy": found["Policy"]}

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteBucketPolicy."""
        ctx.client("s3").delete_bucket_policy(Bucket=resource_id)
