"""Subnets and security groups that databases, caches and load balancers hold. On AWS each has interfaces in its
subnets; moto makes none, so a network would go from under them. `apply` is called once at start."""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from typing import Any


def apply() -> None:
    """Puts the patches in force."""
    from moto.ec2.exceptions import DependencyViolationError
    from moto.ec2.models import EC2Backend

    subnet, group = EC2Backend.delete_subnet, EC2Backend.delete_security_group

    @wraps(subnet)
    def delete_subnet(self: Any, subnet_id: str) -> Any:
        for holder, subnets, _ in _holders(self):
            if subnet_id in subnets:
                raise DependencyViolationError(
                    f"The subnet '{subnet_id}' has dependencies and cannot be deleted ({holder})."
                )
        return subnet(self, subnet_id)

    @wraps(group)
    def delete_security_group(self: Any, name: str | None = None, group_id: str | None = None) -> Any:
        for holder, _, groups in _holders(self):
            if group_id in groups:
                raise DependencyViolationError(f"resource {group_id} has a dependent object ({holder})")
        return group(self, name, group_id)

    EC2Backend.delete_subnet, EC2Backend.delete_security_group = delete_subnet, delete_security_group


def _holders(ec2: Any) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each holder with its subnets and groups."""
    from moto.elasticache.models import elasticache_backends
    from moto.elbv2.models import elbv2_backends
    from moto.rds.models import rds_backends

    account, region = ec2.account_id, ec2.region_name
    for each in rds_backends[account][region].databases.values():
        found = getattr(each, "db_subnet_group", None)
        subnets = [item["SubnetIdentifier"] for item in found.subnets] if found is not None else []
        yield f"database {each.db_instance_identifier}", subnets, list(each.vpc_security_group_ids)
    caches = elasticache_backends[account][region]
    for each in caches.replication_groups.values():
        group = caches.cache_subnet_groups.get(each.cache_subnet_group_name)
        subnets = list(group.subnet_ids) if group is not None else []
        yield f"cache {each.replication_group_id}", subnets, list(each.security_group_ids or [])
    for each in elbv2_backends[account][region].load_balancers.values():
        subnets = [subnet.id for subnet in each.subnets]
        yield f"load balancer {each.name}", subnets, list(each.security_groups or [])
