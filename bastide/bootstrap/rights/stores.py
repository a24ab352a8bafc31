"""The gateway's database and cache, where the stack makes them: everything by name."""

from __future__ import annotations

from bastide import names
from bastide.bootstrap.rights.base import Right, Scope
from bastide.plans import cache, database
from bastide.settings.cache import CreatedCache
from bastide.settings.database import CreatedDatabase


def rights(scope: Scope) -> list[Right]:
    """RDS, ElastiCache, and their use of the stack's keys."""
    settings = scope.settings
    if not settings.gateway.enabled:
        return []
    services: list[str] = []
    found: list[Right] = []
    if isinstance(settings.database, CreatedDatabase):
        services += ["rds", "secretsmanager"]
        found += _database(scope)
    if isinstance(settings.cache, CreatedCache):
        services.append("elasticache")
        found += _cache(scope)
    return [*found, *_keys(scope, services), *_linked(scope, services)] if found else []


def _database(scope: Scope) -> list[Right]:
    settings = scope.settings
    name = database.identifier(settings)
    kinds = (f"db:{name}", f"subgrp:{name}", f"pg:{name}-*", f"snapshot:{name}-*")
    return [
        Right(
            "Rds",
            "the instance, its groups and its last snapshot; of option groups and parameter groups also AWS's own",
            [
                *("rds:AddTagsToResource", "rds:ListTagsForResource", "rds:RemoveTagsFromResource"),
                *(
                    "rds:CreateDBInstance",
                    "rds:DeleteDBInstance",
                    "rds:ModifyDBInstance",
                    "rds:RebootDBInstance",
                ),
                *("rds:CreateDBSubnetGroup", "rds:DeleteDBSubnetGroup", "rds:ModifyDBSubnetGroup"),
                *("rds:CreateDBParameterGroup", "rds:DeleteDBParameterGroup", "rds:ModifyDBParameterGroup"),
                *("rds:ResetDBParameterGroup", "rds:CreateDBSnapshot"),
            ],
            [*(scope.arn("rds", each) for each in kinds), scope.arn("rds", "og:default*")],
        ),
        Right(
            "RdsRead",
            "the provider looks before and after",
            [
                *("rds:DescribeDBInstances", "rds:DescribeDBParameterGroups", "rds:DescribeDBParameters"),
                *("rds:DescribeDBSubnetGroups", "rds:DescribeDBEngineVersions"),
            ],
            ["*"],
            scope.in_region,
        ),
        Right(
            "RdsSecret",
            "RDS keeps the first user's password in a secret that it makes in the caller's name; its value is not read",
            ["secretsmanager:CreateSecret", "secretsmanager:TagResource"],
            [scope.arn("secretsmanager", "secret:rds!db-*")],
        ),
        Right(
            "RdsLogs",
            "the server's logs",
            [
                *("logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy"),
                *("logs:DeleteRetentionPolicy", "logs:AssociateKmsKey", "logs:DisassociateKmsKey"),
                *("logs:ListTagsForResource", "logs:TagResource", "logs:UntagResource"),
            ],
            [scope.arn("logs", f"log-group:/aws/rds/instance/{name}/*")],
        ),
    ]


def _cache(scope: Scope) -> list[Right]:
    settings = scope.settings
    own = (cache.identifier(settings), f"{cache.identifier(settings)}-*", cache.nobody(settings))
    kinds = ("replicationgroup", "cluster", "subnetgroup", "parametergroup", "user", "usergroup")
    return [
        Right(
            "ElastiCache",
            "the replication group, its nodes, groups and users",
            [
                *("elasticache:AddTagsToResource", "elasticache:ListTagsForResource"),
                "elasticache:RemoveTagsFromResource",
                *("elasticache:CreateReplicationGroup", "elasticache:DeleteReplicationGroup"),
                *("elasticache:ModifyReplicationGroup", "elasticache:IncreaseReplicaCount"),
                "elasticache:DecreaseReplicaCount",
                *("elasticache:CreateCacheSubnetGroup", "elasticache:DeleteCacheSubnetGroup"),
                "elasticache:ModifyCacheSubnetGroup",
                *("elasticache:CreateCacheParameterGroup", "elasticache:DeleteCacheParameterGroup"),
                *("elasticache:ModifyCacheParameterGroup", "elasticache:ResetCacheParameterGroup"),
                *("elasticache:CreateUser", "elasticache:DeleteUser", "elasticache:ModifyUser"),
                *(
                    "elasticache:CreateUserGroup",
                    "elasticache:DeleteUserGroup",
                    "elasticache:ModifyUserGroup",
                ),
            ],
            [scope.arn("elasticache", f"{kind}:{each}") for kind in kinds for each in own],
        ),
        Right(
            "ElastiCacheRead",
            "the provider looks before and after",
            [
                *("elasticache:DescribeCacheClusters", "elasticache:DescribeReplicationGroups"),
                *("elasticache:DescribeCacheParameterGroups", "elasticache:DescribeCacheParameters"),
                *("elasticache:DescribeCacheSubnetGroups", "elasticache:DescribeUserGroups"),
                "elasticache:DescribeUsers",
            ],
            ["*"],
            scope.in_region,
        ),
    ]


def _keys(scope: Scope, services: list[str]) -> list[Right]:
    """A service encrypts by a key of the stack in the caller's name, and only by way of that service."""
    via = [f"{each}.{scope.settings.region}.amazonaws.com" for each in services]
    return [
        Right(
            "StoresKeys",
            "RDS, its secret and ElastiCache get their right to the stack's keys in the caller's name",
            ["kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"],
            [scope.arn("kms", "key/*")],
            {
                **scope.owned_keys,
                "StringEquals": {**scope.owned["StringEquals"], "kms:ViaService": via},
            },
        )
    ]


def _linked(scope: Scope, services: list[str]) -> list[Right]:
    known = [f"{each}.amazonaws.com" for each in services if each != "secretsmanager"]
    return [
        Right(
            "StoresLinked",
            "the account's first database and cache make the services' own roles",
            ["iam:CreateServiceLinkedRole"],
            [names.role_arn(scope.settings.account_id, "aws-service-role/*")],
            {"StringEquals": {"iam:AWSServiceName": known}},
        )
    ]
