"""Node groups: create, describe, list, delete. Their lives are in `lifecycle`, their instances in `fleet`."""

from __future__ import annotations

import uuid
from typing import Any

from sandbox.aws import identity
from sandbox.aws.eks import access, capacity_rules, fleet, network, releases
from sandbox.aws.eks import nodegroup_rules as rules
from sandbox.aws.eks.api import Call, operation, page
from sandbox.aws.eks.store import Cluster, NodeGroup
from sandbox.aws.errors import ApiError


def document(cluster: Cluster, group: NodeGroup) -> dict[str, Any]:
    """The API's Nodegroup."""
    given = group.request
    return {
        "nodegroupName": group.name,
        "nodegroupArn": group.arn,
        "clusterName": cluster.name,
        "version": group.version,
        "releaseVersion": group.release_version,
        "createdAt": group.created_at,
        "modifiedAt": group.modified_at,
        "status": group.status,
        "capacityType": given.get("capacityType") or "ON_DEMAND",
        "scalingConfig": group.scaling,
        # When the template names the type, the API shows none.
        "instanceTypes": given.get("instanceTypes") or (None if group.template else group.instance_types),
        "subnets": given["subnets"],
        "remoteAccess": given.get("remoteAccess"),
        "amiType": _ami_type(given, group.image is not None),
        "nodeRole": given["nodeRole"],
        "labels": group.labels,
        "taints": group.taints or None,
        "resources": {"autoScalingGroups": [{"name": group.asg}]},
        "diskSize": None if group.template else given.get("diskSize") or rules.DEFAULT_DISK_GIB,
        "health": {"issues": group.issues},
        "updateConfig": group.update_config,
        "nodeRepairConfig": given.get("nodeRepairConfig"),
        "launchTemplate": group.template,
        "tags": group.tags,
    }


def _ami_type(given: dict[str, Any], custom: bool) -> str:
    return "CUSTOM" if custom else given.get("amiType") or rules.DEFAULT_AMI_TYPE


@operation("CreateNodegroup")
def create(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Checks what EKS checks and leaves the node group CREATING."""
    cluster = call.cluster(given["clusterName"])
    name = given["nodegroupName"]
    if name in cluster.nodegroups:
        raise ApiError(
            "ResourceInUseException",
            f"NodeGroup already exists with name {name} and cluster name {cluster.name}",
            409,
            clusterName=cluster.name,
            nodegroupName=name,
        )
    cluster.require("ACTIVE")
    if given.get("warmPoolConfig"):
        raise ApiError(
            "InvalidParameterException", "the sandbox does not emulate warmPoolConfig of CreateNodegroup"
        )
    identity.require_role(given["nodeRole"], "ec2.amazonaws.com")
    if {s.vpc_id for s in network.subnets(call.region, given["subnets"])} != {cluster.vpc_config["vpcId"]}:
        raise ApiError("InvalidParameterException", "The node group's subnets must be in the cluster's VPC.")
    template: dict[str, str] | None = None
    data: dict[str, Any] = {}
    if given.get("launchTemplate"):
        template, data = rules.template_of(call.region, given["launchTemplate"])
        rules.check_template(given, data)
    capacity_rules.check(call.region, given, data)
    version = given.get("version") or cluster.version
    rules.check_version(cluster, version)
    types = given.get("instanceTypes") or [data.get("InstanceType") or rules.DEFAULT_INSTANCE_TYPE]
    rules.check_types(call.region, types, _ami_type(given, bool(data.get("ImageId"))), version)
    rules.check_repair(given.get("nodeRepairConfig"))
    release = given.get("releaseVersion")
    if release:
        releases.check(_ami_type(given, False), version, release)
    unique = str(uuid.uuid4())
    group = NodeGroup(
        name=name,
        arn=f"{cluster.arn.replace(':cluster/', ':nodegroup/')}/{name}/{unique}",
        request=given,
        image=data.get("ImageId"),
        asg=f"eks-{name}-{unique}",
        instance_types=types,
        version=version,
        release_version=release or data.get("ImageId") or releases.latest(_ami_type(given, False), version),
        template=template,
        # CreateNodegroup's default sizes (API reference, NodegroupScalingConfig).
        scaling=rules.check_scaling(
            {"minSize": 1, "maxSize": 2, "desiredSize": 2, **(given.get("scalingConfig") or {})}
        ),
        labels=dict(given.get("labels") or {}),
        taints=rules.check_taints(given.get("taints") or []),
        tags=dict(given.get("tags") or {}),
        update_config=rules.check_update_config(given.get("updateConfig") or {}),
    )
    access.add_node_role(cluster, given["nodeRole"])
    fleet.create_profile(group)
    cluster.nodegroups[name] = group
    return {"nodegroup": document(cluster, group)}


@operation("DescribeNodegroup")
def describe(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """One node group."""
    cluster = call.cluster(given["clusterName"])
    return {"nodegroup": document(cluster, cluster.nodegroup(given["nodegroupName"]))}


@operation("ListNodegroups")
def list_nodegroups(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Names of the cluster's node groups."""
    names, token = page(sorted(call.cluster(given["clusterName"]).nodegroups), given)
    return {"nodegroups": names, "nextToken": token}


@operation("DeleteNodegroup")
def delete(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Starts the deletion: instances first, then the group."""
    cluster = call.cluster(given["clusterName"])
    group = cluster.nodegroup(given["nodegroupName"])
    if group.status == "UPDATING":
        raise ApiError(
            "ResourceInUseException",
            f"Nodegroup {group.name} is UPDATING.",
            409,
            clusterName=cluster.name,
            nodegroupName=group.name,
        )
    group.status = "DELETING"
    return {"nodegroup": document(cluster, group)}
