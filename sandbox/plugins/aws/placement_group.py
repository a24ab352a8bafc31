"""Placement groups: instances near one another (cluster), apart (spread), or in partitions."""

from __future__ import annotations

from typing import Final

from botocore.exceptions import ClientError

from sandbox.plugins.aws.framework import Call, Context, Inputs, Named, code_of, compact, register, tag_map
from sandbox.plugins.aws.network import first
from sandbox.plugins.aws.table import REGION, judged, replace, tags
from sandbox.plugins.protocol import Plain, has_unknown

NAME_LIMIT: Final = 255
"""EC2's limit for a placement group's name (API reference, CreatePlacementGroup)."""

_UNKNOWN: Final = "InvalidPlacementGroup.Unknown"


@register
class PlacementGroup(Named):
    """A placement group; the official provider's id is its name."""

    token = "aws:ec2/placementGroup:PlacementGroup"  # noqa: S105 - a type token
    sdk = "ec2.PlacementGroup"
    cfn = "AWS::EC2::PlacementGroup"
    arn_form = ("ec2", "placement-group/{}")
    identity = ("name",)
    inputs = {
        "name": replace(
            source="CreatePlacementGroup names it and EC2 renames none; AWS's resource schema has it read-only",
            autoname=NAME_LIMIT,
        ),
        "strategy": judged("Strategy", required=True),
        "partitionCount": judged("PartitionCount", computed=True),
        "spreadLevel": judged("SpreadLevel", computed=True),
        **tags(source="CreateTags changes them in place; AWS's resource schema would replace the group"),
        **REGION,
    }
    outputs = ("arn", "placementGroupId")

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """What EC2 refuses in combination."""
        strategy = inputs.get("strategy")
        if has_unknown(strategy):
            return []
        found = []
        if inputs.get("partitionCount") is not None and strategy != "partition":
            found.append(("partitionCount", f"only the strategy partition takes it, and this is {strategy}"))
        if inputs.get("spreadLevel") is not None and strategy != "spread":
            found.append(("spreadLevel", f"only the strategy spread takes it, and this is {strategy}"))
        return found

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreatePlacementGroup."""
        params = compact(
            GroupName=inputs.get("name"),
            Strategy=inputs.get("strategy"),
            PartitionCount=inputs.get("partitionCount"),
            SpreadLevel=inputs.get("spreadLevel"),
            TagSpecifications=ctx.ec2_tags("placement-group", inputs),
        )
        return [("ec2", "CreatePlacementGroup", params)]

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribePlacementGroups."""
        wanted = [{"Name": "group-name", "Values": [resource_id]}]
        group = first(ctx.client("ec2").describe_placement_groups(Filters=wanted)["PlacementGroups"])
        if group is None:
            return None
        return {
            "name": group["GroupName"],
            "strategy": group["Strategy"],
            "partitionCount": group.get("PartitionCount"),
            "spreadLevel": group.get("SpreadLevel"),
            "tagsAll": tag_map(group.get("Tags")),
            "arn": group["GroupArn"],
            "placementGroupId": group["GroupId"],
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Only tags change in place; they hang on the group's own id and not on its name."""
        wanted = [{"Name": "group-name", "Values": [resource_id]}]
        group = first(ctx.client("ec2").describe_placement_groups(Filters=wanted)["PlacementGroups"])
        if group is not None:
            ctx.retag_ec2(group["GroupId"], old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeletePlacementGroup; refused by EC2 while instances are in it."""
        try:
            ctx.client("ec2").delete_placement_group(GroupName=resource_id)
        except ClientError as error:
            if code_of(error) != _UNKNOWN:
                raise

    def dependants(self, ctx: Context, resource_id: str) -> list[str]:
        """The instances, for whose sake EC2 refuses."""
        wanted = [{"Name": "placement-group-name", "Values": [resource_id]}]
        pages = ctx.client("ec2").describe_instances(Filters=wanted)["Reservations"]
        return [
            instance["InstanceId"]
            for reservation in pages
            for instance in reservation["Instances"]
            if instance["State"]["Name"] != "terminated"
        ]
