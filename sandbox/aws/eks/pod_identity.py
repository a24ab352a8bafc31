"""Pod Identity associations: which role the pods of a service account get."""

from __future__ import annotations

import secrets
from typing import Any

from sandbox.aws import identity
from sandbox.aws.eks.api import Call, operation, page
from sandbox.aws.eks.store import Association, Cluster, now
from sandbox.aws.errors import ApiError
from sandbox.state import ACCOUNT_ID

SERVICE = "pods.eks.amazonaws.com"


def document(cluster: Cluster, found: Association) -> dict[str, Any]:
    """The API's PodIdentityAssociation."""
    return {
        "clusterName": cluster.name,
        "namespace": found.namespace,
        "serviceAccount": found.service_account,
        "roleArn": found.role_arn,
        "associationArn": found.arn,
        "associationId": found.id,
        "tags": found.tags,
        "createdAt": found.created_at,
        "modifiedAt": found.modified_at,
        "ownerArn": found.owner_arn,
        "disableSessionTags": found.disable_session_tags,
        "targetRoleArn": found.target_role_arn,
    }


def add(
    cluster: Cluster,
    namespace: str,
    service_account: str,
    role_arn: str,
    tags: dict[str, str],
    owner: str | None = None,
) -> Association:
    """A new association; one service account has at most one."""
    for other in cluster.associations.values():
        if (other.namespace, other.service_account) == (namespace, service_account):
            raise ApiError(
                "ResourceInUseException",
                f"Association already exists: {other.id}",
                409,
                clusterName=cluster.name,
            )
    identity.require_role(role_arn, SERVICE)
    unique = "a-" + "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(17))
    arn = f"arn:aws:eks:{cluster.region}:{ACCOUNT_ID}:podidentityassociation/{cluster.name}/{unique}"
    made = Association(unique, arn, namespace, service_account, role_arn, tags, owner_arn=owner)
    cluster.associations[unique] = made
    return made


def _found(cluster: Cluster, identifier: str) -> Association:
    if identifier not in cluster.associations:
        raise ApiError(
            "ResourceNotFoundException",
            f"No pod identity association found for id: {identifier}",
            404,
            clusterName=cluster.name,
        )
    return cluster.associations[identifier]


def _refuse_unemulated(given: dict[str, Any]) -> None:
    if given.get("policy"):
        raise ApiError(
            "InvalidParameterException", "the sandbox does not emulate policy of a pod identity association"
        )


@operation("CreatePodIdentityAssociation")
def create(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Namespace and service account need not exist yet; the role must."""
    cluster = call.cluster(given["clusterName"])
    cluster.require("ACTIVE", "UPDATING")
    _refuse_unemulated(given)
    made = add(
        cluster, given["namespace"], given["serviceAccount"], given["roleArn"], dict(given.get("tags") or {})
    )
    made.disable_session_tags = bool(given.get("disableSessionTags"))
    made.target_role_arn = given.get("targetRoleArn")
    return {"association": document(cluster, made)}


@operation("DescribePodIdentityAssociation")
def describe(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """One association."""
    cluster = call.cluster(given["clusterName"])
    return {"association": document(cluster, _found(cluster, given["associationId"]))}


@operation("ListPodIdentityAssociations")
def list_associations(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Associations of the cluster, of a namespace, or of a service account."""
    cluster = call.cluster(given["clusterName"])
    keys = ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId", "ownerArn")
    found = [
        {key: document(cluster, item)[key] for key in keys}
        for item in cluster.associations.values()
        if given.get("namespace") in (None, item.namespace)
        and given.get("serviceAccount") in (None, item.service_account)
    ]
    shown, token = page(found, given)
    return {"associations": shown, "nextToken": token}


@operation("UpdatePodIdentityAssociation")
def update(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Another role, target role or session-tag setting; namespace and service account cannot change."""
    cluster = call.cluster(given["clusterName"])
    _refuse_unemulated(given)
    found = _found(cluster, given["associationId"])
    if given.get("roleArn"):
        identity.require_role(given["roleArn"], SERVICE)
        found.role_arn = given["roleArn"]
    if given.get("disableSessionTags") is not None:
        found.disable_session_tags = given["disableSessionTags"]
    if given.get("targetRoleArn") is not None:
        found.target_role_arn = given["targetRoleArn"] or None
    found.modified_at = now()
    return {"association": document(cluster, found)}


@operation("DeletePodIdentityAssociation")
def delete(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Takes the association away; one that an add-on owns goes with the add-on."""
    cluster = call.cluster(given["clusterName"])
    found = _found(cluster, given["associationId"])
    if found.owner_arn:
        raise ApiError(
            "InvalidRequestException", f"The association {found.id} is owned by {found.owner_arn}."
        )
    del cluster.associations[found.id]
    return {"association": document(cluster, found)}
