"""EKS: the cluster, its node groups and add-ons, and who may use it."""

from __future__ import annotations

from sandbox.plugins.aws import eks_access, eks_addon, eks_cluster, eks_node_group

__all__ = ["eks_access", "eks_addon", "eks_cluster", "eks_node_group"]
