"""A bucket's object lock: for how long nobody may delete what is new in it."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.plugins.aws.framework import Call, Context, Inputs, compact, register
from sandbox.plugins.aws.s3_settings import EXPECTED_OWNER, Setting
from sandbox.plugins.aws.table import REGION, judged, refused
from sandbox.plugins.aws.values import Shape, inward, outward
from sandbox.plugins.protocol import Plain

_RULE: Shape = {"defaultRetention": ("DefaultRetention", {"mode": "Mode", "days": "Days", "years": "Years"})}


@register
class BucketObjectLockConfiguration(Setting):
    """Switches the lock on, which holds for ever, and sets the default retention, which may change."""

    token = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"  # noqa: S105 - a type token
    sdk = "s3.BucketObjectLockConfiguration"
    cfn = "AWS::S3::Bucket"
    inputs = {
        "bucket": judged("BucketName", required=True),
        "objectLockEnabled": judged("ObjectLockConfiguration/ObjectLockEnabled", default="Enabled"),
        "rule": judged(
            "ObjectLockConfiguration/Rule",
            fields={
                "defaultRetention": judged(
                    "DefaultRetention",
                    required=True,
                    fields={
                        "mode": judged("Mode"),
                        "days": judged("Days"),
                        "years": judged("Years"),
                    },
                )
            },
        ),
        "token": refused(
            "since 2023 S3 takes the lock on a versioned bucket without AWS's support and its token"
        ),
        "expectedBucketOwner": EXPECTED_OWNER,
        **REGION,
    }

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """A retention has a mode, and days or years."""
        retention = (inputs.get("rule") or {}).get("defaultRetention")
        if not isinstance(retention, Mapping):
            return []
        found = []
        if retention.get("mode") is None:
            found.append(("rule.defaultRetention.mode", "the mode is missing: GOVERNANCE or COMPLIANCE"))
        given = [name for name in ("days", "years") if retention.get(name) is not None]
        if len(given) != 1:
            found.append(
                (
                    "rule.defaultRetention.days",
                    f"a retention has days or years, and this has {len(given)} of them",
                )
            )
        return found

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutObjectLockConfiguration."""
        wanted = compact(
            ObjectLockEnabled=inputs.get("objectLockEnabled"), Rule=outward(inputs.get("rule"), _RULE)
        )
        params = compact(Bucket=inputs.get("bucket"), ObjectLockConfiguration=wanted)
        return [("s3", "PutObjectLockConfiguration", params)]

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetObjectLockConfiguration, which has no answer where there is no lock."""
        found = ctx.client("s3").get_object_lock_configuration(Bucket=resource_id)["ObjectLockConfiguration"]
        seen = {"bucket": resource_id, "objectLockEnabled": found["ObjectLockEnabled"]}
        if found.get("Rule"):
            seen["rule"] = inward(found["Rule"], _RULE)
        return seen

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Takes the default retention away. The lock itself stays: S3 has no call that ends it."""
        ctx.client("s3").put_object_lock_configuration(
            Bucket=resource_id, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
        )
        ctx.warn(
            f"the object lock of {resource_id} cannot be switched off: its default retention is gone, and objects that "
            "have a retention keep it"
        )
