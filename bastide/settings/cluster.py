"""Settings of the EKS cluster."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Tag

from bastide.catalogues import addon_versions, eks_versions
from bastide.settings.base import UNRESOLVED, Cidr, PrincipalArn, Strict, matching
from bastide.settings.errors import choices
from bastide.settings.variants import by_kind


def _kubernetes_version(value: str) -> str:
    if value not in eks_versions.CALENDAR:
        raise ValueError(
            f"is not a Kubernetes minor version of which this kit knows EKS's support, in quotes"
            f"{choices(value, eks_versions.versions())}; an older one is out of support; a newer one is added to "
            "bastide/catalogues/eks_versions.py with its dates"
        )
    return value


KubernetesVersion = Annotated[str, AfterValidator(_kubernetes_version)]

ClusterName = Annotated[
    str,
    matching(
        r"[0-9A-Za-z][\w-]{0,99}",
        "is not the name of an EKS cluster; allowed: at most 100 letters, digits, hyphens and underscores, "
        "starting with a letter or a digit; `aws eks list-clusters` prints the names",
    ),
]


class UpgradePolicy(StrEnum):
    """What EKS does with the control plane when standard support of its version ends."""

    STANDARD = "STANDARD"
    """EKS upgrades it by itself; a stack that gets there is refused before."""
    EXTENDED = "EXTENDED"
    """The version stays for a year more, at a higher price for each hour."""


def _addon_version(value: str) -> str:
    if value != UNRESOLVED and not value.startswith("v"):
        raise ValueError(
            "is not an add-on version; allowed: a version such as v1.20.4-eksbuild.1, or 'unresolved' "
            "in a sandbox; "
            "`aws eks describe-addon-versions --addon-name NAME --kubernetes-version VERSION` lists them"
        )
    return value


AddonVersion = Annotated[str, AfterValidator(_addon_version)]


class AddonVersions(Strict):
    """Versions of the EKS add-ons, pinned so that two runs install the same."""

    vpc_cni: AddonVersion = UNRESOLVED
    """Version of `vpc-cni`, which gives pods their addresses."""

    kube_proxy: AddonVersion = UNRESOLVED
    """Version of `kube-proxy`; its minor version is the cluster's."""

    coredns: AddonVersion = UNRESOLVED
    """Version of `coredns`."""

    eks_pod_identity_agent: AddonVersion = UNRESOLVED
    """Version of `eks-pod-identity-agent`, which hands pods their role's credentials."""

    eks_node_monitoring_agent: AddonVersion = addon_versions.NODE_MONITORING_AGENT
    """Version of `eks-node-monitoring-agent`, which finds broken GPUs, disks and networks on a node, so that
    EKS replaces the node."""

    def named(self) -> dict[str, str]:
        """Versions by the add-on's name at EKS."""
        return {
            "vpc-cni": self.vpc_cni,
            "kube-proxy": self.kube_proxy,
            "eks-pod-identity-agent": self.eks_pod_identity_agent,
            "eks-node-monitoring-agent": self.eks_node_monitoring_agent,
            "coredns": self.coredns,
        }


def _known_addon(value: str) -> str:
    known = [*addon_versions.BEFORE_NODES, *addon_versions.AFTER_NODES]
    if value not in known:
        raise ValueError(f"is not an add-on that this kit manages{choices(value, known)}")
    return value


AddonName = Annotated[str, AfterValidator(_known_addon)]


class _AnyCluster(Strict):
    """What is said of a cluster whoever made it."""

    kubernetes_version: KubernetesVersion = "1.34"
    """Kubernetes minor version, in quotes. It is raised by one at a time; pools follow it. An adopted cluster's
    is checked."""

    service_cidr: Cidr = IPv4Network("172.20.0.0/16")
    """Block of Kubernetes Service addresses; must not overlap the VPC or a reserved block. An adopted cluster's
    is checked."""

    addons: AddonVersions = AddonVersions()
    """Versions of the EKS add-ons."""

    def managed(self) -> dict[str, str]:
        """Versions of the add-ons that the stack manages, by the add-on's name at EKS."""
        return self.addons.named()


class CreatedCluster(_AnyCluster):
    """A control plane that this stack makes: version, who may reach it and who administers it."""

    kind: Literal["create"] = "create"
    """Whether the stack makes its cluster or adopts one that is there."""

    admin_principals: tuple[PrincipalArn, ...] = Field(min_length=1)
    """ARNs of the IAM roles or users that get the cluster-admin access policy. The creator gets nothing by
    itself, so the identity that runs `pulumi up` belongs here."""

    upgrade_policy: UpgradePolicy = UpgradePolicy.STANDARD
    """STANDARD: a version beyond standard support is refused. EXTENDED: it is warned of, and costs more."""

    public_endpoint: bool = False
    """Whether the API server also answers from the internet. Off: `pulumi up` runs inside the VPC or by a
    tunnel."""

    public_endpoint_cidrs: tuple[Cidr, ...] = ()
    """Blocks that may reach the public endpoint; needed when it is on, and never 0.0.0.0/0."""

    log_retention_days: int = 365
    """Days for which the control plane's logs, audit log included, are kept; a value CloudWatch Logs
    takes."""


class AdoptedCluster(_AnyCluster):
    """A control plane that somebody else owns. Nothing of it is changed or deleted; the stack adds node groups,
    Pod Identity associations, access entries that `access` names, and Kubernetes objects."""

    kind: Literal["adopt"]
    """Whether the stack makes its cluster or adopts one that is there."""

    name: ClusterName
    """The cluster's name in the stack's region and account."""

    managed_addons: tuple[AddonName, ...] = ()
    """Add-ons that this stack installs and upgrades in the adopted cluster. The others are its owner's."""

    def managed(self) -> dict[str, str]:
        """Versions of the add-ons that the stack manages, by the add-on's name at EKS."""
        return {name: version for name, version in self.addons.named().items() if name in self.managed_addons}


ClusterSettings = Annotated[
    Annotated[CreatedCluster, Tag("create")] | Annotated[AdoptedCluster, Tag("adopt")], by_kind("create")
]
"""A cluster of either kind; without `kind` it is created."""
