"""Changes of a cluster: its configuration, its version, and the updates that report on them."""

from __future__ import annotations

from typing import Any

from sandbox.aws.eks import access, clusters, network
from sandbox.aws.eks import nodegroup_rules as rules
from sandbox.aws.eks.api import Call, operation, page
from sandbox.aws.eks.store import Cluster, Update
from sandbox.aws.errors import ApiError

ONE_AT_A_TIME = ("resourcesVpcConfig", "logging", "accessConfig", "upgradePolicy", "deletionProtection")
AUTHENTICATION_ORDER = ["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"]
"""A mode can only move towards API (EKS user guide, setting-up-access-entries)."""


@operation("UpdateClusterConfig")
def update_config(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """One kind of change a call, as EKS wants it; a call that changes nothing is refused."""
    cluster = call.cluster(given["name"])
    clusters.refuse_unemulated(given, "UpdateClusterConfig")
    named = [name for name in ONE_AT_A_TIME if given.get(name) is not None]
    if len(named) != 1:
        wanted, given_names = ", ".join(ONE_AT_A_TIME), ", ".join(named) or "none"
        raise ApiError(
            "InvalidParameterException", f"give exactly one of {wanted} in an update; given: {given_names}"
        )
    _require_idle(cluster)
    kind, change = named[0], given[named[0]]
    before = _snapshot(cluster)
    update = _APPLY[kind](call, cluster, change)
    if _snapshot(cluster) == before:
        raise ApiError(
            "InvalidParameterException",
            f"The {kind} of cluster {cluster.name} is already as requested: there is nothing to update.",
            clusterName=cluster.name,
        )
    cluster.status = "UPDATING"
    return {"update": cluster.start(update).document()}


def _snapshot(cluster: Cluster) -> str:
    return repr(
        (
            cluster.vpc_config,
            cluster.logging,
            cluster.access_config,
            cluster.upgrade_policy,
            cluster.deletion_protection,
        )
    )


def _vpc(call: Call, cluster: Cluster, change: dict[str, Any]) -> Update:
    endpoint: dict[str, Any] = {
        name: change[name]
        for name in ("endpointPublicAccess", "endpointPrivateAccess", "publicAccessCidrs")
        if name in change
    }
    placing: dict[str, Any] = {
        name: change[name] for name in ("subnetIds", "securityGroupIds") if change.get(name)
    }
    if endpoint and placing:
        raise ApiError(
            "InvalidParameterException",
            "endpoint access and subnets or security groups cannot change in one update",
        )
    merged: dict[str, Any] = {**cluster.vpc_config, **endpoint, **placing}
    clusters.check_endpoint_access(merged)
    merged["publicAccessCidrs"] = (
        (merged["publicAccessCidrs"] or ["0.0.0.0/0"]) if merged["endpointPublicAccess"] else []
    )
    vpc_id = network.check_cluster_subnets(call.region, merged["subnetIds"], merged["securityGroupIds"])
    if vpc_id != cluster.vpc_config["vpcId"]:
        raise ApiError(
            "InvalidParameterException", "The subnets must stay in the VPC that the cluster was made in."
        )
    cluster.vpc_config = merged
    names = {
        "endpointPublicAccess": "EndpointPublicAccess",
        "endpointPrivateAccess": "EndpointPrivateAccess",
        "publicAccessCidrs": "PublicAccessCidrs",
        "subnetIds": "Subnets",
        "securityGroupIds": "SecurityGroups",
    }
    params = {names[name]: value for name, value in (*endpoint.items(), *placing.items())}
    return Update("EndpointAccessUpdate" if endpoint else "VpcConfigUpdate", params)


def _logging(call: Call, cluster: Cluster, change: dict[str, Any]) -> Update:
    merged = {"clusterLogging": [*cluster.logging["clusterLogging"], *change.get("clusterLogging", [])]}
    cluster.logging = clusters.full_logging(merged)
    return Update("LoggingUpdate", {"ClusterLogging": cluster.logging})


def _access(call: Call, cluster: Cluster, change: dict[str, Any]) -> Update:
    old, new = cluster.access_config["authenticationMode"], change["authenticationMode"]
    if AUTHENTICATION_ORDER.index(new) < AUTHENTICATION_ORDER.index(old):
        raise ApiError(
            "InvalidParameterException", f"Unsupported authentication mode update from {old} to {new}."
        )
    cluster.access_config = {**cluster.access_config, "authenticationMode": new}
    if old == "CONFIG_MAP" and new != old:
        for group in cluster.nodegroups.values():
            access.add_node_role(cluster, group.request["nodeRole"])
    return Update("AccessConfigUpdate", {"AuthenticationMode": new})


def _upgrade_policy(call: Call, cluster: Cluster, change: dict[str, Any]) -> Update:
    cluster.upgrade_policy = {**cluster.upgrade_policy, **change}
    return Update("UpgradePolicyUpdate", {"UpgradePolicy": cluster.upgrade_policy})


def _protection(call: Call, cluster: Cluster, change: bool) -> Update:
    cluster.deletion_protection = change
    return Update("DeletionProtectionUpdate", {"DeletionProtection": str(change).lower()})


_APPLY: dict[str, Any] = {
    "resourcesVpcConfig": _vpc,
    "logging": _logging,
    "accessConfig": _access,
    "upgradePolicy": _upgrade_policy,
    "deletionProtection": _protection,
}


def _require_idle(cluster: Cluster) -> None:
    if cluster.status != "ACTIVE":
        raise ApiError(
            "ResourceInUseException",
            f"Cluster {cluster.name} is {cluster.status}: another change is under way.",
            409,
            clusterName=cluster.name,
        )


@operation("UpdateClusterVersion")
def update_version(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """One minor version up at a time, and not past what the node groups can follow."""
    cluster = call.cluster(given["name"])
    _require_idle(cluster)
    wanted = given.get("version") or ""
    clusters.check_version(wanted)
    old, new = (int(version.partition(".")[2]) for version in (cluster.version, wanted))
    if new != old + 1:
        raise ApiError(
            "InvalidParameterException",
            f"Unsupported Kubernetes minor version update from {cluster.version} "
            f"to {wanted}: one minor version up at a time.",
        )
    if not given.get("force"):
        _check_kubelets(cluster, new)
    cluster.target, cluster.status = wanted, "UPDATING"
    return {
        "update": cluster.start(
            Update("VersionUpdate", {"Version": wanted, "PlatformVersion": "eks.1"})
        ).document()
    }


def _check_kubelets(cluster: Cluster, new: int) -> None:
    """Kubelets may be up to three minors older than the API server (Kubernetes' version skew policy)."""
    behind = {
        group.name: born.version
        for group in cluster.nodegroups.values()
        for born in (group.present(), *group.instances.values())
        if new - rules.minor(born.version) > rules.MAX_SKEW
    }
    if behind:
        named = ", ".join(f"{name} ({version})" for name, version in sorted(behind.items()))
        raise ApiError(
            "InvalidParameterException",
            f"Nodegroups [{named}] must be updated before the cluster version can be 1.{new}: nodes are at most "
            f"{rules.MAX_SKEW} minor versions older than the control plane.",
            clusterName=cluster.name,
        )


@operation("DescribeUpdate")
def describe_update(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """One update of the cluster, of a node group or of an add-on."""
    found = call.cluster(given["name"]).updates.get(given["updateId"])
    if found is None or (found.nodegroup, found.addon) != (
        given.get("nodegroupName"),
        given.get("addonName"),
    ):
        raise ApiError(
            "ResourceNotFoundException",
            f"No update found for id: {given['updateId']}",
            404,
            clusterName=given["name"],
        )
    return {"update": found.document()}


@operation("ListUpdates")
def list_updates(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Ids of the updates of the cluster, a node group or an add-on."""
    about = (given.get("nodegroupName"), given.get("addonName"))
    found = [u.id for u in call.cluster(given["name"]).updates.values() if (u.nodegroup, u.addon) == about]
    ids, token = page(found, given)
    return {"updateIds": ids, "nextToken": token}
