"""People in the cluster: an access entry for each principal, and RBAC roles of the kit's own.

EKS's access policies are not used for them: AmazonEKSViewPolicy and its kin read more than a viewer here, and what
they allow is AWS's to change. An entry gives a Kubernetes group, and the group's rights stand in the cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.plans import access_roles
from bastide.settings import Settings


@dataclass(frozen=True)
class AccessEntriesArgs:
    """The stack's settings and the cluster."""

    settings: Settings
    cluster_name: pulumi.Input[str]


class AccessEntries(pulumi.ComponentResource):
    """One entry for each viewer, operator and security principal, with the group of its role."""

    def __init__(
        self, name: str, args: AccessEntriesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("bastide:access:AccessEntries", name, None, opts)
        for role, principals in args.settings.access.by_role().items():
            for principal in principals:
                aws.eks.AccessEntry(
                    f"{name}-{role}-{names.of_principal(principal)}",
                    cluster_name=args.cluster_name,
                    principal_arn=principal,
                    kubernetes_groups=[access_roles.group(role)],
                    type="STANDARD",
                    opts=pulumi.ResourceOptions(parent=self),
                )
        self.register_outputs({})


@dataclass(frozen=True)
class AccessRolesArgs:
    """The stack's settings, and the namespaces in which operators work."""

    settings: Settings
    namespaces: Sequence[str]


class AccessRoles(pulumi.ComponentResource):
    """The ClusterRoles that somebody has, and their bindings to groups."""

    def __init__(self, name: str, args: AccessRolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:access:AccessRoles", name, None, opts)
        self._name, self._settings = name, args.settings
        used = [kind for kind, principals in args.settings.access.by_role().items() if principals]
        roles = {role.name: self._role(role) for role in access_roles.distinct(used)}
        for kind in used:
            for role in access_roles.ROLES[kind]:
                if role.everywhere:
                    self._bind(kind, role, roles[role.name], None)
                else:
                    for namespace in args.namespaces:
                        self._bind(kind, role, roles[role.name], namespace)
        self.register_outputs({"roles": list(roles)})

    def _labels(self) -> dict[str, str]:
        return names.labels("bastide", self._settings.name, "access")

    def _role(self, role: access_roles.Role) -> kubernetes.rbac.v1.ClusterRole:
        return kubernetes.rbac.v1.ClusterRole(
            f"{self._name}-{role.name}",
            metadata={"name": access_roles.cluster_role(role.name), "labels": self._labels()},
            rules=[
                kubernetes.rbac.v1.PolicyRuleArgs(
                    api_groups=list(rule["apiGroups"]),
                    resources=list(rule["resources"]),
                    verbs=list(rule["verbs"]),
                )
                for rule in role.all_rules(multi_node=self._settings.multi_node.enabled)
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _bind(
        self, kind: str, role: access_roles.Role, needed: pulumi.Resource, namespace: str | None
    ) -> None:
        named = f"{access_roles.cluster_role(kind)}-{role.name}"
        reference = {
            "api_group": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": access_roles.cluster_role(role.name),
        }
        options = pulumi.ResourceOptions(parent=self, depends_on=[needed])
        if namespace is None:
            kubernetes.rbac.v1.ClusterRoleBinding(
                f"{self._name}-{kind}-{role.name}",
                metadata={"name": named, "labels": self._labels()},
                role_ref=reference,
                subjects=[_subject(kind)],
                opts=options,
            )
        else:
            kubernetes.rbac.v1.RoleBinding(
                f"{self._name}-{kind}-{role.name}-{namespace}",
                metadata={"name": named, "namespace": namespace, "labels": self._labels()},
                role_ref=reference,
                subjects=[_subject(kind)],
                opts=options,
            )


def _subject(kind: str) -> kubernetes.rbac.v1.SubjectArgs:
    found = access_roles.subject(kind)
    return kubernetes.rbac.v1.SubjectArgs(api_group=found["apiGroup"], kind=found["kind"], name=found["name"])
