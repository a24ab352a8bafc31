"""EKS add-ons.

Blind spot: the sandbox keeps an add-on's version and life, but runs none of its pods; what the kit needs of
an add-on on the nodes (network, DNS) is the emulated node's.
"""

from __future__ import annotations

from typing import Any, Final

from sandbox.plugins.aws.eks_common import await_gone, await_update, issues
from sandbox.plugins.aws.framework import Call, Context, Inputs, ResourceType, compact, register
from sandbox.plugins.aws.table import REGION, judged, refused, tags, update
from sandbox.plugins.aws.tagging import retag_map
from sandbox.plugins.aws.values import parts, stamp
from sandbox.plugins.protocol import Plain, PluginError

_ID: Final = "cluster:addon"


@register
class Addon(ResourceType):
    """An add-on that EKS keeps on a cluster."""

    token = "aws:eks/addon:Addon"  # noqa: S105 - a type token
    sdk = "eks.Addon"
    cfn = "AWS::EKS::Addon"
    inputs = {
        "addonName": judged("AddonName", required=True),
        "clusterName": judged("ClusterName", required=True),
        "addonVersion": judged("AddonVersion", computed=True),
        "configurationValues": judged("ConfigurationValues", computed=True),
        "namespaceConfig": refused("the sandbox's add-ons live in kube-system"),
        "podIdentityAssociations": judged(
            "PodIdentityAssociations",
            unordered=True,
            fields={
                "roleArn": judged("RoleArn", required=True),
                "serviceAccount": judged("ServiceAccount", required=True),
            },
        ),
        "preserve": update(cfn="PreserveOnDelete", source="a flag of DeleteAddon, which EKS does not keep"),
        "resolveConflictsOnCreate": update(
            cfn="ResolveConflicts", source="a parameter of CreateAddon, which EKS does not keep"
        ),
        "resolveConflictsOnUpdate": update(
            cfn="ResolveConflicts", source="a parameter of UpdateAddon, which EKS does not keep"
        ),
        "serviceAccountRoleArn": judged("ServiceAccountRoleArn", computed=True),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn", "createdAt", "modifiedAt")
    identity = ("clusterName", "addonName")

    def volatile(self, changed: set[str]) -> tuple[str, ...]:
        """Every change moves the time of the last one."""
        return ("modifiedAt",)

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """At creation nothing is there yet that could be preserved."""
        if inputs.get("resolveConflictsOnCreate") == "PRESERVE":
            return [
                (
                    "resolveConflictsOnCreate",
                    "'PRESERVE' is none of the values that the SDK documents for creation: NONE, OVERWRITE",
                )
            ]
        return []

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateAddon."""
        params = compact(
            clusterName=inputs.get("clusterName"),
            addonName=inputs.get("addonName"),
            resolveConflicts=inputs.get("resolveConflictsOnCreate"),
            tags=inputs.get("tagsAll") or None,
            **_settings(inputs),
        )
        return [("eks", "CreateAddon", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is "cluster:addon"."""
        ctx.send(self.request(ctx, inputs))
        return f"{inputs['clusterName']}:{inputs['addonName']}"

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Waits until it is ACTIVE. A DEGRADED one is waited for too, with its reason: most need a node."""
        cluster, name = parts(resource_id, ":", _ID)

        def active() -> bool:
            addon = _describe(ctx, resource_id)
            if addon["status"] in {"CREATE_FAILED", "UPDATE_FAILED"}:
                raise PluginError(f"the add-on {name} on {cluster} is {addon['status']}: {issues(addon)}")
            if addon["status"] == "DEGRADED":
                ctx.log(f"{name} is DEGRADED: {issues(addon)}")
            return bool(addon["status"] == "ACTIVE")

        ctx.wait(f"add-on {name} on {cluster} ACTIVE", active, lambda: issues(_describe(ctx, resource_id)))

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeAddon; its Pod Identity associations are described one by one."""
        addon = _describe(ctx, resource_id)
        return {
            "clusterName": addon["clusterName"],
            "addonName": addon["addonName"],
            "addonVersion": addon["addonVersion"],
            "configurationValues": addon.get("configurationValues"),
            "serviceAccountRoleArn": addon.get("serviceAccountRoleArn"),
            "podIdentityAssociations": _associations(ctx, addon),
            "tagsAll": addon.get("tags", {}),
            "arn": addon["addonArn"],
            "createdAt": stamp(addon["createdAt"]),
            "modifiedAt": stamp(addon["modifiedAt"]),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """UpdateAddon, which keeps what it is not given."""
        cluster, name = parts(resource_id, ":", _ID)
        wanted = {key: value for key, value in _settings(new).items() if key in changed and value is not None}
        if "podIdentityAssociations" in changed:
            wanted["podIdentityAssociations"] = new.get("podIdentityAssociations") or []
        if wanted:
            conflicts = compact(resolveConflicts=new.get("resolveConflictsOnUpdate"))
            started = ctx.client("eks").update_addon(
                clusterName=cluster, addonName=name, **wanted, **conflicts
            )
            await_update(ctx, started, name=cluster, addonName=name)
        if "tagsAll" in changed:
            retag_map(ctx, "eks", _describe(ctx, resource_id)["addonArn"], old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteAddon, and waits until it is gone."""
        cluster, name = parts(resource_id, ":", _ID)
        ctx.client("eks").delete_addon(
            clusterName=cluster, addonName=name, preserve=bool(state.get("preserve"))
        )
        await_gone(ctx, f"add-on {name} of {cluster}", lambda: _describe(ctx, resource_id))


def _settings(inputs: Inputs) -> dict[str, Plain]:
    names = ("addonVersion", "configurationValues", "serviceAccountRoleArn", "podIdentityAssociations")
    return {name: inputs.get(name) for name in names}


def _describe(ctx: Context, resource_id: str) -> dict[str, Any]:
    cluster, name = parts(resource_id, ":", _ID)
    found: dict[str, Any] = ctx.client("eks").describe_addon(clusterName=cluster, addonName=name)["addon"]
    return found


def _associations(ctx: Context, addon: dict[str, Any]) -> list[dict[str, str]]:
    described = (
        ctx.client("eks").describe_pod_identity_association(
            clusterName=addon["clusterName"], associationId=arn.rpartition("/")[2]
        )["association"]
        for arn in addon.get("podIdentityAssociations", [])
    )
    return [{"roleArn": one["roleArn"], "serviceAccount": one["serviceAccount"]} for one in described]
