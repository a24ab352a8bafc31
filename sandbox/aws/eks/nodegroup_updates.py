"""Changes of a node group: sizes, labels and taints at once; versions and templates by replacing
instances."""

from __future__ import annotations

import time
from typing import Any

from sandbox.aws.eks import nodegroup_rules as rules
from sandbox.aws.eks.api import Call, operation
from sandbox.aws.eks.store import Cluster, NodeGroup, Update, now
from sandbox.aws.errors import ApiError


def _require_idle(cluster: Cluster, group: NodeGroup) -> None:
    if group.status not in ("ACTIVE", "DEGRADED"):
        raise ApiError(
            "ResourceInUseException",
            f"Nodegroup cannot be updated as it is currently not in Active State: "
            f"{group.name} is {group.status}",
            409,
            clusterName=cluster.name,
            nodegroupName=group.name,
        )


@operation("UpdateNodegroupConfig")
def update_config(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Sizes, labels, taints and rollout settings. New labels and taints reach new nodes and, as on EKS,
    present ones."""
    cluster = call.cluster(given["clusterName"])
    group = cluster.nodegroup(given["nodegroupName"])
    _require_idle(cluster, group)
    if given.get("warmPoolConfig"):
        raise ApiError(
            "InvalidParameterException",
            "the sandbox does not emulate warmPoolConfig of UpdateNodegroupConfig",
        )
    params: dict[str, Any] = {}
    if given.get("scalingConfig"):
        group.scaling = rules.check_scaling({**group.scaling, **given["scalingConfig"]})
        params.update({name[0].upper() + name[1:]: value for name, value in given["scalingConfig"].items()})
    _change_labels(group, given.get("labels") or {}, params)
    _change_taints(group, given.get("taints") or {}, params)
    if given.get("updateConfig"):
        group.update_config = rules.check_update_config(given["updateConfig"])
        params.update({name[0].upper() + name[1:]: value for name, value in given["updateConfig"].items()})
    if given.get("nodeRepairConfig"):
        group.request = {**group.request, "nodeRepairConfig": given["nodeRepairConfig"]}
        params["NodeRepairEnabled"] = given["nodeRepairConfig"].get("enabled")
    if not params:
        raise ApiError(
            "InvalidParameterException", "No changes needed for node group: give at least one change."
        )
    return _start(cluster, group, Update("ConfigUpdate", params, nodegroup=group.name))


def _change_labels(group: NodeGroup, change: dict[str, Any], params: dict[str, Any]) -> None:
    added, removed = change.get("addOrUpdateLabels") or {}, change.get("removeLabels") or []
    if added:
        params["LabelsToAdd"] = added
    if removed:
        params["LabelsToRemove"] = removed
    group.labels = {k: v for k, v in {**group.labels, **added}.items() if k not in removed}


def _change_taints(group: NodeGroup, change: dict[str, Any], params: dict[str, Any]) -> None:
    added, removed = change.get("addOrUpdateTaints") or [], change.get("removeTaints") or []
    if added:
        params["TaintsToAdd"] = added
    if removed:
        params["TaintsToRemove"] = removed
    replaced = {(t["key"], t["effect"]) for t in (*added, *removed)}
    group.taints = rules.check_taints(
        [*(t for t in group.taints if (t["key"], t["effect"]) not in replaced), *added]
    )


@operation("UpdateNodegroupVersion")
def update_version(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Another Kubernetes version, release or launch template version: every instance is replaced."""
    cluster = call.cluster(given["clusterName"])
    group = cluster.nodegroup(given["nodegroupName"])
    _require_idle(cluster, group)
    before = {
        "version": group.version,
        "release_version": group.release_version,
        "template": group.template,
        "instance_types": group.instance_types,
        "generation": group.generation,
    }
    params: dict[str, Any] = {}
    if given.get("launchTemplate"):
        if group.template is None:
            raise ApiError(
                "InvalidParameterException",
                "A node group made without a launch template cannot be given one.",
            )
        template, data = rules.template_of(call.region, given["launchTemplate"])
        if template["id"] != group.template["id"]:
            raise ApiError(
                "InvalidParameterException",
                "A node group keeps its launch template: only its version can change.",
            )
        rules.check_template({"instanceTypes": group.request.get("instanceTypes")}, data)
        group.template = template
        group.instance_types = group.request.get("instanceTypes") or [
            data.get("InstanceType") or rules.DEFAULT_INSTANCE_TYPE
        ]
        params["LaunchTemplateVersion"] = template["version"]
    elif not given.get("releaseVersion"):
        given = {**given, "version": given.get("version") or cluster.version}
    if given.get("version"):
        rules.check_version(cluster, given["version"])
        group.version = params["Version"] = given["version"]
        group.release_version = given.get("releaseVersion") or f"{group.version}.0-sandbox"
    if given.get("releaseVersion"):
        group.release_version = given["releaseVersion"]
    params["ReleaseVersion"] = group.release_version
    group.before = before
    group.generation += 1
    return _start(cluster, group, Update("VersionUpdate", params, nodegroup=group.name))


def _start(cluster: Cluster, group: NodeGroup, update: Update) -> dict[str, Any]:
    group.update = cluster.start(update)
    group.status, group.modified_at, group.since = "UPDATING", now(), time.monotonic()
    return {"update": update.document()}
