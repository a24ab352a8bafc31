"""EKS's `get_*` functions: what a program asks of a cluster that is there.

Blind spot: what only EKS Auto Mode, Outposts or hybrid nodes have is nothing here.
"""

from __future__ import annotations

from typing import Any, Final

from sandbox.plugins.aws.framework import Context
from sandbox.plugins.aws.functions import function, whole
from sandbox.plugins.aws.values import stamp
from sandbox.plugins.protocol import Plain

_CLUSTER: Final = (
    *("accessConfigs", "arn", "certificateAuthorities", "clusterId", "computeConfigs"),
    *("controlPlaneScalingConfigs", "createdAt", "deletionProtection", "enabledClusterLogTypes", "endpoint"),
    *("id", "identities", "kubeApiServerConfigs", "kubeControllerManagerConfigs", "kubeSchedulerConfigs"),
    *("kubernetesNetworkConfigs", "name", "outpostConfigs", "platformVersion", "region"),
    *("remoteNetworkConfigs", "roleArn", "status", "storageConfigs", "tags", "upgradePolicies", "version"),
    *("vpcConfig", "zonalShiftConfigs"),
)
_ADDON: Final = (
    *("addonName", "addonVersion", "arn", "clusterName", "configurationValues", "createdAt", "id"),
    *("modifiedAt", "podIdentityAssociations", "region", "serviceAccountRoleArn", "tags"),
)
_NODE_GROUP: Final = (
    *("amiType", "arn", "capacityType", "clusterName", "diskSize", "id", "instanceTypes", "labels"),
    *("launchTemplates", "nodeGroupName", "nodeRoleArn", "region", "releaseVersion", "remoteAccesses"),
    *("resources", "scalingConfigs", "status", "subnetIds", "tags", "taints", "updateConfigs", "version"),
    "warmPoolConfigs",
)


@function("aws:eks/getClusters:getClusters", sdk="eks.get_clusters")
def clusters(ctx: Context, args: dict[str, Plain]) -> dict[str, Plain]:
    """ListClusters, all pages."""
    pages = ctx.client("eks").get_paginator("list_clusters").paginate()
    names = [name for page in pages for name in page["clusters"]]
    return {"id": ctx.region, "names": names, "region": ctx.region}


@function("aws:eks/getCluster:getCluster", sdk="eks.get_cluster")
def cluster(ctx: Context, args: dict[str, Plain]) -> dict[str, Plain]:
    """DescribeCluster."""
    found: dict[str, Any] = ctx.client("eks").describe_cluster(name=args["name"])["cluster"]
    logging = found.get("logging", {}).get("clusterLogging", [])
    issuer = found.get("identity", {}).get("oidc", {}).get("issuer")
    network = found.get("kubernetesNetworkConfig") or {}
    return whole(
        _CLUSTER,
        {
            "accessConfigs": [found["accessConfig"]],
            "arn": found["arn"],
            "certificateAuthorities": [found.get("certificateAuthority") or {"data": ""}],
            "clusterId": "",
            "createdAt": stamp(found["createdAt"]),
            "deletionProtection": found.get("deletionProtection", False),
            "enabledClusterLogTypes": [t for one in logging if one.get("enabled") for t in one["types"]],
            "endpoint": found.get("endpoint", ""),
            "id": found["name"],
            "identities": [{"oidcs": [{"issuer": issuer}]}] if issuer else [],
            "kubernetesNetworkConfigs": [
                {
                    "ipFamily": network.get("ipFamily", "ipv4"),
                    "serviceIpv4Cidr": network.get("serviceIpv4Cidr", ""),
                    "serviceIpv6Cidr": network.get("serviceIpv6Cidr", ""),
                    "elasticLoadBalancings": [],
                }
            ],
            "name": found["name"],
            "platformVersion": found.get("platformVersion", ""),
            "region": ctx.region,
            "roleArn": found["roleArn"],
            "status": found["status"],
            "tags": found.get("tags", {}),
            "upgradePolicies": [found["upgradePolicy"]],
            "version": found["version"],
            "vpcConfig": found["resourcesVpcConfig"],
            "computeConfigs": [],
            "controlPlaneScalingConfigs": [],
            "kubeApiServerConfigs": [],
            "kubeControllerManagerConfigs": [],
            "kubeSchedulerConfigs": [],
            "outpostConfigs": [],
            "remoteNetworkConfigs": [],
            "storageConfigs": [],
            "zonalShiftConfigs": [],
        },
    )


@function("aws:eks/getAddon:getAddon", sdk="eks.get_addon")
def addon(ctx: Context, args: dict[str, Plain]) -> dict[str, Plain]:
    """DescribeAddon."""
    found: dict[str, Any] = ctx.client("eks").describe_addon(
        clusterName=args["clusterName"], addonName=args["addonName"]
    )["addon"]
    return whole(
        _ADDON,
        {
            "addonName": found["addonName"],
            "addonVersion": found["addonVersion"],
            "arn": found["addonArn"],
            "clusterName": found["clusterName"],
            "configurationValues": found.get("configurationValues", ""),
            "createdAt": stamp(found["createdAt"]),
            "id": f"{found['clusterName']}:{found['addonName']}",
            "modifiedAt": stamp(found["modifiedAt"]),
            "podIdentityAssociations": [],
            "region": ctx.region,
            "serviceAccountRoleArn": found.get("serviceAccountRoleArn", ""),
            "tags": found.get("tags", {}),
        },
    )


@function("aws:eks/getNodeGroups:getNodeGroups", sdk="eks.get_node_groups")
def node_groups(ctx: Context, args: dict[str, Plain]) -> dict[str, Plain]:
    """ListNodegroups, all pages."""
    pages = ctx.client("eks").get_paginator("list_nodegroups").paginate(clusterName=args["clusterName"])
    names = [name for page in pages for name in page["nodegroups"]]
    return {
        "clusterName": args["clusterName"],
        "id": args["clusterName"],
        "names": names,
        "region": ctx.region,
    }


@function("aws:eks/getNodeGroup:getNodeGroup", sdk="eks.get_node_group")
def node_group(ctx: Context, args: dict[str, Plain]) -> dict[str, Plain]:
    """DescribeNodegroup: identity, versions, labels and sizes; not the template's details."""
    found: dict[str, Any] = ctx.client("eks").describe_nodegroup(
        clusterName=args["clusterName"], nodegroupName=args["nodeGroupName"]
    )["nodegroup"]
    return whole(
        _NODE_GROUP,
        {
            "amiType": found.get("amiType", ""),
            "arn": found["nodegroupArn"],
            "capacityType": found.get("capacityType", ""),
            "clusterName": found["clusterName"],
            "diskSize": found.get("diskSize", 0),
            "id": f"{found['clusterName']}:{found['nodegroupName']}",
            "instanceTypes": found.get("instanceTypes", []),
            "labels": found.get("labels", {}),
            "launchTemplates": [],
            "nodeGroupName": found["nodegroupName"],
            "nodeRoleArn": found["nodeRole"],
            "region": ctx.region,
            "releaseVersion": found.get("releaseVersion", ""),
            "remoteAccesses": [],
            "resources": [],
            "scalingConfigs": [found["scalingConfig"]],
            "status": found["status"],
            "subnetIds": found.get("subnets", []),
            "tags": found.get("tags", {}),
            "taints": found.get("taints", []),
            "updateConfigs": [],
            "version": found.get("version", ""),
            "warmPoolConfigs": [],
        },
    )
