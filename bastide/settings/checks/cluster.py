"""Checks of the control plane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide.settings.base import UNRESOLVED
from bastide.settings.checks.common import Check, retention
from bastide.settings.cluster import AdoptedCluster, CreatedCluster
from bastide.settings.errors import Problem
from bastide.settings.network import AdoptedNetwork

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _admins(settings: Settings) -> Iterator[Problem]:
    if isinstance(settings.cluster, AdoptedCluster):
        return
    principals = settings.cluster.admin_principals
    for index, principal in enumerate(principals):
        if principal in principals[:index]:
            yield Problem(
                f"cluster.adminPrincipals[{index}]",
                f"{principal!r} is there twice; a principal has one access entry; remove one",
            )


def _cluster_log_retention(settings: Settings) -> Iterator[Problem]:
    if isinstance(settings.cluster, CreatedCluster):
        yield from retention("cluster.logRetentionDays", settings.cluster.log_retention_days)


def _kube_proxy(settings: Settings) -> Iterator[Problem]:
    if isinstance(settings.cluster, AdoptedCluster) and "kube-proxy" not in settings.cluster.managed_addons:
        return
    version, cluster = settings.cluster.addons.kube_proxy, settings.cluster.kubernetes_version
    if version != UNRESOLVED and not version.startswith(f"v{cluster}."):
        yield Problem(
            "cluster.addons.kubeProxy",
            f"{version!r} is not for Kubernetes {cluster}; allowed: versions that start with "
            f"v{cluster}.; kube-proxy "
            "has the minor version of its cluster; change it together with cluster.kubernetesVersion",
        )


WIDEST_PUBLIC: Final = 8
"""Shortest prefix of a block that may reach a public endpoint: the largest that was ever given to one organization
(IANA IPv4 address space registry). Two halves of the internet are the internet."""


def _public_endpoint(settings: Settings) -> Iterator[Problem]:
    if isinstance(settings.cluster, AdoptedCluster):
        return
    public, blocks = settings.cluster.public_endpoint, settings.cluster.public_endpoint_cidrs
    if public and not blocks:
        yield Problem(
            "cluster.publicEndpointCidrs",
            "is empty while cluster.publicEndpoint is true; AWS would open the API server to the whole "
            "internet; "
            "list the blocks that may reach it, or turn the public endpoint off",
        )
    if blocks and not public:
        yield Problem(
            "cluster.publicEndpointCidrs",
            "is given while cluster.publicEndpoint is false; it would have no effect; remove it or "
            "turn the endpoint on",
        )
    for index, block in enumerate(blocks):
        if block.prefixlen < WIDEST_PUBLIC:
            yield Problem(
                f"cluster.publicEndpointCidrs[{index}]",
                f"'{block}' is {'the whole' if block.prefixlen == 0 else 'a large part of the'} internet; allowed: "
                f"/{WIDEST_PUBLIC} or narrower, the blocks of your offices and runners; an "
                "API server "
                "that everybody can reach is one bug from being lost; narrow it",
            )


def _adopted_in_its_own_vpc(settings: Settings) -> Iterator[Problem]:
    """An adopted cluster's nodes can only be in the cluster's VPC, so the network is adopted too."""
    if isinstance(settings.cluster, AdoptedCluster) and not isinstance(settings.network, AdoptedNetwork):
        yield Problem(
            "cluster.kind",
            "'adopt' is refused while network.kind is 'create'; a node group's subnets are in its cluster's VPC, "
            "and the new VPC would be another one; adopt the cluster's VPC (network.kind: adopt), or create the "
            "cluster",
        )


def _adopted_addons(settings: Settings) -> Iterator[Problem]:
    if not isinstance(settings.cluster, AdoptedCluster):
        return
    managed = settings.cluster.managed_addons
    for index, name in enumerate(managed):
        if name in managed[:index]:
            yield Problem(f"cluster.managedAddons[{index}]", f"{name!r} is there twice; remove one")


CHECKS: Final[tuple[Check, ...]] = (
    _admins,
    _cluster_log_retention,
    _public_endpoint,
    _kube_proxy,
    _adopted_in_its_own_vpc,
    _adopted_addons,
)
