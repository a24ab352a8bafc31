"""What viewers, operators and security may do in Kubernetes: plain RBAC rules.

Nobody here reads secrets, opens a shell in a pod, or changes RBAC. An operator does not patch workloads either:
who may change a pod's template may mount any secret of its namespace. Pods are restarted by deleting or evicting
them, and scaled by the scale subresource.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Rule = Mapping[str, Sequence[str]]

READ: Final = ("get", "list", "watch")

GROUP_PREFIX: Final = "bastide:"
"""Kubernetes groups of access entries; EKS takes none that starts with system:, eks:, aws:, amazon: or iam:."""


def group(role: str) -> str:
    """The Kubernetes group of the people with a role of the kit's."""
    return f"{GROUP_PREFIX}{role}"


def cluster_role(role: str) -> str:
    """Name of the ClusterRole."""
    return f"bastide-{role}"


def _rule(api_groups: Sequence[str], resources: Sequence[str], verbs: Sequence[str] = READ) -> Rule:
    return {"apiGroups": list(api_groups), "resources": list(resources), "verbs": list(verbs)}


_LOOK: Final[tuple[Rule, ...]] = (
    _rule(
        [""],
        [
            *("configmaps", "endpoints", "events", "limitranges", "namespaces", "nodes"),
            *("persistentvolumeclaims", "persistentvolumes", "pods", "replicationcontrollers"),
            *("resourcequotas", "serviceaccounts", "services"),
        ],
    ),
    _rule(["apps"], ["controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"]),
    _rule(["autoscaling"], ["horizontalpodautoscalers"]),
    _rule(["batch"], ["cronjobs", "jobs"]),
    _rule(["policy"], ["poddisruptionbudgets"]),
    _rule(["networking.k8s.io"], ["ingresses", "ingressclasses", "networkpolicies"]),
    _rule(["discovery.k8s.io"], ["endpointslices"]),
    _rule(["events.k8s.io"], ["events"]),
    _rule(["scheduling.k8s.io"], ["priorityclasses"]),
    _rule(["storage.k8s.io"], ["csinodes", "storageclasses", "volumeattachments"]),
    _rule(["coordination.k8s.io"], ["leases"]),
    _rule(["apiextensions.k8s.io"], ["customresourcedefinitions"]),
    _rule(["metrics.k8s.io"], ["nodes", "pods"]),
    # Custom resources of what the kit installs; none of them holds a secret.
    _rule(["cert-manager.io"], ["certificaterequests", "certificates", "clusterissuers", "issuers"]),
    _rule(["karpenter.sh"], ["nodeclaims", "nodepools"]),
    _rule(["karpenter.k8s.aws"], ["ec2nodeclasses"]),
)

_AUDIT: Final[tuple[Rule, ...]] = (
    _rule(["rbac.authorization.k8s.io"], ["clusterrolebindings", "clusterroles", "rolebindings", "roles"]),
    _rule(
        ["admissionregistration.k8s.io"],
        [
            *("mutatingwebhookconfigurations", "validatingadmissionpolicies"),
            *("validatingadmissionpolicybindings", "validatingwebhookconfigurations"),
        ],
    ),
    _rule(["certificates.k8s.io"], ["certificatesigningrequests"]),
    _rule(["apiregistration.k8s.io"], ["apiservices"]),
    _rule(["flowcontrol.apiserver.k8s.io"], ["flowschemas", "prioritylevelconfigurations"]),
    # A question to the API server, by which nothing comes to be: who may do what.
    _rule(["authorization.k8s.io"], ["localsubjectaccessreviews", "subjectaccessreviews"], ("create",)),
)

_OPERATE: Final[tuple[Rule, ...]] = (
    _rule([""], ["pods/log"], ("get",)),
    _rule([""], ["pods"], ("delete",)),
    _rule([""], ["pods/eviction"], ("create",)),
    _rule(["apps"], ["deployments/scale", "statefulsets/scale"], ("get", "patch", "update")),
)

_LOOK_AT_GROUPS: Final[tuple[Rule, ...]] = (_rule(["leaderworkerset.x-k8s.io"], ["leaderworkersets"]),)
_OPERATE_GROUPS: Final[tuple[Rule, ...]] = (
    _rule(["leaderworkerset.x-k8s.io"], ["leaderworkersets/scale"], ("get", "patch", "update")),
)
"""Where LeaderWorkerSet is installed: engines over several nodes are seen and scaled like the others."""


@dataclass(frozen=True)
class Role:
    """A ClusterRole of the kit's, and whether it is bound in the whole cluster or in the kit's namespaces. `groups` are
    its further rules where LeaderWorkerSet is installed."""

    name: str
    rules: Sequence[Rule]
    everywhere: bool
    groups: Sequence[Rule] = ()

    def all_rules(self, *, multi_node: bool) -> list[Rule]:
        """Its rules in a stack with or without LeaderWorkerSet (`multiNode.enabled`)."""
        return [*self.rules, *(self.groups if multi_node else ())]


_VIEWER: Final = Role("viewer", _LOOK, True, _LOOK_AT_GROUPS)


ROLES: Final[Mapping[str, Sequence[Role]]] = {
    "viewer": (_VIEWER,),
    "operator": (_VIEWER, Role("operator", _OPERATE, False, _OPERATE_GROUPS)),
    "security": (_VIEWER, Role("security", _AUDIT, True)),
}
"""The ClusterRoles of each kind of person."""


def distinct(used: Sequence[str]) -> list[Role]:
    """The ClusterRoles that these kinds of people need, each once."""
    return list({role.name: role for kind in used for role in ROLES[kind]}.values())


def subject(kind: str) -> dict[str, Any]:
    """A binding's subject: the group of the people of a kind."""
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group(kind)}
