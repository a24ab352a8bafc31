"""SecurityGroup, and the VPC's default group, which is adopted and emptied."""

from __future__ import annotations

from typing import Any, Final

from sandbox.plugins.aws.framework import Context, Inputs, ResourceType, compact, register, tag_map
from sandbox.plugins.aws.network import first
from sandbox.plugins.aws.table import REGION, judged, refused, replace, tags, update
from sandbox.plugins.protocol import Plain, PluginError

_RULES_APART: Final = refused(
    "inline rules fight with SecurityGroupIngressRule and SecurityGroupEgressRule over one group; use those"
)

NAME_LIMIT: Final = 255
"""EC2's limit for a group's name (CreateSecurityGroup)."""


def describe_group(ctx: Context, group_id: str) -> dict[str, Any] | None:
    """A group as EC2 describes it."""
    return first(ctx.client("ec2").describe_security_groups(GroupIds=[group_id])["SecurityGroups"])


def revoke_all(ctx: Context, group: dict[str, Any]) -> None:
    """Takes every rule from the group, in and out."""
    ec2, group_id = ctx.client("ec2"), group["GroupId"]
    if group.get("IpPermissions"):
        ec2.revoke_security_group_ingress(GroupId=group_id, IpPermissions=group["IpPermissions"])
    if group.get("IpPermissionsEgress"):
        ec2.revoke_security_group_egress(GroupId=group_id, IpPermissions=group["IpPermissionsEgress"])


@register
class SecurityGroup(ResourceType):
    """A group without rules: those are resources of their own, and EC2's default egress rule is taken away.

    The official provider takes that rule away too, so that nothing is open that the program does not say.
    """

    token = "aws:ec2/securityGroup:SecurityGroup"  # noqa: S105 - a type token
    sdk = "ec2.SecurityGroup"
    cfn = "AWS::EC2::SecurityGroup"
    identity = ("name", "vpcId")
    inputs = {
        "name": judged("GroupName", autoname=NAME_LIMIT),
        "description": judged("GroupDescription", default="Managed by Pulumi"),
        "vpcId": judged("VpcId", computed=True),
        "ingress": _RULES_APART,
        "egress": _RULES_APART,
        "namePrefix": refused("names are computed; use name, or leave it out for an automatic one"),
        "revokeRulesOnDelete": update(
            source="only steers the deletion; EC2 keeps no such property", default=False
        ),
        **tags(),
        **REGION,
    }
    outputs = ("arn", "ownerId")

    def request(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str, dict[str, Any]]]:
        """CreateSecurityGroup."""
        return [
            (
                "ec2",
                "CreateSecurityGroup",
                compact(
                    GroupName=inputs.get("name"),
                    Description=inputs.get("description"),
                    VpcId=inputs.get("vpcId"),
                    TagSpecifications=ctx.ec2_tags("security-group", inputs),
                ),
            )
        ]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns the group's id, without EC2's allow-all egress rule."""
        group_id = str(ctx.send(self.request(ctx, inputs))["GroupId"])
        group = describe_group(ctx, group_id)
        if group is not None:
            revoke_all(ctx, group)
        return group_id

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """As EC2 describes it."""
        group = describe_group(ctx, resource_id)
        if group is None:
            return None
        return {
            "name": group["GroupName"],
            "description": group["Description"],
            "vpcId": group["VpcId"],
            "tagsAll": tag_map(group.get("Tags")),
            "arn": ctx.arn("ec2", f"security-group/{resource_id}"),
            "ownerId": ctx.account_id,
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Tags."""
        ctx.retag_ec2(resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Removes the group; EC2 refuses while interfaces or other groups' rules use it."""
        group = describe_group(ctx, resource_id)
        if group is not None and state.get("revokeRulesOnDelete"):
            revoke_all(ctx, group)
        ctx.client("ec2").delete_security_group(GroupId=resource_id)

    def dependants(self, ctx: Context, resource_id: str) -> list[str]:
        """Interfaces in the group, and groups whose rules name it."""
        ec2 = ctx.client("ec2")
        interfaces = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [resource_id]}])
        groups = ec2.describe_security_groups()["SecurityGroups"]
        return [
            *(item["NetworkInterfaceId"] for item in interfaces["NetworkInterfaces"]),
            *(
                f"a rule of {group['GroupId']} ({group['GroupName']})"
                for group in groups
                if group["GroupId"] != resource_id
                and any(
                    pair.get("GroupId") == resource_id
                    for rule in group["IpPermissions"] + group["IpPermissionsEgress"]
                    for pair in rule.get("UserIdGroupPairs", [])
                )
            ),
        ]


@register
class DefaultSecurityGroup(ResourceType):
    """A VPC's default group, adopted: its rules are taken away and stay away. It goes only with its VPC."""

    token = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"  # noqa: S105 - a type token
    sdk = "ec2.DefaultSecurityGroup"
    cfn = "AWS::EC2::SecurityGroup"
    inputs = {
        "vpcId": replace(
            cfn="VpcId",
            source="another VPC has another default group, which is then the one adopted",
        ),
        "ingress": refused("the kit empties the default group; nothing may depend on it"),
        "egress": refused("the kit empties the default group; nothing may depend on it"),
        "revokeRulesOnDelete": update(
            source="only steers the deletion; EC2 keeps no such property", default=False
        ),
        **tags(),
        **REGION,
    }
    outputs = ("arn", "description", "name", "namePrefix", "ownerId")

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """Without a VPC it would be the account's default VPC, which the kit leaves alone."""
        if inputs.get("vpcId") is None:
            return [("vpcId", "vpcId is missing: say whose default group it is")]
        return []

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns the id of the group that the VPC came with; `ready` empties it."""
        group = first(
            ctx.client("ec2").describe_security_groups(
                Filters=[
                    {"Name": "vpc-id", "Values": [inputs["vpcId"]]},
                    {"Name": "group-name", "Values": ["default"]},
                ]
            )["SecurityGroups"]
        )
        if group is None:
            raise PluginError(f"{inputs['vpcId']} has no default security group: does the VPC exist?")
        return str(group["GroupId"])

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Empties the group and gives it the tags."""
        group = describe_group(ctx, resource_id)
        if group is None:
            return
        revoke_all(ctx, group)
        ctx.retag_ec2(resource_id, {"tagsAll": tag_map(group.get("Tags"))}, inputs)

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """As EC2 describes it; a rule that came back shows as an input, so that it is taken away again."""
        group = describe_group(ctx, resource_id)
        if group is None:
            return None
        return {
            "vpcId": group["VpcId"],
            "tagsAll": tag_map(group.get("Tags")),
            "arn": ctx.arn("ec2", f"security-group/{resource_id}"),
            "description": group["Description"],
            "name": group["GroupName"],
            "namePrefix": "",
            "ownerId": ctx.account_id,
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Nothing beyond what `ready` does."""

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Nothing: AWS removes the default group with its VPC, and it stays empty until then."""
