"""A bucket's lifecycle rules.

Blind spots: the sandbox's S3 keeps the rules and never acts on them. What it does not keep is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sandbox.plugins.aws.framework import Call, Context, Inputs, compact, register, tag_map, tag_pairs
from sandbox.plugins.aws.s3_settings import EXPECTED_OWNER, Setting
from sandbox.plugins.aws.table import REGION, Prop, judged, refused, tag_list
from sandbox.plugins.aws.values import Shape, inward, outward, stamp
from sandbox.plugins.protocol import Plain

_NOT_KEPT: Final = refused("the sandbox's S3 does not keep it")

_SIZES: Final[dict[str, Prop]] = {"objectSizeGreaterThan": _NOT_KEPT, "objectSizeLessThan": _NOT_KEPT}

_SHAPE: Final[Shape] = {
    "id": "ID",
    "status": "Status",
    "abortIncompleteMultipartUpload": (
        "AbortIncompleteMultipartUpload",
        {"daysAfterInitiation": "DaysAfterInitiation"},
    ),
    "expiration": (
        "Expiration",
        {"date": "Date", "days": "Days", "expiredObjectDeleteMarker": "ExpiredObjectDeleteMarker"},
    ),
    "filter": (
        "Filter",
        {
            "prefix": "Prefix",
            "tag": ("Tag", {"key": "Key", "value": "Value"}),
            "and": ("And", {"prefix": "Prefix", "tags": "Tags"}),
        },
    ),
    "noncurrentVersionExpiration": ("NoncurrentVersionExpiration", {"noncurrentDays": "NoncurrentDays"}),
    "noncurrentVersionTransitions": (
        "NoncurrentVersionTransitions",
        {
            "noncurrentDays": "NoncurrentDays",
            "storageClass": "StorageClass",
            "newerNoncurrentVersions": "NewerNoncurrentVersions",
        },
    ),
    "transitions": ("Transitions", {"date": "Date", "days": "Days", "storageClass": "StorageClass"}),
}

_RULE: Final[dict[str, Prop]] = {
    "id": judged("Id", required=True),
    "status": judged("Status", required=True),
    "prefix": refused("the SDK deprecates it on the rule; use filter: {prefix: ...}"),
    "abortIncompleteMultipartUpload": judged(
        "AbortIncompleteMultipartUpload", fields={"daysAfterInitiation": judged("DaysAfterInitiation")}
    ),
    # AWS's schema has these two objects' fields on the rule itself, hence their empty paths.
    "expiration": judged(
        "",
        fields={
            "date": judged("ExpirationDate"),
            "days": judged("ExpirationInDays"),
            "expiredObjectDeleteMarker": judged("ExpiredObjectDeleteMarker"),
        },
    ),
    "filter": judged(
        "",
        fields={
            "prefix": judged("Prefix"),
            "tag": judged(
                "TagFilters",
                fields={"key": judged("Key", required=True), "value": judged("Value", required=True)},
            ),
            "and": judged(
                "",
                fields={"prefix": judged("Prefix"), "tags": judged("TagFilters", encode=tag_list), **_SIZES},
            ),
            **_SIZES,
        },
    ),
    "noncurrentVersionExpiration": judged(
        "NoncurrentVersionExpiration",
        fields={
            "noncurrentDays": judged("NoncurrentDays", required=True),
            "newerNoncurrentVersions": _NOT_KEPT,
        },
    ),
    "noncurrentVersionTransitions": judged(
        "NoncurrentVersionTransitions",
        fields={
            "noncurrentDays": judged("TransitionInDays", required=True),
            "storageClass": judged("StorageClass", required=True),
            "newerNoncurrentVersions": judged("NewerNoncurrentVersions"),
        },
    ),
    "transitions": judged(
        "Transitions",
        fields={
            "date": judged("TransitionDate"),
            "days": judged("TransitionInDays"),
            "storageClass": judged("StorageClass", required=True),
        },
    ),
}


@register
class BucketLifecycleConfiguration(Setting):
    """All the lifecycle rules of a bucket: S3 knows them only as a whole."""

    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"  # noqa: S105 - a type token
    sdk = "s3.BucketLifecycleConfiguration"
    cfn = "AWS::S3::Bucket"
    inputs = {
        "bucket": judged("BucketName", required=True),
        "rules": judged("LifecycleConfiguration/Rules", fields=_RULE),
        "expectedBucketOwner": EXPECTED_OWNER,
        "timeouts": refused("the resource's own customTimeouts do the same for every type"),
        "transitionDefaultMinimumObjectSize": _NOT_KEPT,
        **REGION,
    }

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """S3 has no configuration without a rule."""
        if inputs.get("rules") in (None, []):
            return [("rules", "S3 takes at least one rule; to have none, leave the resource out")]
        return []

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutBucketLifecycleConfiguration."""
        rules = outward(inputs.get("rules"), _SHAPE)
        for rule in rules if isinstance(rules, list) else []:
            _finish(rule)
        params = compact(Bucket=inputs.get("bucket"), LifecycleConfiguration={"Rules": rules})
        return [("s3", "PutBucketLifecycleConfiguration", params)]

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetBucketLifecycleConfiguration; the rules in the order of the inputs, since S3 promises none."""
        found = ctx.client("s3").get_bucket_lifecycle_configuration(Bucket=resource_id)["Rules"]
        rules = [_seen(rule) for rule in found]
        wanted = [rule.get("id") for rule in inputs.get("rules") or [] if isinstance(rule, Mapping)]
        rules.sort(key=lambda rule: wanted.index(rule["id"]) if rule["id"] in wanted else len(wanted))
        return {"bucket": resource_id, "rules": rules}

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteBucketLifecycle."""
        ctx.client("s3").delete_bucket_lifecycle(Bucket=resource_id)


def _finish(rule: Plain) -> None:
    if not isinstance(rule, dict):
        return
    # S3 wants a filter on every rule; an empty one means every object.
    conditions = rule.setdefault("Filter", {})
    both = conditions.get("And") if isinstance(conditions, dict) else None
    if isinstance(both, dict) and isinstance(both.get("Tags"), Mapping):
        both["Tags"] = tag_pairs(both["Tags"])


def _seen(rule: Mapping[str, Plain]) -> dict[str, Plain]:
    result: dict[str, Plain] = inward(rule, _SHAPE)
    both = result.get("filter", {}).get("and")
    if both and "tags" in both:
        both["tags"] = tag_map(both["tags"])
    for timed in (result.get("expiration"), *result.get("transitions", ())):
        if timed and isinstance(timed.get("date"), datetime):
            timed["date"] = stamp(timed["date"])
    return result
