"""Managed node groups.

Why a group does not come up is told with EKS's own health issues. A group that could not be created stays in
the state, because it stays in AWS; EKS repairs no such group, so the next `up` deletes it and makes it again.
"""

from __future__ import annotations

from typing import Any, Final

from sandbox.plugins.aws.eks_common import await_gone, await_update, issues, kept
from sandbox.plugins.aws.framework import Call, Context, Inputs, ResourceType, compact, register
from sandbox.plugins.aws.table import REGION, judged, refused, replace, tags, update
from sandbox.plugins.aws.tagging import retag_map
from sandbox.plugins.aws.values import parts
from sandbox.plugins.protocol import Plain, PluginError

_ID: Final = "cluster:node-group"

_SAME_TEMPLATE: Final = (
    "UpdateNodegroupVersion takes only another version of the template that the group was made with "
    "(EKS API reference)"
)

_COPIED: Final = (
    "amiType",
    "capacityType",
    "diskSize",
    "instanceTypes",
    "labels",
    "launchTemplate",
    "nodeRepairConfig",
    "releaseVersion",
    "scalingConfig",
    "taints",
    "updateConfig",
    "version",
)
"""Inputs that EKS calls by the same names."""

_REPAIR: Final = (
    "enabled",
    "maxParallelNodesRepairedCount",
    "maxParallelNodesRepairedPercentage",
    "maxUnhealthyNodeThresholdCount",
    "maxUnhealthyNodeThresholdPercentage",
)

_REPAIR_OVERRIDE: Final = (
    "minRepairWaitTimeMins",
    "nodeMonitoringCondition",
    "nodeUnhealthyReason",
    "repairAction",
)


@register
class NodeGroup(ResourceType):
    """A group of nodes of one kind."""

    token = "aws:eks/nodeGroup:NodeGroup"  # noqa: S105 - a type token
    sdk = "eks.NodeGroup"
    cfn = "AWS::EKS::Nodegroup"
    inputs = {
        "clusterName": judged("ClusterName", required=True),
        "nodeGroupName": judged("NodegroupName", autoname=63),
        "nodeGroupNamePrefix": refused("the kit computes its names; use nodeGroupName"),
        "nodeRoleArn": judged("NodeRole", required=True),
        "subnetIds": judged("Subnets", required=True, unordered=True),
        "scalingConfig": judged(
            "ScalingConfig",
            required=True,
            fields={
                "desiredSize": judged("DesiredSize", required=True),
                "maxSize": judged("MaxSize", required=True),
                "minSize": judged("MinSize", required=True),
            },
        ),
        "amiType": judged("AmiType", computed=True),
        "capacityType": judged("CapacityType", computed=True),
        "diskSize": judged("DiskSize", computed=True),
        "instanceTypes": judged("InstanceTypes", computed=True),
        "labels": judged("Labels"),
        "launchTemplate": replace(
            cfn="LaunchTemplate",
            source=f"a group cannot be given a template later, nor lose it: {_SAME_TEMPLATE}",
            fields={
                "id": replace(cfn="Id", source=_SAME_TEMPLATE, computed=True),
                "name": replace(cfn="Name", source=_SAME_TEMPLATE, computed=True),
                "version": judged("Version", required=True),
            },
        ),
        "nodeRepairConfig": judged(
            "NodeRepairConfig",
            computed=True,
            fields={
                **{name: judged(name[0].upper() + name[1:]) for name in _REPAIR},
                "nodeRepairConfigOverrides": judged(
                    "NodeRepairConfigOverrides",
                    fields={
                        name: judged(name[0].upper() + name[1:], required=True) for name in _REPAIR_OVERRIDE
                    },
                ),
            },
        ),
        "forceUpdateVersion": update(
            cfn="ForceUpdateEnabled", source="a flag of UpdateNodegroupVersion, which EKS does not keep"
        ),
        "releaseVersion": judged("ReleaseVersion", computed=True),
        "remoteAccess": refused("nodes have no SSH: Session Manager reaches them without a port or a key"),
        "taints": judged(
            "Taints",
            unordered=True,
            fields={
                "effect": judged("Effect", required=True),
                "key": judged("Key", required=True),
                "value": judged("Value"),
            },
        ),
        "updateConfig": judged(
            "UpdateConfig",
            computed=True,
            fields={
                "maxUnavailable": judged("MaxUnavailable"),
                "maxUnavailablePercentage": judged("MaxUnavailablePercentage"),
                "updateStrategy": judged("UpdateStrategy", computed=True),
            },
        ),
        "version": judged("Version", computed=True),
        "warmPoolConfig": refused("warm pools are not emulated"),
        **tags("Tags", as_map=True),
        **REGION,
    }
    outputs = ("arn", "resources", "status")
    identity = ("clusterName", "nodeGroupName")

    def volatile(self, changed: set[str]) -> tuple[str, ...]:
        """Any change may leave the group degraded; another Kubernetes version brings its latest release."""
        return ("status", "releaseVersion") if "version" in changed else ("status",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateNodegroup."""
        params = compact(
            clusterName=inputs.get("clusterName"),
            nodegroupName=inputs.get("nodeGroupName"),
            nodeRole=inputs.get("nodeRoleArn"),
            subnets=inputs.get("subnetIds"),
            tags=inputs.get("tagsAll") or None,
            **{name: inputs.get(name) for name in _COPIED},
        )
        return [("eks", "CreateNodegroup", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is "cluster:node-group"."""
        ctx.send(self.request(ctx, inputs))
        return f"{inputs['clusterName']}:{inputs['nodeGroupName']}"

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Waits until the group has its nodes. What an earlier run failed to create is made again first."""
        if _describe(ctx, resource_id)["status"] == "CREATE_FAILED":
            ctx.log(f"{resource_id} could not be created before: deleting it and making it again")
            self.delete(ctx, resource_id, {})
            self.create(ctx, inputs)

        def settled() -> bool:
            group = _describe(ctx, resource_id)
            if group["status"] == "CREATE_FAILED":
                raise PluginError(
                    f"the node group {resource_id} could not be created: {issues(group)}. "
                    "It stays, without its nodes; the next up deletes it and tries again"
                )
            if issues(group):
                ctx.log(f"{resource_id} is {group['status']}: {issues(group)}")
            return group["status"] in {"ACTIVE", "DEGRADED"}

        ctx.wait(f"node group {resource_id} ACTIVE", settled, lambda: issues(_describe(ctx, resource_id)))
        group = _describe(ctx, resource_id)
        if group["status"] == "DEGRADED":
            ctx.warn(f"{resource_id} is DEGRADED, and EKS keeps trying: {issues(group)}")

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeNodegroup."""
        group = _describe(ctx, resource_id)
        return {
            **{name: group.get(name) for name in _COPIED},
            "launchTemplate": kept(group.get("launchTemplate"), ("id", "name", "version")),
            "clusterName": group["clusterName"],
            "nodeGroupName": group["nodegroupName"],
            "nodeRoleArn": group["nodeRole"],
            "subnetIds": group["subnets"],
            "tagsAll": group.get("tags", {}),
            "arn": group["nodegroupArn"],
            "resources": [
                {
                    "autoscalingGroups": group.get("resources", {}).get("autoScalingGroups", []),
                    "remoteAccessSecurityGroupId": group.get("resources", {}).get(
                        "remoteAccessSecurityGroup"
                    ),
                }
            ],
            "status": group["status"],
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Configuration first, as EKS takes it at once; then what replaces the nodes."""
        if _describe(ctx, resource_id)["status"] == "CREATE_FAILED":
            return  # EKS changes no such group; ready() makes it again, from the new inputs
        cluster, name = parts(resource_id, ":", _ID)
        eks = ctx.client("eks")
        config = _config_change(old, new, changed)
        if config:
            started = eks.update_nodegroup_config(clusterName=cluster, nodegroupName=name, **config)
            await_update(ctx, started, name=cluster, nodegroupName=name)
        nodes = {
            key: new[key]
            for key in sorted(changed & {"version", "releaseVersion", "launchTemplate"})
            if new.get(key)
        }
        if nodes:
            if "launchTemplate" in nodes:
                # Id and name mean the same template, and EKS takes exactly one of them.
                template = nodes["launchTemplate"]
                nodes["launchTemplate"] = kept(template, ("id" if template.get("id") else "name", "version"))
            force = compact(force=new.get("forceUpdateVersion") or None)
            started = eks.update_nodegroup_version(clusterName=cluster, nodegroupName=name, **nodes, **force)
            await_update(ctx, started, name=cluster, nodegroupName=name)
        if "tagsAll" in changed:
            retag_map(ctx, "eks", _describe(ctx, resource_id)["nodegroupArn"], old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteNodegroup, and waits until the group and its instances are gone."""
        cluster, name = parts(resource_id, ":", _ID)
        ctx.client("eks").delete_nodegroup(clusterName=cluster, nodegroupName=name)
        await_gone(ctx, f"node group {resource_id}", lambda: _describe(ctx, resource_id))


def _describe(ctx: Context, resource_id: str) -> dict[str, Any]:
    cluster, name = parts(resource_id, ":", _ID)
    found: dict[str, Any] = ctx.client("eks").describe_nodegroup(clusterName=cluster, nodegroupName=name)[
        "nodegroup"
    ]
    return found


def _config_change(old: Inputs, new: Inputs, changed: set[str]) -> dict[str, Any]:
    """The parameters of UpdateNodegroupConfig for what differs; empty when nothing of it does."""
    result: dict[str, Any] = {
        name: new[name]
        for name in sorted(changed & {"scalingConfig", "updateConfig", "nodeRepairConfig"})
        if new.get(name)
    }
    if "labels" in changed:
        before, after = old.get("labels") or {}, new.get("labels") or {}
        put = {key: value for key, value in after.items() if before.get(key) != value}
        gone = [key for key in before if key not in after]
        result["labels"] = compact(addOrUpdateLabels=put or None, removeLabels=gone)
    if "taints" in changed:
        have, want = old.get("taints") or [], new.get("taints") or []
        # EKS knows a taint by key and effect, so another value is an update of the same taint.
        names = {(taint["key"], taint["effect"]) for taint in want}
        lifted = [taint for taint in have if (taint["key"], taint["effect"]) not in names]
        laid = [taint for taint in want if taint not in have]
        result["taints"] = compact(addOrUpdateTaints=laid, removeTaints=lifted)
    return result
