"""Settings of the EKS cluster."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated

from pydantic import AfterValidator, Field

from bastide.settings.base import UNRESOLVED, Cidr, PrincipalArn, Strict, matching

KubernetesVersion = Annotated[
    str,
    matching(
        r"1\.(3[2-9]|[4-9]\d)",
        "is not a Kubernetes minor version that this kit supports; allowed: '1.32' and newer, in quotes; "
        "older ones are out of EKS standard support",
    ),
]


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

    def named(self) -> dict[str, str]:
        """Versions by the add-on's name at EKS."""
        return {
            "vpc-cni": self.vpc_cni,
            "kube-proxy": self.kube_proxy,
            "eks-pod-identity-agent": self.eks_pod_identity_agent,
            "coredns": self.coredns,
        }


class ClusterSettings(Strict):
    """The control plane: version, who may reach it and who administers it."""

    kubernetes_version: KubernetesVersion = "1.34"
    """Kubernetes minor version, in quotes."""

    admin_principals: tuple[PrincipalArn, ...] = Field(min_length=1)
    """ARNs of the IAM roles or users that get the cluster-admin access policy. The creator gets nothing by
    itself, so the identity that runs `pulumi up` belongs here."""

    public_endpoint: bool = False
    """Whether the API server also answers from the internet. Off: `pulumi up` runs inside the VPC or by a
    tunnel."""

    public_endpoint_cidrs: tuple[Cidr, ...] = ()
    """Blocks that may reach the public endpoint; needed when it is on, and never 0.0.0.0/0."""

    service_cidr: Cidr = IPv4Network("172.20.0.0/16")
    """Block of Kubernetes Service addresses; must not overlap the VPC or a reserved block."""

    log_retention_days: int = 365
    """Days for which the control plane's logs, audit log included, are kept; a value CloudWatch Logs
    takes."""

    addons: AddonVersions = AddonVersions()
    """Versions of the EKS add-ons."""
