"""The VPC. EC2's resources have no names of ours: making is fenced by region, changing by the stack's tags."""

from __future__ import annotations

from typing import Final

from bastide.bootstrap.rights.base import Conditions, Right, Scope

_CREATE: Final = (
    "ec2:AllocateAddress",
    "ec2:CreateFlowLogs",
    "ec2:CreateInternetGateway",
    "ec2:CreateLaunchTemplate",
    "ec2:CreateNatGateway",
    "ec2:CreatePlacementGroup",
    "ec2:CreateRouteTable",
    "ec2:CreateSecurityGroup",
    "ec2:CreateSubnet",
    "ec2:CreateVpc",
    "ec2:CreateVpcEndpoint",
)

_CHANGE: Final = (
    "ec2:AssociateRouteTable",
    "ec2:AttachInternetGateway",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:CreateRoute",
    "ec2:DeleteFlowLogs",
    "ec2:DeleteInternetGateway",
    "ec2:DeleteLaunchTemplate",
    "ec2:DeleteNatGateway",
    "ec2:DeletePlacementGroup",
    "ec2:DeleteRoute",
    "ec2:DeleteRouteTable",
    "ec2:DeleteSubnet",
    "ec2:DeleteVpc",
    "ec2:DeleteVpcEndpoints",
    "ec2:DetachInternetGateway",
    "ec2:DisassociateRouteTable",
    "ec2:ModifyLaunchTemplate",
    "ec2:ModifySubnetAttribute",
    "ec2:ModifyVpcAttribute",
    "ec2:ModifyVpcEndpoint",
    "ec2:ReleaseAddress",
    "ec2:ReplaceRoute",
    "ec2:ReplaceRouteTableAssociation",
)

_NEW_RULE: Final = ("ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress")

_CHANGE_GROUP: Final = (
    *_NEW_RULE,
    "ec2:DeleteSecurityGroup",
    "ec2:ModifySecurityGroupRules",
    "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
    "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
)


def rights(scope: Scope) -> list[Right]:
    """VPC, subnets, routes, gateways, endpoints, security groups, launch templates, flow logs."""
    ours = scope.arn("ec2", "*")
    groups = scope.arn("ec2", "security-group/*")
    closed = f"{scope.settings.prefix}-default-closed"
    # A default group has the stack's tags from `Ec2TagDefaultGroup`, which cannot tell whose VPC it is in. So the name
    # that it gets there stays, and what has that name is never opened: else anybody's group could be.
    opened: Conditions = {**scope.owned, "StringNotEquals": {"aws:ResourceTag/Name": closed}}
    return [
        Right(
            "Ec2Read",
            "the provider reads back what it made; EC2 knows no resource for most of these",
            ["ec2:Describe*"],
            ["*"],
            scope.in_region,
        ),
        Right("Ec2Create", "what is new carries no tag yet", _CREATE, [ours], scope.in_region),
        Right("Ec2Change", "only what the stack made", _CHANGE, [ours], scope.owned),
        Right(
            "Ec2ChangeGroup",
            "only groups that the stack made, and none that it closed",
            _CHANGE_GROUP,
            [groups, scope.arn("ec2", "security-group-rule/*")],
            opened,
        ),
        Right(
            "Ec2NewRule",
            "a new rule carries no tag yet; its group needs the right above",
            _NEW_RULE,
            [scope.arn("ec2", "security-group-rule/*")],
            scope.in_region,
        ),
        Right(
            "Ec2TagNew",
            "tags are given in the request that makes the resource",
            ["ec2:CreateTags"],
            [ours],
            {
                "StringEquals": {
                    "ec2:CreateAction": [*(each[4:] for each in (*_CREATE, *_NEW_RULE)), "RunInstances"]
                }
            },
        ),
        Right(
            "Ec2TagOwn",
            "tags of what the stack made may change",
            ["ec2:CreateTags", "ec2:DeleteTags"],
            [ours],
            opened,
        ),
        Right(
            "Ec2CloseDefaultGroup",
            "a VPC's default security group comes from AWS, without a tag: it is emptied and tagged",
            ["ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"],
            [groups],
            scope.in_region,
        ),
        Right(
            "Ec2TagDefaultGroup",
            "by that name and no other",
            ["ec2:CreateTags"],
            [groups],
            {"StringEquals": {"aws:RequestTag/Name": closed}},
        ),
        Right(
            "Ec2RetagDefaultGroup",
            "its other tags may change",
            ["ec2:CreateTags", "ec2:DeleteTags"],
            [groups],
            {
                "StringEquals": {**scope.owned["StringEquals"], "aws:ResourceTag/Name": closed},
                "ForAllValues:StringNotEquals": {"aws:TagKeys": ["Name"]},
            },
        ),
    ]
