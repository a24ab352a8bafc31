"""The VPC. EC2's resources have no names of ours: making is fenced by region, changing by the stack's tags."""

from __future__ import annotations

from typing import Final

from bastide.bootstrap.rights.base import Right, Scope

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
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:CreateRoute",
    "ec2:DeleteFlowLogs",
    "ec2:DeleteInternetGateway",
    "ec2:DeleteLaunchTemplate",
    "ec2:DeleteNatGateway",
    "ec2:DeletePlacementGroup",
    "ec2:DeleteRoute",
    "ec2:DeleteRouteTable",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteSubnet",
    "ec2:DeleteTags",
    "ec2:DeleteVpc",
    "ec2:DeleteVpcEndpoints",
    "ec2:DetachInternetGateway",
    "ec2:DisassociateRouteTable",
    "ec2:ModifyLaunchTemplate",
    "ec2:ModifySecurityGroupRules",
    "ec2:ModifySubnetAttribute",
    "ec2:ModifyVpcAttribute",
    "ec2:ModifyVpcEndpoint",
    "ec2:ReleaseAddress",
    "ec2:ReplaceRoute",
    "ec2:ReplaceRouteTableAssociation",
    "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
    "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
)


def rights(scope: Scope) -> list[Right]:
    """VPC, subnets, routes, gateways, endpoints, security groups, launch templates, flow logs."""
    ours = scope.arn("ec2", "*")
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
            "Ec2TagNew",
            "tags are given in the request that makes the resource",
            ["ec2:CreateTags"],
            [ours],
            {"StringEquals": {"ec2:CreateAction": [*(each[4:] for each in _CREATE), "RunInstances"]}},
        ),
        Right("Ec2TagOwn", "tags of what the stack made may change", ["ec2:CreateTags"], [ours], scope.owned),
        Right(
            "Ec2CloseDefaultGroup",
            "a VPC's default security group comes from AWS, without a tag: it is emptied and tagged",
            ["ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"],
            [scope.arn("ec2", "security-group/*")],
            scope.in_region,
        ),
        Right(
            "Ec2TagDefaultGroup",
            "by that name and no other",
            ["ec2:CreateTags"],
            [scope.arn("ec2", "security-group/*")],
            {"StringEquals": {"aws:RequestTag/Name": f"{scope.settings.prefix}-default-closed"}},
        ),
    ]
