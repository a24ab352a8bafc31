"""EKS add-ons: in which order they stand, how they are configured, and the versions that are given by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

BEFORE_NODES: Final = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent", "eks-node-monitoring-agent")
"""DaemonSets: without the CNI a node stays NotReady, without the Pod Identity agent the CNI has no credentials.
The monitoring agent tells EKS what auto-repair acts on (EKS user guide, "Detect node health issues and enable
automatic node repair")."""

AFTER_NODES: Final = ("coredns",)
"""A Deployment: EKS calls it degraded, and the run fails, while no node takes its pods."""

CONFIGURATION: Final[Mapping[str, Mapping[str, str]]] = {"vpc-cni": {"enableNetworkPolicy": "true"}}
"""Configuration values by add-on. Without this one EKS accepts NetworkPolicies and enforces none (EKS user guide,
"Restrict Pod network traffic with Kubernetes network policies")."""

NODE_MONITORING_AGENT: Final = "v1.6.0-eksbuild.1"
"""Default version of `eks-node-monitoring-agent`, which is not bound to one Kubernetes minor version
(zalando-incubator/kubernetes-on-aws, pull request 10793, 2026-03-17)."""


def order(names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Add-ons and their versions in the order in which a run changes them."""
    known = [*BEFORE_NODES, *AFTER_NODES]
    return sorted(names.items(), key=lambda each: known.index(each[0]) if each[0] in known else len(known))
