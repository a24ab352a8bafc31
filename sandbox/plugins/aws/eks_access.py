"""Who may use a cluster: access entries for people, policies on them, Pod Identity associations for pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.plugins.aws.framework import Call, Context, Inputs, ResourceType, compact, register
from sandbox.plugins.aws.table import REGION, judged, refused, replace, tags
from sandbox.plugins.aws.tagging import retag_map
from sandbox.plugins.aws.values import parts, stamp
from sandbox.plugins.protocol import Plain

_ENTRY_ID = "cluster:principal-arn"
_POLICY_ID = "cluster#principal-arn#policy-arn"
_ASSOCIATION_ID = "cluster,association-id"


@register
class AccessEntry(ResourceType):
    """An IAM principal that the cluster's API lets in."""

    token = "aws:eks/accessEntry:AccessEntry"  # noqa: S105 - a type token
    sdk = "eks.AccessEntry"
    cfn = "AWS::EKS::AccessEntry"
    inputs = {
        "clusterName": judged("ClusterName", required=True),
        "principalArn": judged("PrincipalArn", required=True),
        "kubernetesGroups": judged("KubernetesGroups", unordered=True, computed=True),
        "type": judged("Type", default="STANDARD"),
        "userName": judged("Username", computed=True),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("accessEntryArn", "createdAt", "modifiedAt")
    identity = ("clusterName", "principalArn")

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateAccessEntry."""
        params = compact(
            clusterName=inputs.get("clusterName"),
            principalArn=inputs.get("principalArn"),
            kubernetesGroups=inputs.get("kubernetesGroups"),
            type=inputs.get("type"),
            username=inputs.get("userName"),
            tags=inputs.get("tagsAll") or None,
        )
        return [("eks", "CreateAccessEntry", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is "cluster:principal-arn"."""
        ctx.send(self.request(ctx, inputs))
        return f"{inputs['clusterName']}:{inputs['principalArn']}"

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeAccessEntry."""
        cluster, principal = _entry_parts(resource_id)
        entry = ctx.client("eks").describe_access_entry(clusterName=cluster, principalArn=principal)[
            "accessEntry"
        ]
        return {
            "clusterName": cluster,
            "principalArn": principal,
            "kubernetesGroups": entry.get("kubernetesGroups", []),
            "type": entry["type"],
            "userName": entry["username"],
            "tagsAll": entry.get("tags", {}),
            "accessEntryArn": entry["accessEntryArn"],
            "createdAt": stamp(entry["createdAt"]),
            "modifiedAt": stamp(entry["modifiedAt"]),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """UpdateAccessEntry, for what it takes."""
        cluster, principal = _entry_parts(resource_id)
        eks = ctx.client("eks")
        if changed & {"kubernetesGroups", "userName"}:
            groups = {"kubernetesGroups": new.get("kubernetesGroups") or []}
            user = compact(username=new.get("userName"))
            eks.update_access_entry(clusterName=cluster, principalArn=principal, **groups, **user)
        if "tagsAll" in changed:
            entry = eks.describe_access_entry(clusterName=cluster, principalArn=principal)["accessEntry"]
            retag_map(ctx, "eks", entry["accessEntryArn"], old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteAccessEntry; its policies go with it."""
        cluster, principal = _entry_parts(resource_id)
        ctx.client("eks").delete_access_entry(clusterName=cluster, principalArn=principal)


@register
class AccessPolicyAssociation(ResourceType):
    """One access policy on one entry, in a scope."""

    token = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"  # noqa: S105 - a type token
    sdk = "eks.AccessPolicyAssociation"
    cfn = "AWS::EKS::AccessEntry"
    inputs = {
        "clusterName": judged("ClusterName", required=True),
        "principalArn": judged("PrincipalArn", required=True),
        "policyArn": replace(
            cfn="AccessPolicies/PolicyArn",
            required=True,
            source="EKS knows an association by cluster, principal and policy: another policy is another one",
        ),
        "accessScope": judged(
            "AccessPolicies/AccessScope",
            required=True,
            fields={
                "type": judged("Type", required=True),
                "namespaces": judged("Namespaces", unordered=True),
            },
        ),
        **REGION,
    }
    outputs = ("associatedAt", "modifiedAt")
    identity = ("clusterName", "principalArn", "policyArn")

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """AssociateAccessPolicy, which also replaces the scope of an association that is there."""
        params = compact(
            clusterName=inputs.get("clusterName"),
            principalArn=inputs.get("principalArn"),
            policyArn=inputs.get("policyArn"),
            accessScope=inputs.get("accessScope"),
        )
        return [("eks", "AssociateAccessPolicy", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is "cluster#principal-arn#policy-arn"."""
        ctx.send(self.request(ctx, inputs))
        return f"{inputs['clusterName']}#{inputs['principalArn']}#{inputs['policyArn']}"

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """Looks among the entry's policies."""
        cluster, principal, policy = parts(resource_id, "#", _POLICY_ID)
        for found in _associated(ctx, cluster, principal):
            if found["policyArn"] == policy:
                return {
                    "clusterName": cluster,
                    "principalArn": principal,
                    "policyArn": policy,
                    "accessScope": found["accessScope"],
                    "associatedAt": stamp(found["associatedAt"]),
                    "modifiedAt": stamp(found["modifiedAt"]),
                }
        return None

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Associates again with the new scope."""
        ctx.send(self.request(ctx, new))

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DisassociateAccessPolicy."""
        cluster, principal, policy = parts(resource_id, "#", _POLICY_ID)
        ctx.client("eks").disassociate_access_policy(
            clusterName=cluster, principalArn=principal, policyArn=policy
        )


@register
class PodIdentityAssociation(ResourceType):
    """The role that the pods of one service account get."""

    token = "aws:eks/podIdentityAssociation:PodIdentityAssociation"  # noqa: S105 - a type token
    sdk = "eks.PodIdentityAssociation"
    cfn = "AWS::EKS::PodIdentityAssociation"
    inputs = {
        "clusterName": judged("ClusterName", required=True),
        "namespace": judged("Namespace", required=True),
        "serviceAccount": judged("ServiceAccount", required=True),
        "roleArn": judged("RoleArn", required=True),
        "disableSessionTags": judged("DisableSessionTags", computed=True),
        "policy": refused(
            "a session policy on an association is not emulated; put the limit into the role's policy"
        ),
        "targetRoleArn": judged("TargetRoleArn"),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("associationArn", "associationId", "externalId")
    identity = ("clusterName", "namespace", "serviceAccount")

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreatePodIdentityAssociation."""
        params = compact(
            clusterName=inputs.get("clusterName"),
            namespace=inputs.get("namespace"),
            serviceAccount=inputs.get("serviceAccount"),
            roleArn=inputs.get("roleArn"),
            disableSessionTags=inputs.get("disableSessionTags"),
            targetRoleArn=inputs.get("targetRoleArn"),
            tags=inputs.get("tagsAll") or None,
        )
        return [("eks", "CreatePodIdentityAssociation", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is "cluster,association-id"."""
        made = ctx.send(self.request(ctx, inputs))["association"]
        return f"{made['clusterName']},{made['associationId']}"

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribePodIdentityAssociation."""
        found = _association(ctx, resource_id)
        return {
            "clusterName": found["clusterName"],
            "namespace": found["namespace"],
            "serviceAccount": found["serviceAccount"],
            "roleArn": found["roleArn"],
            "disableSessionTags": found.get("disableSessionTags"),
            "targetRoleArn": found.get("targetRoleArn"),
            "tagsAll": found.get("tags", {}),
            "associationArn": found["associationArn"],
            "associationId": found["associationId"],
            "externalId": found.get("externalId"),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """UpdatePodIdentityAssociation; an empty target role takes it away."""
        cluster, association = parts(resource_id, ",", _ASSOCIATION_ID)
        wanted: dict[str, Any] = {name: new[name] for name in changed & {"roleArn", "disableSessionTags"}}
        if "targetRoleArn" in changed:
            wanted["targetRoleArn"] = new.get("targetRoleArn") or ""
        if wanted:
            ctx.client("eks").update_pod_identity_association(
                clusterName=cluster, associationId=association, **wanted
            )
        if "tagsAll" in changed:
            retag_map(ctx, "eks", _association(ctx, resource_id)["associationArn"], old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeletePodIdentityAssociation."""
        cluster, association = parts(resource_id, ",", _ASSOCIATION_ID)
        ctx.client("eks").delete_pod_identity_association(clusterName=cluster, associationId=association)


def _associated(ctx: Context, cluster: str, principal: str) -> Iterator[dict[str, Any]]:
    pages = ctx.client("eks").get_paginator("list_associated_access_policies")
    for page in pages.paginate(clusterName=cluster, principalArn=principal):
        yield from page["associatedAccessPolicies"]


def _association(ctx: Context, resource_id: str) -> dict[str, Any]:
    cluster, association = parts(resource_id, ",", _ASSOCIATION_ID)
    found: dict[str, Any] = ctx.client("eks").describe_pod_identity_association(
        clusterName=cluster, associationId=association
    )["association"]
    return found


def _entry_parts(resource_id: str) -> tuple[str, str]:
    cluster, principal = parts(resource_id, ":", _ENTRY_ID)
    return cluster, principal
