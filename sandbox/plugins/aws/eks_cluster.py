"""The EKS cluster.

In the sandbox a cluster is a real control plane on this machine: its endpoint and certificate authority are
real, its VPC, log and encryption settings are kept and shown. Blind spots: nothing is logged to CloudWatch,
secrets are not encrypted by the key, and public access CIDRs filter nothing.
"""

from __future__ import annotations

from typing import Any, Final

from sandbox.plugins.aws.eks_common import await_gone, await_update, issues, kept
from sandbox.plugins.aws.framework import Call, Context, Inputs, Named, compact, register
from sandbox.plugins.aws.table import REGION, judged, refused, tags, update
from sandbox.plugins.aws.tagging import retag_map
from sandbox.plugins.aws.values import stamp
from sandbox.plugins.protocol import UNKNOWN, Plain, PluginError

_AUTO_MODE: Final = refused("EKS Auto Mode is not emulated: the kit has node groups of its own")
_TUNING: Final = refused("the sandbox's control plane has fixed settings, and the kit keeps EKS's")
_BY_AWS: Final = refused("only AWS sets it; it is an output")

_VPC_FIELDS: Final = (
    "subnetIds",
    "securityGroupIds",
    "endpointPublicAccess",
    "endpointPrivateAccess",
    "publicAccessCidrs",
)
_ENDPOINT_FIELDS: Final = ("endpointPublicAccess", "endpointPrivateAccess", "publicAccessCidrs")
_LOG_TYPES: Final = ("api", "audit", "authenticator", "controllerManager", "scheduler")
"""All that EKS has (botocore's LogType)."""


@register
class Cluster(Named):
    """A cluster's control plane."""

    token = "aws:eks/cluster:Cluster"  # noqa: S105 - a type token
    sdk = "eks.Cluster"
    cfn = "AWS::EKS::Cluster"
    arn_form = ("eks", "cluster/{}")
    inputs = {
        "name": judged("Name", autoname=100),
        "roleArn": judged("RoleArn", required=True),
        "version": judged("Version", computed=True),
        "vpcConfig": judged(
            "ResourcesVpcConfig",
            required=True,
            fields={
                "subnetIds": judged("SubnetIds", required=True, unordered=True),
                "securityGroupIds": judged("SecurityGroupIds", unordered=True),
                "endpointPublicAccess": judged("EndpointPublicAccess"),
                "endpointPrivateAccess": judged("EndpointPrivateAccess"),
                "publicAccessCidrs": judged("PublicAccessCidrs", unordered=True, computed=True),
                "controlPlaneEgressMode": refused("the sandbox's control plane sends nothing into the VPC"),
                "clusterSecurityGroupId": _BY_AWS,
                "vpcId": _BY_AWS,
            },
        ),
        "accessConfig": judged(
            "AccessConfig",
            computed=True,
            fields={
                "authenticationMode": judged("AuthenticationMode", computed=True),
                "bootstrapClusterCreatorAdminPermissions": judged(
                    "BootstrapClusterCreatorAdminPermissions", computed=True
                ),
            },
        ),
        "bootstrapSelfManagedAddons": judged("BootstrapSelfManagedAddons", default=True),
        "deletionProtection": judged("DeletionProtection", default=False),
        "enabledClusterLogTypes": judged(
            "Logging/ClusterLogging/EnabledTypes",
            unordered=True,
            encode=lambda types: [{"Type": one} for one in types],
        ),
        "encryptionConfig": judged(
            "EncryptionConfig",
            fields={
                "provider": judged(
                    "Provider", required=True, fields={"keyArn": judged("KeyArn", required=True)}
                ),
                "resources": judged("Resources", required=True, unordered=True),
            },
        ),
        "forceUpdateVersion": update(
            cfn="Force", source="a flag of UpdateClusterVersion, which EKS does not keep"
        ),
        "kubernetesNetworkConfig": judged(
            "KubernetesNetworkConfig",
            computed=True,
            fields={
                "ipFamily": judged("IpFamily", computed=True),
                "serviceIpv4Cidr": judged("ServiceIpv4Cidr", computed=True),
                "serviceIpv6Cidr": _BY_AWS,
                "elasticLoadBalancing": _AUTO_MODE,
            },
        ),
        "upgradePolicy": judged(
            "UpgradePolicy", computed=True, fields={"supportType": judged("SupportType", computed=True)}
        ),
        "computeConfig": _AUTO_MODE,
        "storageConfig": _AUTO_MODE,
        "controlPlaneScalingConfig": _TUNING,
        "kubeApiServerConfig": _TUNING,
        "kubeControllerManagerConfig": _TUNING,
        "kubeSchedulerConfig": _TUNING,
        "defaultAddonsToRemoves": refused("the SDK deprecates it; use bootstrapSelfManagedAddons: false"),
        "outpostConfig": refused("there is no Outpost in the sandbox"),
        "remoteNetworkConfig": refused("hybrid nodes are not emulated"),
        "zonalShiftConfig": refused("zonal shift is not emulated"),
        **tags("Tags"),
        **REGION,
    }
    outputs = (
        "arn",
        "certificateAuthority",
        "clusterId",
        "createdAt",
        "endpoint",
        "identities",
        "platformVersion",
        "status",
    )
    identity = ("name",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateCluster."""
        encryption, log_types = inputs.get("encryptionConfig"), inputs.get("enabledClusterLogTypes")
        params = compact(
            name=inputs.get("name"),
            version=inputs.get("version"),
            roleArn=inputs.get("roleArn"),
            resourcesVpcConfig=kept(inputs.get("vpcConfig"), _VPC_FIELDS),
            kubernetesNetworkConfig=inputs.get("kubernetesNetworkConfig"),
            logging={"clusterLogging": [{"types": log_types, "enabled": True}]} if log_types else None,
            tags=inputs.get("tagsAll") or None,
            encryptionConfig=[encryption] if encryption else None,
            accessConfig=inputs.get("accessConfig"),
            bootstrapSelfManagedAddons=inputs.get("bootstrapSelfManagedAddons"),
            upgradePolicy=inputs.get("upgradePolicy"),
            deletionProtection=inputs.get("deletionProtection"),
        )
        return [("eks", "CreateCluster", params)]

    def known(self, ctx: Context, inputs: Inputs) -> dict[str, Plain]:
        """The ARN follows from the name; what EKS adds to the VPC settings is unknown until then."""
        added = dict.fromkeys(("clusterSecurityGroupId", "vpcId", "publicAccessCidrs"), UNKNOWN)
        return {"vpcConfig": added, **super().known(ctx, inputs)}

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Waits until the control plane is ACTIVE."""

        def active() -> bool:
            cluster = _describe(ctx, resource_id)
            if cluster["status"] == "FAILED":
                raise PluginError(
                    f"the cluster {resource_id} failed: {issues(cluster) or 'EKS gives no reason'}"
                )
            return bool(cluster["status"] == "ACTIVE")

        ctx.wait(
            f"control plane of {resource_id} ACTIVE", active, lambda: issues(_describe(ctx, resource_id))
        )

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeCluster."""
        cluster = _describe(ctx, resource_id)
        encryption = cluster.get("encryptionConfig") or []
        issuer = cluster.get("identity", {}).get("oidc", {}).get("issuer")
        vpc = cluster["resourcesVpcConfig"]
        return {
            "name": cluster["name"],
            "roleArn": cluster["roleArn"],
            "version": cluster["version"],
            "vpcConfig": kept(vpc, (*_VPC_FIELDS, "clusterSecurityGroupId", "vpcId")),
            "accessConfig": cluster.get("accessConfig"),
            "deletionProtection": cluster.get("deletionProtection"),
            "enabledClusterLogTypes": _log_types(cluster),
            "encryptionConfig": encryption[0] if encryption else None,
            "kubernetesNetworkConfig": kept(
                cluster.get("kubernetesNetworkConfig"), ("ipFamily", "serviceIpv4Cidr")
            ),
            "upgradePolicy": cluster.get("upgradePolicy"),
            "tagsAll": cluster.get("tags", {}),
            "arn": cluster["arn"],
            "certificateAuthority": cluster.get("certificateAuthority"),
            "clusterId": None,  # only clusters on Outposts have one
            "createdAt": stamp(cluster["createdAt"]),
            "endpoint": cluster.get("endpoint"),
            "identities": [{"oidcs": [{"issuer": issuer}]}] if issuer else [],
            "platformVersion": cluster.get("platformVersion"),
            "status": cluster["status"],
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """EKS takes one kind of change at a time, and the next when that has ended."""
        for change in _config_changes(_describe(ctx, resource_id), new, changed):
            started = ctx.client("eks").update_cluster_config(name=resource_id, **change)
            await_update(ctx, started, name=resource_id)
            self.ready(ctx, resource_id, new)
        if "version" in changed and new.get("version"):
            params = compact(
                name=resource_id, version=new["version"], force=new.get("forceUpdateVersion") or None
            )
            await_update(ctx, ctx.client("eks").update_cluster_version(**params), name=resource_id)
        retag_map(ctx, "eks", self.arn(ctx, resource_id), old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteCluster, and waits until it is gone."""
        ctx.client("eks").delete_cluster(name=resource_id)
        await_gone(ctx, f"cluster {resource_id}", lambda: _describe(ctx, resource_id))

    def dependants(self, ctx: Context, resource_id: str) -> list[str]:
        """The node groups, for whose sake EKS refuses."""
        return list(ctx.client("eks").list_nodegroups(clusterName=resource_id)["nodegroups"])


def _describe(ctx: Context, name: str) -> dict[str, Any]:
    found: dict[str, Any] = ctx.client("eks").describe_cluster(name=name)["cluster"]
    return found


def _log_types(cluster: dict[str, Any]) -> list[str]:
    entries = cluster.get("logging", {}).get("clusterLogging", [])
    return [one for entry in entries if entry.get("enabled") for one in entry.get("types", [])]


def _config_changes(cluster: dict[str, Any], new: Inputs, changed: set[str]) -> list[dict[str, Any]]:
    """The UpdateClusterConfig calls that lead to the inputs; EKS refuses one that changes nothing."""
    calls: list[dict[str, Any]] = []
    mode = (new.get("accessConfig") or {}).get("authenticationMode")
    if "accessConfig" in changed and mode and mode != cluster["accessConfig"]["authenticationMode"]:
        calls.append({"accessConfig": {"authenticationMode": mode}})
    policy = new.get("upgradePolicy")
    if "upgradePolicy" in changed and policy and policy != cluster.get("upgradePolicy"):
        calls.append({"upgradePolicy": policy})
    wanted = bool(new.get("deletionProtection"))
    if "deletionProtection" in changed and wanted != cluster.get("deletionProtection", False):
        calls.append({"deletionProtection": wanted})
    if "enabledClusterLogTypes" in changed:
        calls += _log_changes(_log_types(cluster), new.get("enabledClusterLogTypes") or [])
    if "vpcConfig" in changed:
        calls += _vpc_changes(cluster["resourcesVpcConfig"], new["vpcConfig"])
    return calls


def _log_changes(have: list[str], want: list[str]) -> list[dict[str, Any]]:
    if set(have) == set(want):
        return []
    off = [one for one in _LOG_TYPES if one not in want]
    entries = [{"types": want, "enabled": True}] if want else []
    return [{"logging": {"clusterLogging": [*entries, *([{"types": off, "enabled": False}] if off else [])]}}]


def _vpc_changes(have: dict[str, Any], want: dict[str, Plain]) -> list[dict[str, Any]]:
    """Endpoint access and placement, which EKS takes apart only. What is not set is EKS's default."""
    full = {"endpointPublicAccess": True, "endpointPrivateAccess": False, **kept(want, _VPC_FIELDS)}
    calls = []
    for names in (_ENDPOINT_FIELDS, ("subnetIds", "securityGroupIds")):
        part = {name: full[name] for name in names if name in full}
        if any(_plain(have.get(name)) != _plain(value) for name, value in part.items()):
            calls.append({"resourcesVpcConfig": part})
    return calls


def _plain(value: Plain) -> Plain:
    return sorted(value) if isinstance(value, list) else value
