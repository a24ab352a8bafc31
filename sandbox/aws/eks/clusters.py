"""Clusters: create, describe, list, delete."""

from __future__ import annotations

import secrets
from typing import Any

from sandbox.aws import identity
from sandbox.aws.eks import access, network
from sandbox.aws.eks.api import Call, operation, page
from sandbox.aws.eks.store import Cluster
from sandbox.aws.eks.tables import DEFAULT_KUBERNETES_VERSION, KUBERNETES_VERSIONS, SERVICE_CIDR
from sandbox.aws.errors import ApiError
from sandbox.state import ACCOUNT_ID

LOG_TYPES = ["api", "audit", "authenticator", "controllerManager", "scheduler"]

UNEMULATED = (
    "outpostConfig",
    "computeConfig",
    "storageConfig",
    "zonalShiftConfig",
    "remoteNetworkConfig",
    "controlPlaneScalingConfig",
    "kubeApiServerConfig",
    "kubeSchedulerConfig",
    "kubeControllerManagerConfig",
)
"""Members that the model allows and this EKS does not act on: refused, because a silent yes would be a
lie."""


def document(cluster: Cluster) -> dict[str, Any]:
    """The API's Cluster."""
    issuer = f"https://oidc.eks.{cluster.region}.amazonaws.com/id/{cluster.oidc_id}"
    network_config = {
        "serviceIpv4Cidr": SERVICE_CIDR,
        "ipFamily": "ipv4",
        **(cluster.request.get("kubernetesNetworkConfig") or {}),
    }
    return {
        "name": cluster.name,
        "arn": cluster.arn,
        "createdAt": cluster.created_at,
        "version": cluster.version,
        "endpoint": cluster.endpoint,
        "roleArn": cluster.request["roleArn"],
        "resourcesVpcConfig": cluster.vpc_config,
        "kubernetesNetworkConfig": network_config,
        "logging": cluster.logging,
        # EKS knows the issuer's address only once the control plane is there.
        "identity": {"oidc": {"issuer": issuer}} if cluster.endpoint else None,
        "status": cluster.status,
        "certificateAuthority": {"data": cluster.ca} if cluster.ca else {},
        "platformVersion": "eks.1",
        "tags": cluster.tags,
        "encryptionConfig": cluster.encryption or None,
        "health": {"issues": []},
        "accessConfig": cluster.access_config,
        "upgradePolicy": cluster.upgrade_policy,
        "deletionProtection": cluster.deletion_protection,
    }


def check_version(version: str) -> None:
    """Raises what EKS answers for a Kubernetes version that it does not offer."""
    if version not in KUBERNETES_VERSIONS:
        raise ApiError(
            "InvalidParameterException",
            f"unsupported Kubernetes version {version}; supported: {', '.join(KUBERNETES_VERSIONS)}",
        )


def check_endpoint_access(config: dict[str, Any]) -> None:
    """A cluster must be reachable by one of its two endpoints."""
    if not config["endpointPublicAccess"] and not config["endpointPrivateAccess"]:
        raise ApiError("InvalidParameterException", "Private and public endpoint access cannot be false.")


def full_logging(given: dict[str, Any] | None) -> dict[str, Any]:
    """The log types that are on and those that are off, as EKS lists them."""
    on: set[str] = set()
    for entry in (given or {}).get("clusterLogging", []):
        on = on | set(entry.get("types", [])) if entry.get("enabled") else on - set(entry.get("types", []))
    off = [name for name in LOG_TYPES if name not in on]
    shown = [{"types": [name for name in LOG_TYPES if name in on], "enabled": True}] if on else []
    return {"clusterLogging": [*shown, *([{"types": off, "enabled": False}] if off else [])]}


def refuse_unemulated(given: dict[str, Any], where: str) -> None:
    """Refuses by name the members that this EKS does not act on."""
    for name in UNEMULATED:
        if given.get(name):
            raise ApiError("InvalidParameterException", f"the sandbox does not emulate {name} of {where}")


@operation("CreateCluster")
def create(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Checks what EKS checks and leaves the cluster CREATING."""
    name = given["name"]
    if (call.region, name) in call.store.clusters:
        raise ApiError(
            "ResourceInUseException", f"Cluster already exists with name: {name}", 409, clusterName=name
        )
    refuse_unemulated(given, "CreateCluster")
    version = given.get("version") or DEFAULT_KUBERNETES_VERSION
    check_version(version)
    identity.require_role(given["roleArn"], "eks.amazonaws.com")
    wanted = given["resourcesVpcConfig"]
    groups = wanted.get("securityGroupIds") or []
    vpc_id = network.check_cluster_subnets(call.region, wanted.get("subnetIds") or [], groups)
    public = wanted.get("endpointPublicAccess", True)
    vpc_config = {
        "subnetIds": wanted["subnetIds"],
        "securityGroupIds": groups,
        "vpcId": vpc_id,
        "endpointPublicAccess": public,
        "endpointPrivateAccess": wanted.get("endpointPrivateAccess", False),
        "publicAccessCidrs": (wanted.get("publicAccessCidrs") or ["0.0.0.0/0"]) if public else [],
    }
    check_endpoint_access(vpc_config)
    for entry in given.get("encryptionConfig") or []:
        check_key(call.region, entry)
    unique = secrets.token_hex(5)
    access_config = {"authenticationMode": "CONFIG_MAP", **(given.get("accessConfig") or {})}
    bootstrap = access_config.setdefault("bootstrapClusterCreatorAdminPermissions", True)
    cluster = Cluster(
        region=call.region,
        name=name,
        arn=f"arn:aws:eks:{call.region}:{ACCOUNT_ID}:cluster/{name}",
        request=given,
        version=version,
        vpc_config=vpc_config,
        access_config=access_config,
        logging=full_logging(given.get("logging")),
        upgrade_policy={"supportType": "EXTENDED", **(given.get("upgradePolicy") or {})},
        encryption=given.get("encryptionConfig") or [],
        tags=dict(given.get("tags") or {}),
        oidc_id=secrets.token_hex(16).upper(),
        deletion_protection=bool(given.get("deletionProtection")),
    )
    vpc_config["clusterSecurityGroupId"], cluster.interfaces = network.attach(
        call.region, name, vpc_id, wanted["subnetIds"], groups, unique
    )
    if bootstrap and access_config["authenticationMode"] != "CONFIG_MAP":
        access.add_creator(cluster, identity.principal_of(call.caller))
    call.store.clusters[(call.region, name)] = cluster
    return {"cluster": document(cluster)}


def check_key(region: str, entry: dict[str, Any]) -> None:
    """The key that encrypts secrets must exist, be enabled and be in this region."""
    from moto.kms.models import kms_backends

    if entry.get("resources") != ["secrets"]:
        raise ApiError("InvalidParameterException", 'encryptionConfig resources must be ["secrets"]')
    arn = (entry.get("provider") or {}).get("keyArn", "")
    key = kms_backends[ACCOUNT_ID][region].keys.get(arn.rpartition("/")[2])
    if key is None or key.arn != arn or not key.enabled:
        raise ApiError(
            "InvalidParameterException", f"The key {arn!r} does not exist in {region} or is not enabled."
        )


@operation("DescribeCluster")
def describe(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """One cluster."""
    return {"cluster": document(call.cluster(given["name"]))}


@operation("ListClusters")
def list_clusters(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Names of this region's clusters."""
    names, token = page(sorted(name for region, name in call.store.clusters if region == call.region), given)
    return {"clusters": names, "nextToken": token}


@operation("DeleteCluster")
def delete(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Starts the deletion; refused while node groups are there or while the cluster is protected."""
    cluster = call.cluster(given["name"])
    if cluster.nodegroups:
        raise ApiError(
            "ResourceInUseException",
            "Cluster has nodegroups attached",
            409,
            clusterName=cluster.name,
            nodegroupName=",".join(cluster.nodegroups),
        )
    if cluster.deletion_protection:
        raise ApiError(
            "InvalidRequestException", f"Cluster {cluster.name} has deletion protection: turn it off first."
        )
    if cluster.status in ("CREATING", "UPDATING"):
        raise ApiError(
            "ResourceInUseException",
            f"Cluster {cluster.name} is {cluster.status}.",
            409,
            clusterName=cluster.name,
        )
    cluster.status = "DELETING"
    return {"cluster": document(cluster)}
