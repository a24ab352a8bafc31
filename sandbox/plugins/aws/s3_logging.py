"""Where the log of requests to a bucket goes.

Blind spot: the sandbox's S3 checks that the target takes logs, and never writes one.
"""

from __future__ import annotations

from sandbox.plugins.aws.framework import Call, Context, Inputs, compact, register
from sandbox.plugins.aws.s3_settings import EXPECTED_OWNER, Setting
from sandbox.plugins.aws.table import REGION, judged, refused
from sandbox.plugins.protocol import Plain


@register
class BucketLogging(Setting):
    """Server access logging."""

    token = "aws:s3/bucketLogging:BucketLogging"  # noqa: S105 - a type token
    sdk = "s3.BucketLogging"
    cfn = "AWS::S3::Bucket"
    inputs = {
        "bucket": judged("BucketName", required=True),
        "targetBucket": judged("LoggingConfiguration/DestinationBucketName", required=True),
        "targetPrefix": judged("LoggingConfiguration/LogFilePrefix", required=True),
        "targetGrants": refused(
            "grants are ACLs, which BucketOwnerEnforced turns off; give rights by the log bucket's policy"
        ),
        "targetObjectKeyFormat": refused("the sandbox's S3 does not keep it"),
        "expectedBucketOwner": EXPECTED_OWNER,
        **REGION,
    }

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutBucketLogging."""
        wanted = {
            "LoggingEnabled": {
                "TargetBucket": inputs.get("targetBucket"),
                "TargetPrefix": inputs.get("targetPrefix"),
            }
        }
        params = compact(Bucket=inputs.get("bucket"), BucketLoggingStatus=wanted)
        return [("s3", "PutBucketLogging", params)]

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetBucketLogging, which is empty where nothing is logged."""
        found = ctx.client("s3").get_bucket_logging(Bucket=resource_id).get("LoggingEnabled")
        if not found:
            return None
        return {
            "bucket": resource_id,
            "targetBucket": found["TargetBucket"],
            "targetPrefix": found.get("TargetPrefix", ""),
        }

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """An empty status: S3 has no call of its own for it."""
        ctx.client("s3").put_bucket_logging(Bucket=resource_id, BucketLoggingStatus={})
