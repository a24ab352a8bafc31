"""ElastiCache replication groups: one primary and its replicas.

Blind spots: no cache runs unless the world is live; a change of node type or a failover takes no time.
"""

from __future__ import annotations

from typing import Any

from sandbox.plugins.aws.framework import (
    Call,
    Context,
    Inputs,
    Named,
    compact,
    is_absent,
    register,
    tag_pairs,
)
from sandbox.plugins.aws.table import REGION, judged, refused, tags, update
from sandbox.plugins.aws.tagging import retag_store, store_tags
from sandbox.plugins.protocol import Plain

_TOKEN = refused(
    "a token in a program's state is known to all who read it; use userGroupIds with an IAM user"
)
_SHARDS = refused("the kit's cache is one group of nodes: LiteLLM counts limits in scripts over several keys")
_RESTORE = refused("the kit's cache holds counters and cached answers, and keeps no snapshots")

_WIRE = {
    "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "automaticFailoverEnabled": "AutomaticFailoverEnabled",
    "description": "ReplicationGroupDescription",
    "engine": "Engine",
    "engineVersion": "EngineVersion",
    "ipDiscovery": "IpDiscovery",
    "maintenanceWindow": "PreferredMaintenanceWindow",
    "multiAzEnabled": "MultiAZEnabled",
    "nodeType": "CacheNodeType",
    "parameterGroupName": "CacheParameterGroupName",
    "securityGroupIds": "SecurityGroupIds",
    "snapshotRetentionLimit": "SnapshotRetentionLimit",
    "snapshotWindow": "SnapshotWindow",
    "transitEncryptionMode": "TransitEncryptionMode",
}
"""Inputs that CreateReplicationGroup and ModifyReplicationGroup call alike."""

_AT_CREATION = {
    "atRestEncryptionEnabled": "AtRestEncryptionEnabled",
    "kmsKeyId": "KmsKeyId",
    "networkType": "NetworkType",
    "numCacheClusters": "NumCacheClusters",
    "port": "Port",
    "preferredCacheClusterAzs": "PreferredCacheClusterAZs",
    "replicationGroupId": "ReplicationGroupId",
    "subnetGroupName": "CacheSubnetGroupName",
    "transitEncryptionEnabled": "TransitEncryptionEnabled",
    "userGroupIds": "UserGroupIds",
}


@register
class ReplicationGroup(Named):
    """One primary and its replicas."""

    token = "aws:elasticache/replicationGroup:ReplicationGroup"  # noqa: S105 - a type token
    sdk = "elasticache.ReplicationGroup"
    cfn = "AWS::ElastiCache::ReplicationGroup"
    named_by = "replicationGroupId"
    arn_form = ("elasticache", "replicationgroup:{}")
    inputs = {
        "applyImmediately": update(
            source="a parameter of ModifyReplicationGroup, which AWS does not keep", default=False
        ),
        "atRestEncryptionEnabled": judged("AtRestEncryptionEnabled"),
        "authToken": _TOKEN,
        "authTokenUpdateStrategy": _TOKEN,
        "authTokenWo": _TOKEN,
        "authTokenWoVersion": _TOKEN,
        "autoMinorVersionUpgrade": judged("AutoMinorVersionUpgrade", computed=True),
        "automaticFailoverEnabled": judged("AutomaticFailoverEnabled", default=False),
        "clusterMode": _SHARDS,
        "dataTieringEnabled": refused("the kit's cache is smaller than memory, and keeps nothing on disks"),
        "description": judged("ReplicationGroupDescription", required=True),
        "durability": refused("counters are kept in memory; what must last is in Postgres"),
        "engine": judged("Engine", computed=True),
        "engineVersion": judged("EngineVersion", computed=True),
        "finalSnapshotIdentifier": _RESTORE,
        "globalReplicationGroupId": refused("limits are counted in one region"),
        "ipDiscovery": judged("IpDiscovery", computed=True),
        "kmsKeyId": judged("KmsKeyId"),
        "logDeliveryConfigurations": refused(
            "its slow log has the arguments of commands, and so callers' text"
        ),
        "maintenanceWindow": judged("PreferredMaintenanceWindow", computed=True),
        "multiAzEnabled": judged("MultiAZEnabled", default=False),
        "networkType": judged("NetworkType", computed=True),
        "nodeGroupConfigurations": _SHARDS,
        "nodeType": judged("CacheNodeType", computed=True),
        "notificationTopicArn": refused("the sandbox's ElastiCache sends no events"),
        "numCacheClusters": judged("NumCacheClusters", computed=True),
        "numNodeGroups": _SHARDS,
        "parameterGroupName": judged("CacheParameterGroupName", computed=True),
        "port": judged("Port", computed=True),
        "preferredCacheClusterAzs": judged("PreferredCacheClusterAZs", computed=True),
        "replicasPerNodeGroup": _SHARDS,
        "replicationGroupId": judged("ReplicationGroupId", autoname=40),
        "securityGroupIds": judged("SecurityGroupIds", unordered=True, computed=True),
        "securityGroupNames": refused("it is for networks before VPCs; use securityGroupIds"),
        "snapshotArns": _RESTORE,
        "snapshotName": _RESTORE,
        "snapshotRetentionLimit": judged("SnapshotRetentionLimit"),
        "snapshotWindow": judged("SnapshotWindow", computed=True),
        "subnetGroupName": judged("CacheSubnetGroupName", computed=True),
        "transitEncryptionEnabled": judged("TransitEncryptionEnabled"),
        "transitEncryptionMode": judged("TransitEncryptionMode", computed=True),
        "userGroupIds": judged("UserGroupIds", unordered=True),
        **tags("Tags"),
        **REGION,
    }
    outputs = (
        "arn",
        "clusterEnabled",
        "configurationEndpointAddress",
        "engineVersionActual",
        "memberClusters",
        "primaryEndpointAddress",
        "readerEndpointAddress",
    )
    identity = ("replicationGroupId",)

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """What ElastiCache refuses, and no schema says."""
        found: list[tuple[str, str]] = []
        if inputs.get("engine") == "valkey" and inputs.get("transitEncryptionEnabled") is None:
            found.append(
                ("transitEncryptionEnabled", "must be said for engine valkey (AWS's schemas in cfn-lint)")
            )
        if inputs.get("multiAzEnabled") is True and inputs.get("automaticFailoverEnabled") is not True:
            found.append(("multiAzEnabled", "needs automaticFailoverEnabled: true"))
        return found

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateReplicationGroup."""
        wire = {**_WIRE, **_AT_CREATION}
        params = compact(
            **{wire[name]: inputs.get(name) for name in wire if inputs.get(name) is not None},
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
        )
        return [("elasticache", "CreateReplicationGroup", params)]

    def volatile(self, changed: set[str]) -> tuple[str, ...]:
        """Another version is another actual one; another number of nodes has other members."""
        found = ("engineVersionActual",) if changed & {"engine", "engineVersion"} else ()
        return (*found, "memberClusters") if "numCacheClusters" in changed else found

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Until it is available."""
        ctx.wait(
            f"{resource_id} to be available",
            lambda: _described(ctx, resource_id)["Status"] == "available",
            lambda: str(_described(ctx, resource_id)["Status"]),
        )

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeReplicationGroups, and DescribeCacheClusters for what only members say."""
        found = _described(ctx, resource_id)
        if found["Status"] == "deleting":
            return None
        members = found["MemberClusters"]
        (member,) = ctx.client("elasticache").describe_cache_clusters(CacheClusterId=members[0])[
            "CacheClusters"
        ]
        (part, *_) = found["NodeGroups"]
        version, wanted = str(member["EngineVersion"]), inputs.get("engineVersion")
        state: dict[str, Plain] = {
            "arn": found["ARN"],
            "clusterEnabled": found.get("ClusterEnabled", False),
            "configurationEndpointAddress": (found.get("ConfigurationEndpoint") or {}).get("Address"),
            "memberClusters": members,
            "primaryEndpointAddress": part["PrimaryEndpoint"]["Address"],
            "readerEndpointAddress": (part.get("ReaderEndpoint") or {}).get("Address"),
            "port": part["PrimaryEndpoint"]["Port"],
            "numCacheClusters": len(members),
            "description": found["Description"],
            "automaticFailoverEnabled": found["AutomaticFailover"] in ("enabled", "enabling"),
            "multiAzEnabled": found["MultiAZ"] == "enabled",
            "replicationGroupId": found["ReplicationGroupId"],
            "engineVersionActual": version,
            "engineVersion": wanted if wanted and f"{version}.".startswith(f"{wanted}.") else version,
            "userGroupIds": found.get("UserGroupIds", []),
            "parameterGroupName": (member.get("CacheParameterGroup") or {}).get("CacheParameterGroupName"),
            "subnetGroupName": member.get("CacheSubnetGroupName"),
            "securityGroupIds": [each["SecurityGroupId"] for each in member.get("SecurityGroups", [])],
            "tagsAll": store_tags(ctx, found["ARN"]),
        }
        if member.get("PreferredMaintenanceWindow"):
            state["maintenanceWindow"] = member["PreferredMaintenanceWindow"]
        for name, wire in {**_WIRE, **_AT_CREATION}.items():
            if name not in state and wire in found:
                state[name] = found[wire]
        return state

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """ModifyReplicationGroup with what changed; replicas come and go by calls of their own."""
        cache = ctx.client("elasticache")
        count = int(new.get("numCacheClusters") or 0) if "numCacheClusters" in changed else 0
        fewer = count < int(old.get("numCacheClusters") or 0)
        if count and not fewer:
            _count(cache.increase_replica_count, resource_id, count)
        params: dict[str, Any] = {_WIRE[name]: new.get(name) for name in changed if name in _WIRE}
        if "userGroupIds" in changed:
            before, after = set(old.get("userGroupIds") or []), set(new.get("userGroupIds") or [])
            params |= compact(
                UserGroupIdsToAdd=sorted(after - before), UserGroupIdsToRemove=sorted(before - after)
            )
        wanted = {name: value for name, value in params.items() if value is not None}
        if wanted:
            cache.modify_replication_group(
                ReplicationGroupId=resource_id, ApplyImmediately=bool(new.get("applyImmediately")), **wanted
            )
        if count and fewer:
            _count(cache.decrease_replica_count, resource_id, count)
        retag_store(ctx, self.arn(ctx, resource_id), old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteReplicationGroup; waits until it is gone."""
        ctx.client("elasticache").delete_replication_group(ReplicationGroupId=resource_id)
        ctx.wait(f"{resource_id} to be gone", lambda: is_absent(lambda: _described(ctx, resource_id)))


def _count(call: Any, resource_id: str, nodes: int) -> None:
    call(ReplicationGroupId=resource_id, NewReplicaCount=nodes - 1, ApplyImmediately=True)


def _described(ctx: Context, name: str) -> dict[str, Any]:
    found: dict[str, Any] = ctx.client("elasticache").describe_replication_groups(ReplicationGroupId=name)[
        "ReplicationGroups"
    ][0]
    return found
