"""Changes of a node group: sizes, labels and taints at once; versions and templates by replacing
instances."""

from __future__ import annotations

import time
from typing import Any

from sandbox.aws.eks import capacity_rules, releases
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
        rules.check_repair(given["nodeRepairConfig"])
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
    if group.request.get("capacityType") == capacity_rules.BLOCK and group.scaling["desiredSize"]:
        raise ApiError(
            "InvalidRequestException",
            "When a node group with a Capacity Block is upgraded its desired size must be 0 (EKS user guide, "
            '"Create a managed node group with Capacity Blocks for ML").',
        )
    before = {
        name: getattr(group, name)
        for name in ("version", "release_version", "template", "instance_types", "image")
    }
    params: dict[str, Any] = {}
    try:
        if given.get("launchTemplate"):
            _change_template(call, group, given["launchTemplate"], params)
        _change_version(cluster, group, given, params)
    except ApiError:
        _restore(group, before)
        raise
    group.before, group.force, group.surge = before, bool(given.get("force")), None
    group.drains.clear()
    return _start(cluster, group, Update("VersionUpdate", params, nodegroup=group.name))


def _restore(group: NodeGroup, before: dict[str, Any]) -> None:
    for name, value in before.items():
        setattr(group, name, value)


def _change_template(call: Call, group: NodeGroup, named: dict[str, str], params: dict[str, Any]) -> None:
    if group.template is None:
        raise ApiError(
            "InvalidParameterException", "A node group made without a launch template cannot be given one."
        )
    template, data = rules.template_of(call.region, named)
    if template["id"] != group.template["id"]:
        raise ApiError(
            "InvalidParameterException",
            "A node group keeps its launch template: only its version can change.",
        )
    if bool(data.get("ImageId")) != (group.image is not None):
        raise ApiError(
            "InvalidParameterException",
            "A node group keeps its kind of AMI: an image id in the launch template can neither come nor go.",
        )
    own = {name: group.request.get(name) for name in ("instanceTypes", "capacityType", "subnets")}
    rules.check_template({**own, "amiType": group.request.get("amiType")}, data)
    capacity_rules.check(call.region, {**own, "launchTemplate": named}, data)
    group.template, group.image = template, data.get("ImageId")
    group.instance_types = group.request.get("instanceTypes") or [
        data.get("InstanceType") or rules.DEFAULT_INSTANCE_TYPE
    ]
    params["LaunchTemplateVersion"] = template["version"]


def _change_version(
    cluster: Cluster, group: NodeGroup, given: dict[str, Any], params: dict[str, Any]
) -> None:
    """What is left out: with a template nothing, else the cluster's version and the latest release of it."""
    version, release = given.get("version"), given.get("releaseVersion")
    if group.image is not None:
        if version or release:
            raise ApiError(
                "InvalidParameterException",
                "You cannot specify a version or release version when the launch template names an image id.",
            )
        group.release_version = params["ReleaseVersion"] = group.image
        return
    if version is None and release is None:
        if given.get("launchTemplate"):
            return
        version = cluster.version
    version = version or group.version
    rules.check_version(cluster, version)
    ami_type = group.request.get("amiType") or rules.DEFAULT_AMI_TYPE
    if release is None:
        # The latest, unless the group has a newer one than the table knows.
        newest = releases.latest(ami_type, version)
        kept = version == group.version and not releases.older(group.release_version, newest)
        release = group.release_version if kept else newest
    releases.check(ami_type, version, release)
    rolled_back = rules.minor(version) < rules.minor(group.version)
    if rolled_back or (version == group.version and releases.older(release, group.release_version)):
        raise ApiError(
            "InvalidParameterException",
            f"You cannot roll back a node group to an earlier Kubernetes version or AMI version: {group.name} has "
            f"{group.version} ({group.release_version}), and {version} ({release}) is asked.",
        )
    group.version = params["Version"] = version
    group.release_version = params["ReleaseVersion"] = release


def _start(cluster: Cluster, group: NodeGroup, update: Update) -> dict[str, Any]:
    group.update = cluster.start(update)
    group.status, group.modified_at, group.since = "UPDATING", now(), time.monotonic()
    return {"update": update.document()}
