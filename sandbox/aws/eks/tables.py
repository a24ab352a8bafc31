"""EKS facts from AWS's documentation: Kubernetes versions, add-on versions, access policies.

Add-on versions carry where they were seen; a version that is not here is refused like an unknown one on
AWS, so a new one is added here with its source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KUBERNETES_VERSIONS: Final = ("1.32", "1.33", "1.34", "1.35", "1.36")
"""Versions on which a cluster can be made (EKS user guide, kubernetes-versions, 2026)."""

DEFAULT_KUBERNETES_VERSION: Final = "1.34"
"""Used when a request names none: what the sandbox's own control plane runs."""

LAST_AL2_VERSION: Final = "1.32"
"""EKS publishes no Amazon Linux 2 AMIs after this version (EKS user guide, eks-ami-deprecation-faqs)."""

SERVICE_CIDR: Final = "172.20.0.0/16"
"""What EKS gives the services of a cluster whose VPC is not in 172.16.0.0/12 (API reference,
KubernetesNetworkConfigRequest)."""


@dataclass(frozen=True)
class AddonVersion:
    """One version of an add-on, the Kubernetes versions it goes with, and where that was read."""

    version: str
    kubernetes: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class AddonFacts:
    """An add-on: its kind, whether it needs a node before it is healthy, and its versions, newest first."""

    kind: str
    needs_nodes: bool
    versions: tuple[AddonVersion, ...]


_GUIDE: Final = "EKS user guide"
_SEEN: Final = "published cluster configurations of 2026"
_ZALANDO: Final = "zalando-incubator/kubernetes-on-aws, pull request"

ADDONS: Final[dict[str, AddonFacts]] = {
    "vpc-cni": AddonFacts(
        "networking",
        False,
        (
            AddonVersion("v1.21.1-eksbuild.7", ("1.32", "1.33", "1.34", "1.35"), _SEEN),
            AddonVersion("v1.21.1-eksbuild.5", ("1.32", "1.33", "1.34", "1.35"), _SEEN),
            AddonVersion("v1.21.1-eksbuild.3", ("1.32", "1.33", "1.34", "1.35"), _SEEN),
            AddonVersion("v1.20.1-eksbuild.3", ("1.32", "1.33"), f"{_GUIDE}, managing-vpc-cni, 2025"),
        ),
    ),
    "kube-proxy": AddonFacts(
        "networking",
        False,
        (
            AddonVersion("v1.36.0-eksbuild.14", ("1.36",), f"{_GUIDE}, managing-kube-proxy, 2026"),
            AddonVersion("v1.35.3-eksbuild.13", ("1.35",), f"{_GUIDE}, managing-kube-proxy, 2026"),
            AddonVersion("v1.35.3-eksbuild.2", ("1.35",), f"{_GUIDE}, managing-kube-proxy, 2026"),
            AddonVersion("v1.34.6-eksbuild.13", ("1.34",), f"{_GUIDE}, managing-kube-proxy, 2026"),
            AddonVersion("v1.34.6-eksbuild.2", ("1.34",), f"{_GUIDE}, managing-kube-proxy, 2026"),
            AddonVersion("v1.34.1-eksbuild.2", ("1.34",), f"{_GUIDE}, managing-kube-proxy, 2025"),
            AddonVersion("v1.33.10-eksbuild.13", ("1.33",), f"{_GUIDE}, managing-kube-proxy, 2026"),
            AddonVersion("v1.33.5-eksbuild.2", ("1.33",), f"{_GUIDE}, managing-kube-proxy, 2025"),
            AddonVersion("v1.32.13-eksbuild.16", ("1.32",), f"{_GUIDE}, managing-kube-proxy, 2026"),
            AddonVersion("v1.32.9-eksbuild.2", ("1.32",), f"{_GUIDE}, managing-kube-proxy, 2025"),
        ),
    ),
    "coredns": AddonFacts(
        "networking",
        True,
        (
            AddonVersion("v1.14.2-eksbuild.4", ("1.35",), f"{_GUIDE}, managing-coredns, 2026"),
            AddonVersion("v1.13.2-eksbuild.7", ("1.34",), f"{_GUIDE}, managing-coredns, 2026"),
            AddonVersion("v1.13.2-eksbuild.4", ("1.33", "1.34", "1.35"), f"{_GUIDE}, managing-coredns, 2026"),
            AddonVersion("v1.12.4-eksbuild.1", ("1.33", "1.34"), f"{_GUIDE}, managing-coredns, 2025"),
            AddonVersion("v1.11.4-eksbuild.33", ("1.32",), f"{_GUIDE}, managing-coredns, 2026"),
            AddonVersion("v1.11.4-eksbuild.24", ("1.32",), f"{_GUIDE}, managing-coredns, 2025"),
        ),
    ),
    "eks-pod-identity-agent": AddonFacts(
        "security",
        False,
        (
            AddonVersion("v1.3.10-eksbuild.2", ("1.32", "1.33", "1.34", "1.35"), _SEEN),
            AddonVersion("v1.3.9-eksbuild.1", ("1.32", "1.33", "1.34"), "github.com/aws/eks-hybrid pull 763"),
        ),
    ),
    "eks-node-monitoring-agent": AddonFacts(
        "observability",
        False,
        tuple(
            # Not bound to a Kubernetes version: the same one was seen on several.
            AddonVersion(version, ("1.32", "1.33", "1.34", "1.35", "1.36"), f"{_ZALANDO} {pull}")
            for version, pull in (("v1.6.0-eksbuild.1", "10793"), ("v1.5.2-eksbuild.1", "10793"))
        ),
    ),
    "aws-ebs-csi-driver": AddonFacts(
        "storage",
        True,
        (
            AddonVersion("v1.60.0-eksbuild.1", ("1.33", "1.34", "1.35"), _SEEN),
            AddonVersion("v1.57.1-eksbuild.1", ("1.32", "1.33", "1.34", "1.35"), _SEEN),
            AddonVersion("v1.56.0-eksbuild.1", ("1.32", "1.33", "1.34"), _SEEN),
        ),
    ),
    "metrics-server": AddonFacts(
        "observability",
        True,
        (AddonVersion("v0.8.1-eksbuild.2", ("1.32", "1.33", "1.34", "1.35"), _SEEN),),
    ),
}

ACCESS_POLICIES: Final = (
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSAutoNodePolicy",
    "AmazonEKSBlockStorageClusterPolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSComputeClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSHybridPolicy",
    "AmazonEKSLoadBalancingClusterPolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingClusterPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSSecretReaderPolicy",
    "AmazonEKSViewPolicy",
)
"""Access policies of the EKS user guide, access-policy-permissions."""

RESERVED_GROUP_PREFIXES: Final = ("system:", "eks:", "aws:", "amazon:", "iam:")
"""Kubernetes group names that an access entry may not start with (EKS user guide,
creating-access-entries)."""
