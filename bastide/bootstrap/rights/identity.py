"""IAM: roles of the stack's name only, AWS's own policies from a list, and passed to known services."""

from __future__ import annotations

from typing import Final

from bastide import names
from bastide.bootstrap.rights.base import Conditions, Right, Scope

ATTACHED: Final = (
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEKSClusterPolicy",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
)
"""AWS's managed policies that components attach; a test compares the list with what they register."""

PASSED_TO: Final = (
    "ec2.amazonaws.com",
    "eks.amazonaws.com",
    "pods.eks.amazonaws.com",
    "vpc-flow-logs.amazonaws.com",
)
"""Services that get a role of the stack."""

LINKED: Final = (
    "autoscaling.amazonaws.com",
    "eks-nodegroup.amazonaws.com",
    "eks.amazonaws.com",
    "spot.amazonaws.com",
)
"""Services whose own role the first cluster or node group of an account makes (EKS user guide, "Using
service-linked roles for Amazon EKS")."""


def rights(scope: Scope) -> list[Right]:
    """Roles of the control plane, of nodes and of pods."""
    roles = [scope.role()]
    limit = scope.settings.cloud.permissions_boundary
    bounded: Conditions = {"StringEquals": {"iam:PermissionsBoundary": limit}} if limit else {}
    return [
        Right(
            "IamRoles",
            "roles whose names start with the stack's prefix; the deploy role's own does not",
            [
                *("iam:DeleteRole", "iam:GetRole", "iam:TagRole", "iam:UntagRole"),
                *("iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription"),
                *("iam:GetRolePolicy", "iam:DeleteRolePolicy", "iam:ListRolePolicies"),
                *("iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole"),
            ],
            roles,
        ),
        Right(
            "IamGiveRights",
            "only to roles that have the stack's permissions boundary, where it has one",
            ["iam:CreateRole", "iam:PutRolePolicy", *(["iam:PutRolePermissionsBoundary"] if limit else [])],
            roles,
            bounded,
        ),
        Right(
            "IamAttach",
            "only policies that the kit attaches",
            ["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
            roles,
            {
                "ArnEquals": {
                    "iam:PolicyARN": [names.arn("iam", "", "aws", f"policy/{each}") for each in ATTACHED]
                },
                **bounded,
            },
        ),
        Right(
            "IamPass",
            "EKS and EC2 act by these roles",
            ["iam:PassRole"],
            roles,
            {"StringEquals": {"iam:PassedToService": list(PASSED_TO)}},
        ),
        Right(
            "IamServiceLinked",
            "the account's first cluster and node group make them",
            ["iam:CreateServiceLinkedRole"],
            [names.role_arn(scope.settings.account_id, "aws-service-role/*")],
            {"StringEquals": {"iam:AWSServiceName": list(LINKED)}},
        ),
    ]
