"""S3's own list of a bucket's objects, made daily or weekly.

Blind spot: the sandbox's S3 keeps the configuration, and never writes a list.
"""

from __future__ import annotations

from typing import Any, Final

from sandbox.plugins.aws.framework import Call, Context, Inputs, ResourceType, compact, register
from sandbox.plugins.aws.table import REGION, judged, replace, update
from sandbox.plugins.aws.values import Shape, inward, outward
from sandbox.plugins.protocol import Plain, PluginError

_DESTINATION: Final[Shape] = {
    "bucketArn": "Bucket",
    "format": "Format",
    "accountId": "AccountId",
    "prefix": "Prefix",
    "encryption": ("Encryption", {"sseS3": "SSES3", "sseKms": ("SSEKMS", {"keyId": "KeyId"})}),
}
_NO_ENCRYPTION: Final = "CloudFormation's schema has no encryption of inventories; S3 takes it with each put"


@register
class Inventory(ResourceType):
    """One inventory of a bucket. Its id is `BUCKET:NAME`."""

    token = "aws:s3/inventory:Inventory"  # noqa: S105 - a type token
    sdk = "s3.Inventory"
    cfn = "AWS::S3::Bucket"
    identity = ("bucket", "name")
    inputs = {
        "bucket": judged("BucketName", required=True),
        "name": replace(
            cfn="InventoryConfigurations/Id",
            autoname=64,
            source="S3 knows an inventory by its id: another name is another inventory",
        ),
        "includedObjectVersions": judged("InventoryConfigurations/IncludedObjectVersions", required=True),
        "enabled": judged("InventoryConfigurations/Enabled", default=True),
        "optionalFields": judged("InventoryConfigurations/OptionalFields", unordered=True),
        "filter": judged("", fields={"prefix": judged("InventoryConfigurations/Prefix")}),
        "schedule": judged(
            "InventoryConfigurations",
            required=True,
            fields={"frequency": judged("ScheduleFrequency", required=True)},
        ),
        "destination": judged(
            "InventoryConfigurations/Destination",
            required=True,
            fields={
                "bucket": judged(
                    "",
                    required=True,
                    fields={
                        "bucketArn": judged("BucketArn", required=True),
                        "format": judged("Format", required=True),
                        "accountId": judged("BucketAccountId"),
                        "prefix": judged("Prefix"),
                        "encryption": update(
                            source=_NO_ENCRYPTION,
                            fields={
                                "sseS3": update(source=_NO_ENCRYPTION, fields={}),
                                "sseKms": update(
                                    source=_NO_ENCRYPTION,
                                    fields={"keyId": update(source=_NO_ENCRYPTION, required=True)},
                                ),
                            },
                        ),
                    },
                )
            },
        ),
        **REGION,
    }

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutBucketInventoryConfiguration; putting makes and changes alike."""
        target = inputs.get("destination")
        bucket = target.get("bucket") if isinstance(target, dict) else target
        conditions = inputs.get("filter")
        schedule = inputs.get("schedule")
        wanted = compact(
            Id=inputs.get("name"),
            IsEnabled=inputs.get("enabled"),
            IncludedObjectVersions=inputs.get("includedObjectVersions"),
            OptionalFields=inputs.get("optionalFields"),
            Filter=outward(conditions, {"prefix": "Prefix"}) or None,
            Schedule=outward(schedule, {"frequency": "Frequency"}),
            Destination={"S3BucketDestination": outward(bucket, _DESTINATION)},
        )
        params = compact(Bucket=inputs.get("bucket"), Id=inputs.get("name"), InventoryConfiguration=wanted)
        return [("s3", "PutBucketInventoryConfiguration", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id names bucket and inventory."""
        ctx.send(self.request(ctx, inputs))
        return f"{inputs['bucket']}:{inputs['name']}"

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetBucketInventoryConfiguration."""
        bucket, name = _parts(resource_id)
        found: dict[str, Any] = ctx.client("s3").get_bucket_inventory_configuration(Bucket=bucket, Id=name)[
            "InventoryConfiguration"
        ]
        seen = {
            "bucket": bucket,
            "name": name,
            "enabled": found["IsEnabled"],
            "includedObjectVersions": found["IncludedObjectVersions"],
            "optionalFields": found.get("OptionalFields"),
            "filter": inward(found.get("Filter"), {"prefix": "Prefix"}),
            "schedule": inward(found["Schedule"], {"frequency": "Frequency"}),
            "destination": {"bucket": inward(found["Destination"]["S3BucketDestination"], _DESTINATION)},
        }
        return {key: value for key, value in seen.items() if value is not None}

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """The same call as at creation."""
        ctx.send(self.request(ctx, new))

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteBucketInventoryConfiguration."""
        bucket, name = _parts(resource_id)
        ctx.client("s3").delete_bucket_inventory_configuration(Bucket=bucket, Id=name)


def _parts(resource_id: str) -> tuple[str, str]:
    bucket, colon, name = resource_id.partition(":")
    if not colon:
        raise PluginError(f"{resource_id!r} is no inventory's id: it is BUCKET:NAME, as in models:all-models")
    return bucket, name
