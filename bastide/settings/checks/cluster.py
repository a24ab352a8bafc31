"""Checks of the control plane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide.settings.base import UNRESOLVED
from bastide.settings.checks.common import Check, retention
from bastide.settings.errors import Problem

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _admins(settings: Settings) -> Iterator[Problem]:
    principals = settings.cluster.admin_principals
    for index, principal in enumerate(principals):
        if principal in principals[:index]:
            yield Problem(
                f"cluster.adminPrincipals[{index}]",
                f"{principal!r} is there twice; a principal has one access entry; remove one",
            )


def _cluster_log_retention(settings: Settings) -> Iterator[Problem]:
    yield from retention("cluster.logRetentionDays", settings.cluster.log_retention_days)


def _kube_proxy(settings: Settings) -> Iterator[Problem]:
    version, cluster = settings.cluster.addons.kube_proxy, settings.cluster.kubernetes_version
    if version != UNRESOLVED and not version.startswith(f"v{cluster}."):
        yield Problem(
            "cluster.addons.kubeProxy",
            f"{version!r} is not for Kubernetes {cluster}; allowed: versions that start with "
            f"v{cluster}.; kube-proxy "
            "has the minor version of its cluster; change it together with cluster.kubernetesVersion",
        )


def _public_endpoint(settings: Settings) -> Iterator[Problem]:
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
        if block.prefixlen == 0:
            yield Problem(
                f"cluster.publicEndpointCidrs[{index}]",
                f"'{block}' is the whole internet; allowed: the blocks of your offices and runners; an "
                "API server "
                "that everybody can reach is one bug from being lost; narrow it",
            )


CHECKS: Final[tuple[Check, ...]] = (_admins, _cluster_log_retention, _public_endpoint, _kube_proxy)
