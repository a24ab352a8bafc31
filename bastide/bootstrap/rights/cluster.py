"""EKS: one cluster by its name, and everything under it."""

from __future__ import annotations

from bastide.bootstrap.rights.base import Right, Scope


def rights(scope: Scope) -> list[Right]:
    """The cluster, its node groups, add-ons, access entries and Pod Identities."""
    name = scope.settings.cluster_name
    kinds = ("nodegroup", "addon", "access-entry", "podidentityassociation")
    return [
        Right(
            "EksRead",
            "a preview looks whether the cluster is there",
            ["eks:ListClusters"],
            ["*"],
            scope.in_region,
        ),
        Right(
            "EksCluster",
            "the stack's cluster",
            [
                *("eks:CreateCluster", "eks:DeleteCluster", "eks:DescribeCluster", "eks:DescribeUpdate"),
                *("eks:UpdateClusterConfig", "eks:UpdateClusterVersion"),
                *("eks:CreateNodegroup", "eks:CreateAddon", "eks:CreateAccessEntry"),
                *("eks:CreatePodIdentityAssociation", "eks:ListNodegroups"),
                *("eks:ListUpdates", "eks:TagResource", "eks:UntagResource"),
            ],
            [scope.arn("eks", f"cluster/{name}")],
        ),
        Right(
            "EksInside",
            "what belongs to it",
            [
                *("eks:DescribeNodegroup", "eks:DeleteNodegroup"),
                *("eks:UpdateNodegroupConfig", "eks:UpdateNodegroupVersion"),
                *(
                    "eks:DescribeAddon",
                    "eks:DeleteAddon",
                    "eks:UpdateAddon",
                    "eks:DescribeUpdate",
                    "eks:ListUpdates",
                ),
                *("eks:DescribeAccessEntry", "eks:DeleteAccessEntry", "eks:UpdateAccessEntry"),
                *(
                    "eks:AssociateAccessPolicy",
                    "eks:DisassociateAccessPolicy",
                    "eks:ListAssociatedAccessPolicies",
                ),
                *("eks:DescribePodIdentityAssociation", "eks:DeletePodIdentityAssociation"),
                *("eks:UpdatePodIdentityAssociation", "eks:TagResource", "eks:UntagResource"),
            ],
            [scope.arn("eks", f"{kind}/{name}/*") for kind in kinds],
        ),
        Right(
            "EksTriesTemplate",
            "EKS tries a node group's launch template in the caller's name (EKS user guide, 'Customize managed "
            "nodes with launch templates'); without a template nothing can be started",
            ["ec2:RunInstances"],
            ["*"],
            {
                "ArnLike": {"ec2:LaunchTemplate": scope.arn("ec2", "launch-template/*")},
                "StringEquals": {"aws:RequestedRegion": scope.settings.region},
            },
        ),
    ]
