"""EKS access policies, as RBAC of the cluster.

EKS judges access policies in an authorizer of its own, beside RBAC. Here each policy is a group that the
authenticator hands out, and a binding of that group to the cluster role that the policy corresponds to. The
verdicts are the same for the four policies below; what differs is that the bindings can be seen with kubectl
here.

Sources: EKS user guide, "Review access policy permissions" (AmazonEKSAdminPolicy, AmazonEKSEditPolicy and
AmazonEKSViewPolicy are meant to match `admin`, `edit` and `view`), and "Associate access policies with access
entries".
"""

from __future__ import annotations

from typing import Any, Final

from sandbox.cluster.kube import Kube

_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"

CLUSTER_ROLES: Final = {
    "AmazonEKSClusterAdminPolicy": "cluster-admin",
    "AmazonEKSAdminPolicy": "admin",
    "AmazonEKSEditPolicy": "edit",
    "AmazonEKSViewPolicy": "view",
}
"""The cluster role that each access policy corresponds to. Policies that are not here grant nothing."""

_PREFIX: Final = "bastide:eks-access-policy"


def policy_name(policy_arn: str) -> str:
    """`AmazonEKSViewPolicy` of `arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy`."""
    return policy_arn.rsplit("/", 1)[-1]


def cluster_group(policy: str) -> str:
    """The group of those who hold a policy in the whole cluster."""
    return f"{_PREFIX}:{policy}"


def namespace_group(policy: str, namespace: str) -> str:
    """The group of those who hold a policy in one namespace."""
    return f"{_PREFIX}:{policy}:{namespace}"


def _binding(kind: str, policy: str, group: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": group, "labels": {"app.kubernetes.io/managed-by": "eks"}},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": CLUSTER_ROLES[policy],
        },
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
    }


def bind_policies(kube: Kube) -> None:
    """Binds every known policy for the whole cluster; whether anyone holds it is the access entries'
    matter."""
    for policy in CLUSTER_ROLES:
        group = cluster_group(policy)
        kube.apply(f"{_RBAC}/clusterrolebindings/{group}", _binding("ClusterRoleBinding", policy, group))


def bind_in_namespace(kube: Kube, policy: str, namespace: str) -> None:
    """Binds a policy in one namespace, which must exist."""
    group = namespace_group(policy, namespace)
    kube.apply(f"{_RBAC}/namespaces/{namespace}/rolebindings/{group}", _binding("RoleBinding", policy, group))
