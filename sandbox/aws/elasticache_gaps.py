"""What moto's ElastiCache lacks: parameter groups, user groups, changes and ends of groups, and the refusals that go
with them. `apply` is called once at start.

Blind spots: a change is done at once; parameter values are not held against their family."""

from __future__ import annotations

from functools import wraps
from typing import Any

from moto.core.responses import ActionResult, EmptyResult

_CHANGES = {
    "AutoMinorVersionUpgrade": "auto_minor_version_upgrade",
    "CacheNodeType": "cache_node_type",
    "CacheParameterGroupName": "cache_parameter_group_name",
    "Engine": "engine",
    "EngineVersion": "engine_version",
    "IpDiscovery": "ip_discovery",
    "PreferredMaintenanceWindow": "preferred_maintenance_window",
    "ReplicationGroupDescription": "description",
    "SecurityGroupIds": "security_group_ids",
    "SnapshotRetentionLimit": "snapshot_retention_limit",
    "SnapshotWindow": "snapshot_window",
    "TransitEncryptionMode": "transit_encryption_mode",
}
"""What ModifyReplicationGroup may say, and moto's names of it."""


def apply() -> None:
    """Puts the patches in force."""
    from moto.elasticache.models import ElastiCacheBackend, ReplicationGroup
    from moto.elasticache.responses import ElastiCacheResponse

    _keep_more(ElastiCacheBackend)
    _count_nodes(ReplicationGroup)
    _judge_users(ElastiCacheBackend)
    for name, call in (
        ("create_user_group", _create_user_group),
        ("describe_user_groups", _describe_user_groups),
        ("modify_user_group", _modify_user_group),
        ("delete_user_group", _delete_user_group),
        ("modify_user", _modify_user),
        ("create_cache_parameter_group", _create_parameters),
        ("describe_cache_parameter_groups", _describe_parameter_groups),
        ("describe_cache_parameters", _describe_parameters),
        ("modify_cache_parameter_group", _modify_parameters),
        ("reset_cache_parameter_group", _reset_parameters),
        ("delete_cache_parameter_group", _delete_parameters),
        ("modify_cache_subnet_group", _modify_subnets),
        ("delete_cache_subnet_group", _delete_subnets),
        ("modify_replication_group", _modify_group),
        ("increase_replica_count", _replica_count),
        ("decrease_replica_count", _replica_count),
    ):
        setattr(ElastiCacheResponse, name, call)
    _end_groups(ElastiCacheBackend)
    _show_members(ElastiCacheResponse)


def _refusal(code: str, message: str) -> Exception:
    from moto.elasticache.exceptions import ElastiCacheException

    found: Exception = ElastiCacheException(code, message)
    return found


def _keep_more(backend: Any) -> None:
    import re

    original = backend.__init__

    @wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.user_groups = {}
        self.parameter_groups = {}
        kinds = "cluster|snapshot|subnetgroup|replicationgroup|user|usergroup|parametergroup"
        self.arn_regex = re.compile(rf"^arn:aws:elasticache:.*:[0-9]*:({kinds}):.*$")

    backend.__init__ = init


def _count_nodes(group: Any) -> None:
    # moto takes NumCacheClusters and makes one.
    original = group.__init__

    @wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        nodes = kwargs.get("num_cache_clusters")
        if nodes and not kwargs.get("replicas_per_node_group") and not kwargs.get("num_node_groups"):
            kwargs["replicas_per_node_group"] = nodes - 1
        original(self, *args, **kwargs)

    group.__init__ = init


def _judge_users(backend: Any) -> None:
    create_user, create_group = backend.create_user, backend.create_replication_group

    @wraps(create_user)
    def judged_user(self: Any, user_id: str, user_name: str, **kwargs: Any) -> Any:
        if kwargs.get("authentication_type") == "iam" and user_id != user_name:
            raise _refusal(
                "InvalidParameterCombination",
                "User Id and User name must be same for authentication type: iam",
            )
        return create_user(self, user_id=user_id, user_name=user_name, **kwargs)

    @wraps(create_group)
    def judged_group(self: Any, **kwargs: Any) -> Any:
        for each in kwargs.get("user_group_ids") or []:
            _user_group(self, each)
        if kwargs.get("user_group_ids") and not kwargs.get("transit_encryption_enabled"):
            raise _refusal(
                "InvalidParameterCombination",
                "User group based access control requires encryption-in-transit to be enabled on the group.",
            )
        if kwargs.get("multi_az_enabled") and not kwargs.get("automatic_failover_enabled"):
            raise _refusal(
                "InvalidParameterCombination", "Must enable automatic failover to enable Multi-AZ."
            )
        if kwargs.get("automatic_failover_enabled") and (kwargs.get("num_cache_clusters") or 2) < 2:
            raise _refusal(
                "InvalidParameterValue",
                "When automatic failover is enabled, the replication group must have at least one replica.",
            )
        name = kwargs.get("cache_parameter_group_name")
        if name and not name.startswith("default.") and name not in self.parameter_groups:
            raise _refusal("CacheParameterGroupNotFound", f"CacheParameterGroup {name} not found.")
        subnets = kwargs.get("cache_subnet_group_name")
        if subnets and subnets not in self.cache_subnet_groups:
            raise _refusal("CacheSubnetGroupNotFoundFault", f"CacheSubnetGroup {subnets} not found.")
        return create_group(self, **kwargs)

    backend.create_user, backend.create_replication_group = judged_user, judged_group


def _user_group(backend: Any, name: str) -> dict[str, Any]:
    if name not in backend.user_groups:
        raise _refusal("UserGroupNotFound", f"User group {name} not found.")
    found: dict[str, Any] = backend.user_groups[name]
    found["ReplicationGroups"] = [
        each.replication_group_id
        for each in backend.replication_groups.values()
        if name in each.user_group_ids
    ]
    return found


def _members(backend: Any, engine: str, user_ids: list[str]) -> None:
    missing = [each for each in user_ids if each not in backend.users]
    if missing:
        raise _refusal("UserNotFound", f"User {missing[0]} not found.")
    users = [backend.users[each] for each in user_ids]
    names = [each.name for each in users]
    if len(set(names)) < len(names):
        raise _refusal("DuplicateUserName", "User group may contain only one user of a name.")
    if engine == "redis" and "default" not in names:
        raise _refusal(
            "DefaultUserRequired", "User group needs to contain a user with the user name default."
        )
    if engine == "valkey" and any(each.no_password_required for each in users):
        raise _refusal(
            "InvalidParameterCombination", "A user group of engine valkey takes users that authenticate only."
        )


def _create_user_group(self: Any) -> Any:
    backend, name = self.elasticache_backend, self._get_param("UserGroupId")
    engine, users = self._get_param("Engine").lower(), self._get_param("UserIds") or []
    if name in backend.user_groups:
        raise _refusal("UserGroupAlreadyExists", f"User group {name} already exists.")
    _members(backend, engine, users)
    arn = f"arn:aws:elasticache:{self.region}:{self.current_account}:usergroup:{name}"
    backend.user_groups[name] = {
        "UserGroupId": name,
        "Status": "active",
        "Engine": engine,
        "UserIds": users,
        "MinimumEngineVersion": "6.0",
        "ReplicationGroups": [],
        "ARN": arn,
    }
    backend.tagging_service.tag_resource(arn, self._get_param("Tags") or [])
    return ActionResult(_user_group(backend, name))


def _describe_user_groups(self: Any) -> Any:
    backend, name = self.elasticache_backend, self._get_param("UserGroupId")
    found = [_user_group(backend, each) for each in ([name] if name else list(backend.user_groups))]
    return ActionResult({"UserGroups": found})


def _modify_user_group(self: Any) -> Any:
    backend = self.elasticache_backend
    group = _user_group(backend, self._get_param("UserGroupId"))
    gone = self._get_param("UserIdsToRemove") or []
    users = [each for each in group["UserIds"] if each not in gone] + (self._get_param("UserIdsToAdd") or [])
    engine = (self._get_param("Engine") or group["Engine"]).lower()
    _members(backend, engine, users)
    group["UserIds"], group["Engine"] = users, engine
    return ActionResult(group)


def _delete_user_group(self: Any) -> Any:
    backend, name = self.elasticache_backend, self._get_param("UserGroupId")
    group = _user_group(backend, name)
    if group["ReplicationGroups"]:
        raise _refusal("InvalidUserGroupState", f"User group {name} is used by a replication group.")
    del backend.user_groups[name]
    return ActionResult({**group, "Status": "deleting"})


def _modify_user(self: Any) -> Any:
    backend, name = self.elasticache_backend, self._get_param("UserId")
    if name not in backend.users:
        raise _refusal("UserNotFound", f"User {name} not found.")
    user = backend.users[name]
    user.access_string = self._get_param("AccessString") or user.access_string
    user.engine = (self._get_param("Engine") or user.engine).lower()
    return ActionResult(user)


def _parameters(backend: Any, name: str) -> dict[str, Any]:
    if name not in backend.parameter_groups:
        raise _refusal("CacheParameterGroupNotFound", f"CacheParameterGroup {name} not found.")
    found: dict[str, Any] = backend.parameter_groups[name]
    return found


def _create_parameters(self: Any) -> Any:
    backend, name = self.elasticache_backend, self._get_param("CacheParameterGroupName")
    if name in backend.parameter_groups:
        raise _refusal("CacheParameterGroupAlreadyExists", f"Cache parameter group {name} already exists.")
    arn = f"arn:aws:elasticache:{self.region}:{self.current_account}:parametergroup:{name}"
    backend.parameter_groups[name] = {
        "CacheParameterGroupName": name,
        "CacheParameterGroupFamily": self._get_param("CacheParameterGroupFamily"),
        "Description": self._get_param("Description"),
        "IsGlobal": False,
        "ARN": arn,
        "values": {},
    }
    backend.tagging_service.tag_resource(arn, self._get_param("Tags") or [])
    return ActionResult({"CacheParameterGroup": backend.parameter_groups[name]})


def _describe_parameter_groups(self: Any) -> Any:
    backend, name = self.elasticache_backend, self._get_param("CacheParameterGroupName")
    found = [_parameters(backend, each) for each in ([name] if name else list(backend.parameter_groups))]
    return ActionResult({"CacheParameterGroups": found})


def _describe_parameters(self: Any) -> Any:
    group = _parameters(self.elasticache_backend, self._get_param("CacheParameterGroupName"))
    found = [
        {"ParameterName": name, "ParameterValue": value, "Source": "user", "IsModifiable": True}
        for name, value in group["values"].items()
    ]
    return ActionResult({"Parameters": found, "CacheNodeTypeSpecificParameters": []})


def _modify_parameters(self: Any) -> Any:
    name = self._get_param("CacheParameterGroupName")
    group = _parameters(self.elasticache_backend, name)
    for each in self._get_param("ParameterNameValues") or []:
        group["values"][each["ParameterName"]] = each["ParameterValue"]
    return ActionResult({"CacheParameterGroupName": name})


def _reset_parameters(self: Any) -> Any:
    name = self._get_param("CacheParameterGroupName")
    group = _parameters(self.elasticache_backend, name)
    for each in self._get_param("ParameterNameValues") or []:
        group["values"].pop(each["ParameterName"], None)
    if self._get_bool_param("ResetAllParameters"):
        group["values"].clear()
    return ActionResult({"CacheParameterGroupName": name})


def _delete_parameters(self: Any) -> Any:
    backend, name = self.elasticache_backend, self._get_param("CacheParameterGroupName")
    _parameters(backend, name)
    if any(each.cache_parameter_group_name == name for each in backend.replication_groups.values()):
        raise _refusal("InvalidCacheParameterGroupState", f"Cache parameter group {name} is in use.")
    del backend.parameter_groups[name]
    return EmptyResult()


def _modify_subnets(self: Any) -> Any:
    from moto.elasticache.models import CacheSubnetGroup

    backend, name = self.elasticache_backend, self._get_param("CacheSubnetGroupName")
    (group,) = backend.describe_cache_subnet_groups(name)
    text = self._get_param("CacheSubnetGroupDescription") or group.cache_subnet_group_description
    subnets = self._get_param("SubnetIds") or group.subnet_ids
    backend.cache_subnet_groups[name] = CacheSubnetGroup(
        self.current_account, self.region, name, text, subnets, group.tags
    )
    return ActionResult({"CacheSubnetGroup": backend.cache_subnet_groups[name]})


def _delete_subnets(self: Any) -> Any:
    backend, name = self.elasticache_backend, self._get_param("CacheSubnetGroupName")
    backend.describe_cache_subnet_groups(name)
    if any(each.cache_subnet_group_name == name for each in backend.replication_groups.values()):
        raise _refusal(
            "CacheSubnetGroupInUse", f"Cache subnet group {name} is currently in use by a cache cluster."
        )
    del backend.cache_subnet_groups[name]
    return EmptyResult()


def _modify_group(self: Any) -> Any:
    backend, name = self.elasticache_backend, self._get_param("ReplicationGroupId")
    (group,) = backend.describe_replication_groups(name)
    params = self._get_params()
    for wire, ours in _CHANGES.items():
        if wire in params:
            setattr(group, ours, params[wire])
    for wire, ours in (("AutomaticFailoverEnabled", "automatic_failover"), ("MultiAZEnabled", "multi_az")):
        if wire in params:
            setattr(group, ours, "enabled" if self._get_bool_param(wire) else "disabled")
    gone = self._get_param("UserGroupIdsToRemove") or []
    added = self._get_param("UserGroupIdsToAdd") or []
    for each in added:
        _user_group(backend, each)
    group.user_group_ids = [each for each in group.user_group_ids if each not in gone] + added
    return ActionResult({"ReplicationGroup": group})


def _replica_count(self: Any) -> Any:
    (group,) = self.elasticache_backend.describe_replication_groups(self._get_param("ReplicationGroupId"))
    wanted = self._get_int_param("NewReplicaCount") + 1
    if group.automatic_failover == "enabled" and wanted < 2:
        raise _refusal(
            "InvalidParameterValue",
            "Automatic failover needs at least one replica: switch it off before the last goes.",
        )
    name, (part, *_) = group.replication_group_id, group.node_groups
    part["node_group_members"] = part["node_group_members"][:1]
    group.member_clusters = group.member_clusters[:1]
    for number in range(2, wanted + 1):
        cluster = f"{name}-{number:0>3}"
        group.member_clusters.append(cluster)
        part["node_group_members"].append(
            {"cache_cluster_id": cluster, "cache_node_id": part["node_group_id"], "current_role": "replica"}
        )
    return ActionResult({"ReplicationGroup": group})


def _end_groups(backend: Any) -> None:
    # moto leaves a deleted group there for ever, in state `deleting`: once that was seen, it is gone.
    original = backend.describe_replication_groups

    @wraps(original)
    def describe(self: Any, replication_group_id: str | None = None) -> Any:
        found = original(self, replication_group_id)
        for each in found:
            if each.status == "deleting":
                self.replication_groups.pop(each.replication_group_id, None)
        return found

    backend.describe_replication_groups = describe


def _show_members(responses: Any) -> None:
    # On AWS the nodes of a group are clusters, and say what the group does not: version, parameters, network.
    original = responses.describe_cache_clusters

    @wraps(original)
    def describe(self: Any) -> Any:
        wanted = self._get_param("CacheClusterId")
        for group in self.elasticache_backend.replication_groups.values():
            if wanted and wanted in group.member_clusters:
                return ActionResult({"CacheClusters": [_member(group, wanted)]})
        return original(self)

    responses.describe_cache_clusters = describe


def _member(group: Any, name: str) -> dict[str, Any]:
    return {
        "CacheClusterId": name,
        "CacheClusterStatus": "available",
        "CacheNodeType": group.cache_node_type,
        "Engine": group.engine,
        "EngineVersion": group.engine_version,
        "NumCacheNodes": 1,
        "PreferredMaintenanceWindow": group.preferred_maintenance_window,
        "CacheParameterGroup": {"CacheParameterGroupName": group.cache_parameter_group_name},
        "CacheSubnetGroupName": group.cache_subnet_group_name,
        "SecurityGroups": [
            {"SecurityGroupId": each, "Status": "active"} for each in group.security_group_ids or []
        ],
        "ReplicationGroupId": group.replication_group_id,
        "TransitEncryptionEnabled": group.transit_encryption_enabled,
        "AtRestEncryptionEnabled": group.at_rest_encryption_enabled,
    }
