"""The gateway's Redis: ElastiCache of the stack's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bastide.plans import cache
from bastide.settings import CreatedCache, Settings
from components.key import Key, KeyArgs
from components.store_access import StoreAccess, access_from_pods


@dataclass(frozen=True)
class CacheArgs:
    """The stack's settings, and where its pods are."""

    settings: Settings
    wanted: CreatedCache
    vpc_id: pulumi.Input[str]
    subnet_ids: Mapping[str, pulumi.Input[str]]
    """Private subnets by zone."""
    client_group_id: pulumi.Input[str]
    """Security group of the nodes, which pods have too: it alone may connect."""


class Cache(pulumi.ComponentResource):
    """A primary and its replicas with key, subnets, parameters, users and network group. No password exists: the
    gateway signs in by IAM, and the user of whoever names none is off."""

    host: pulumi.Output[str]
    """Name of the primary; after a failover it is the new one's."""

    def __init__(self, name: str, args: CacheArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:gateway:Cache", name, None, opts)
        self._name, self._args = name, args
        settings, wanted = args.settings, args.wanted
        child = pulumi.ResourceOptions(parent=self)
        identifier = cache.identifier(settings)
        key = Key(
            f"{name}-key", KeyArgs(settings, "cache", "Encryption of the gateway's cache at rest"), opts=child
        )
        subnets = aws.elasticache.SubnetGroup(
            f"{name}-subnets",
            name=identifier,
            description="Private subnets of the gateway's cache",
            subnet_ids=list(args.subnet_ids.values()),
            opts=child,
        )
        parameters = aws.elasticache.ParameterGroup(
            f"{name}-parameters",
            # The family is part of the name: an upgrade needs the new group beside the old one.
            name=f"{identifier}-{cache.FAMILIES[wanted.engine]}",
            family=cache.FAMILIES[wanted.engine],
            description="Counters are never thrown away",
            parameters=[
                aws.elasticache.ParameterGroupParameterArgs(name=each, value=value)
                for each, value in cache.PARAMETERS.items()
            ],
            opts=child,
        )
        group = aws.elasticache.ReplicationGroup(
            f"{name}-group",
            replication_group_id=identifier,
            description="Limits and cached answers of the gateway",
            engine=wanted.engine,
            engine_version=cache.VERSIONS[wanted.engine],
            node_type=wanted.node_type,
            num_cache_clusters=wanted.nodes,
            automatic_failover_enabled=cache.several_zones(wanted),
            multi_az_enabled=cache.several_zones(wanted),
            port=cache.PORT,
            parameter_group_name=parameters.name,
            subnet_group_name=subnets.name,
            security_group_ids=[self._network().id],
            user_group_ids=[self._users().user_group_id],
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            at_rest_encryption_enabled=True,
            kms_key_id=key.arn,
            auto_minor_version_upgrade=True,
            maintenance_window=wanted.maintenance_window,
            # Counters are worth nothing tomorrow, and cached answers are callers' text: no snapshot.
            snapshot_retention_limit=0,
            apply_immediately=not settings.protection,
            opts=child,
        )
        self.host = group.primary_endpoint_address
        self.register_outputs({"host": self.host})

    def _users(self) -> aws.elasticache.UserGroup:
        name, settings, child = self._name, self._args.settings, pulumi.ResourceOptions(parent=self)
        gateway = aws.elasticache.User(
            f"{name}-user-gateway",
            user_id=cache.identifier(settings),
            user_name=cache.identifier(settings),
            # `redis` on Valkey too: only a group of that kind takes a `default` without a password, here one that is
            # off, and ElastiCache takes such groups for both engines.
            engine="redis",
            access_string=cache.ACCESS,
            authentication_mode=aws.elasticache.UserAuthenticationModeArgs(type="iam"),
            opts=child,
        )
        nobody = aws.elasticache.User(
            f"{name}-user-default",
            user_id=cache.nobody(settings),
            user_name="default",
            engine="redis",
            access_string=cache.NOBODY,
            no_password_required=True,
            opts=child,
        )
        return aws.elasticache.UserGroup(
            f"{name}-users",
            engine="redis",
            user_group_id=cache.identifier(settings),
            user_ids=[gateway.user_id, nobody.user_id],
            opts=child,
        )

    def _network(self) -> aws.ec2.SecurityGroup:
        args = self._args
        access = StoreAccess(
            protocol="Redis",
            store="cache",
            port=cache.PORT,
            vpc_id=args.vpc_id,
            client_group_id=args.client_group_id,
            prefix=args.settings.prefix,
        )
        return access_from_pods(self._name, access, pulumi.ResourceOptions(parent=self))
