"""Access entries and the access policies associated with them."""

from __future__ import annotations

import re
from typing import Any

from sandbox.aws import identity
from sandbox.aws.eks.api import Call, operation, page
from sandbox.aws.eks.store import AccessEntry, Cluster, now
from sandbox.aws.eks.tables import ACCESS_POLICIES, RESERVED_GROUP_PREFIXES
from sandbox.aws.errors import ApiError
from sandbox.state import ACCOUNT_ID

POLICY_ARN = "arn:aws:eks::aws:cluster-access-policy/{}"
NODE_USERNAME = "system:node:{{EC2PrivateDNSName}}"
NODE_GROUPS = ["system:nodes"]
_PRINCIPAL = re.compile(r"arn:aws[\w-]*:iam::(\d{12}):(role|user)/(.+)")


def document(cluster: Cluster, entry: AccessEntry) -> dict[str, Any]:
    """The API's AccessEntry."""
    return {
        "clusterName": cluster.name,
        "principalArn": entry.principal_arn,
        "kubernetesGroups": entry.groups,
        "accessEntryArn": entry.arn,
        "createdAt": entry.created_at,
        "modifiedAt": entry.modified_at,
        "tags": entry.tags,
        "username": entry.username,
        "type": entry.type,
    }


def _association(arn: str, policy: dict[str, Any]) -> dict[str, Any]:
    return {"policyArn": arn, **policy}


def _entry(cluster: Cluster, principal: str) -> AccessEntry:
    _require_api_mode(cluster)
    if principal not in cluster.access:
        raise ApiError(
            "ResourceNotFoundException",
            f"The specified principalArn could not be found: {principal}",
            404,
            clusterName=cluster.name,
        )
    return cluster.access[principal]


def _require_api_mode(cluster: Cluster) -> None:
    if cluster.access_config["authenticationMode"] == "CONFIG_MAP":
        raise ApiError(
            "InvalidRequestException",
            "The cluster's authentication mode must be set to one of "
            "[API, API_AND_CONFIG_MAP] to perform this operation.",
            clusterName=cluster.name,
        )


def _new(
    cluster: Cluster, principal: str, kind: str, username: str | None, groups: list[str], tags: dict[str, str]
) -> AccessEntry:
    match = _PRINCIPAL.fullmatch(principal)
    if match is None:
        raise ApiError(
            "InvalidParameterException",
            f"The specified principalArn is invalid: {principal}: give the ARN of "
            "an IAM role or user, not of a session or an account.",
            clusterName=cluster.name,
        )
    account, noun, path = match.groups()
    name = path.rpartition("/")[2]
    # A role acts through sessions, so its default name carries the session's (EKS user guide,
    # creating-access-entries).
    session = f"arn:aws:sts::{account}:assumed-role/{name}/{{{{SessionName}}}}"
    default = session if noun == "role" else principal
    unique = cluster.oidc_id[:8].lower()
    arn = (
        f"arn:aws:eks:{cluster.region}:{ACCOUNT_ID}:access-entry/"
        f"{cluster.name}/{noun}/{account}/{name}/{unique}"
    )
    entry = AccessEntry(principal, kind, username or default, groups, tags, arn)
    cluster.access[principal] = entry
    return entry


def add_creator(cluster: Cluster, principal: str) -> None:
    """The creator's entry: administrator of the whole cluster."""
    entry = _new(cluster, principal, "STANDARD", None, [], {})
    entry.policies[POLICY_ARN.format("AmazonEKSClusterAdminPolicy")] = _scoped(
        {"type": "cluster", "namespaces": []}
    )


def add_node_role(cluster: Cluster, role: str) -> None:
    """The entry that EKS makes itself so that a managed node group's nodes may join."""
    if cluster.access_config["authenticationMode"] != "CONFIG_MAP" and role not in cluster.access:
        _new(cluster, role, "EC2_LINUX", NODE_USERNAME, list(NODE_GROUPS), {})


def _scoped(scope: dict[str, Any]) -> dict[str, Any]:
    return {"accessScope": scope, "associatedAt": now(), "modifiedAt": now()}


@operation("CreateAccessEntry")
def create(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """A new entry for an IAM principal that exists."""
    cluster = call.cluster(given["clusterName"])
    _require_api_mode(cluster)
    cluster.require("ACTIVE", "UPDATING")
    principal, kind = given["principalArn"], given.get("type") or "STANDARD"
    if principal in cluster.access:
        raise ApiError(
            "ResourceInUseException",
            "The specified access entry resource is already in use on this cluster.",
            409,
            clusterName=cluster.name,
        )
    groups, username = given.get("kubernetesGroups") or [], given.get("username")
    tags = dict(given.get("tags") or {})
    if kind != "STANDARD":
        if groups or username:
            raise ApiError(
                "InvalidParameterException",
                f"The type {kind} sets its own user name and groups: leave both out.",
            )
        username, groups = NODE_USERNAME, list(NODE_GROUPS)
    else:
        _check_groups(groups)
        _check_username(username)
    if not identity.principal_exists(principal):
        raise ApiError(
            "InvalidParameterException",
            "The specified principalArn is invalid: invalid principal.",
            clusterName=cluster.name,
        )
    return {"accessEntry": document(cluster, _new(cluster, principal, kind, username, groups, tags))}


def _check_groups(groups: list[str]) -> None:
    for group in groups:
        if group.startswith(RESERVED_GROUP_PREFIXES):
            raise ApiError(
                "InvalidParameterException",
                f"The Kubernetes group name {group} is invalid, it cannot start with "
                f"any of the following strings: {', '.join(RESERVED_GROUP_PREFIXES)}.",
            )


def _check_username(username: str | None) -> None:
    if username and username.startswith(RESERVED_GROUP_PREFIXES):
        raise ApiError(
            "InvalidParameterException",
            f"The username {username} cannot start with any of the following strings: "
            f"{', '.join(RESERVED_GROUP_PREFIXES)}.",
        )


@operation("DescribeAccessEntry")
def describe(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """One entry."""
    cluster = call.cluster(given["clusterName"])
    return {"accessEntry": document(cluster, _entry(cluster, given["principalArn"]))}


@operation("ListAccessEntries")
def list_entries(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Principals with an entry, or those associated with one policy."""
    cluster = call.cluster(given["clusterName"])
    _require_api_mode(cluster)
    policy = given.get("associatedPolicyArn")
    found = sorted(p for p, entry in cluster.access.items() if policy is None or policy in entry.policies)
    principals, token = page(found, given)
    return {"accessEntries": principals, "nextToken": token}


@operation("UpdateAccessEntry")
def update(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """New groups or a new user name; what is left out stays."""
    cluster = call.cluster(given["clusterName"])
    entry = _entry(cluster, given["principalArn"])
    if entry.type != "STANDARD":
        raise ApiError("InvalidRequestException", f"An access entry of type {entry.type} cannot be changed.")
    groups = given.get("kubernetesGroups")
    if groups is not None:
        _check_groups(groups)
        entry.groups = groups
    if given.get("username"):
        _check_username(given["username"])
        entry.username = given["username"]
    entry.modified_at = now()
    return {"accessEntry": document(cluster, entry)}


@operation("DeleteAccessEntry")
def delete(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """The entry and its associations."""
    cluster = call.cluster(given["clusterName"])
    _entry(cluster, given["principalArn"])
    del cluster.access[given["principalArn"]]
    return {}


@operation("AssociateAccessPolicy")
def associate(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Grants a policy in a scope; the same policy again replaces the scope."""
    cluster = call.cluster(given["clusterName"])
    entry = _entry(cluster, given["principalArn"])
    arn, scope = given["policyArn"], {"namespaces": [], **given["accessScope"]}
    if arn not in {POLICY_ARN.format(name) for name in ACCESS_POLICIES}:
        raise ApiError(
            "InvalidParameterException",
            f"The specified policyArn is invalid: {arn}: list-access-policies names all.",
        )
    if entry.type != "STANDARD":
        raise ApiError(
            "InvalidRequestException",
            f"An access policy cannot be associated with an entry of type {entry.type}.",
        )
    if (scope.get("type") == "namespace") != bool(scope["namespaces"]):
        raise ApiError(
            "InvalidParameterException",
            "An access scope of type namespace names namespaces, one of type cluster none.",
        )
    entry.policies[arn] = _scoped(scope)
    return {
        "clusterName": cluster.name,
        "principalArn": entry.principal_arn,
        "associatedAccessPolicy": _association(arn, entry.policies[arn]),
    }


@operation("DisassociateAccessPolicy")
def disassociate(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Takes a policy away."""
    cluster = call.cluster(given["clusterName"])
    entry = _entry(cluster, given["principalArn"])
    if entry.policies.pop(given["policyArn"], None) is None:
        raise ApiError(
            "ResourceNotFoundException",
            f"The policy {given['policyArn']} is not associated with {entry.principal_arn}",
            404,
            clusterName=cluster.name,
        )
    return {}


@operation("ListAssociatedAccessPolicies")
def list_associated(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Policies of one entry."""
    cluster = call.cluster(given["clusterName"])
    entry = _entry(cluster, given["principalArn"])
    shown, token = page([_association(arn, policy) for arn, policy in sorted(entry.policies.items())], given)
    return {
        "clusterName": cluster.name,
        "principalArn": entry.principal_arn,
        "associatedAccessPolicies": shown,
        "nextToken": token,
    }


@operation("ListAccessPolicies")
def list_policies(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Every access policy that EKS offers."""
    shown, token = page([{"name": name, "arn": POLICY_ARN.format(name)} for name in ACCESS_POLICIES], given)
    return {"accessPolicies": shown, "nextToken": token}
