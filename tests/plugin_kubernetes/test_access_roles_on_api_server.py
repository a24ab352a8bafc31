"""A real API server's answer to who may do what, with the kit's roles as its RBAC."""

from __future__ import annotations

from typing import Any

import pytest

from bastide.plans import access_roles
from sandbox.cluster.control_plane import ControlPlane

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("plugin-kubernetes")]

RBAC = "/apis/rbac.authorization.k8s.io/v1"
OURS = "bastide-serving"


@pytest.fixture(scope="module")
def applied(plane: ControlPlane) -> ControlPlane:
    kube = plane.kube
    about = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OURS}}
    kube.apply(f"/api/v1/namespaces/{OURS}", about)
    for role in access_roles.distinct(list(access_roles.ROLES)):
        name = access_roles.cluster_role(role.name)
        document = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": [dict(rule) for rule in role.rules],
        }
        kube.apply(f"{RBAC}/clusterroles/{name}", document)
    for kind, roles in access_roles.ROLES.items():
        for role in roles:
            name = f"{kind}-{role.name}"
            binding: dict[str, Any] = {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding" if role.everywhere else "RoleBinding",
                "metadata": {"name": name},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": access_roles.cluster_role(role.name),
                },
                "subjects": [access_roles.subject(kind)],
            }
            where = "clusterrolebindings" if role.everywhere else f"namespaces/{OURS}/rolebindings"
            kube.apply(f"{RBAC}/{where}/{name}", binding)
    return plane


def may(plane: ControlPlane, kind: str, verb: str, resource: str, namespace: str = OURS) -> bool:
    """What the API server says to `kubectl auth can-i` of somebody in the kind's group."""
    group, _, named = (
        resource.rpartition("/") if resource.count("/") and "." in resource else ("", "", resource)
    )
    kinds, _, subresource = named.partition(":")
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "somebody",
            "groups": [access_roles.group(kind), "system:authenticated"],
            "resourceAttributes": {
                "namespace": namespace,
                "verb": verb,
                "group": group or ("apps" if kinds in ("deployments", "statefulsets") else ""),
                "resource": kinds,
                "subresource": subresource,
            },
        },
    }
    answer = plane.kube.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


RBAC_ROLES = "rbac.authorization.k8s.io/clusterroles"
REVIEWS = "authorization.k8s.io/subjectaccessreviews"
ADMISSION = "admissionregistration.k8s.io/validatingadmissionpolicies"


@pytest.mark.parametrize(
    ("verb", "resource", "namespace", "who"),
    [
        ("list", "pods", "kube-system", "viewer operator security"),
        ("get", "nodes", "", "viewer operator security"),
        ("get", "secrets", OURS, ""),
        ("list", "secrets", "", ""),
        ("get", "pods:log", OURS, "operator"),
        ("get", "pods:log", "kube-system", ""),
        ("delete", "pods", OURS, "operator"),
        ("delete", "pods", "kube-system", ""),
        ("create", "pods:eviction", OURS, "operator"),
        ("create", "pods:exec", OURS, ""),
        ("create", "pods", OURS, ""),
        ("patch", "deployments:scale", OURS, "operator"),
        ("patch", "statefulsets:scale", OURS, "operator"),
        ("patch", "deployments", OURS, ""),
        ("create", "serviceaccounts:token", OURS, ""),
        ("list", RBAC_ROLES, "", "security"),
        ("create", RBAC_ROLES, "", ""),
        ("escalate", RBAC_ROLES, "", ""),
        ("list", ADMISSION, "", "security"),
        ("delete", ADMISSION, "", ""),
        ("create", REVIEWS, "", "security"),
        ("impersonate", "users", "", ""),
    ],
)
def test_exactly_these_people_may(
    applied: ControlPlane, verb: str, resource: str, namespace: str, who: str
) -> None:
    allowed = {kind for kind in access_roles.ROLES if may(applied, kind, verb, resource, namespace)}
    assert allowed == set(who.split())
