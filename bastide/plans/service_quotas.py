"""The AWS quotas that a stack needs room in, from its settings alone.

Codes and defaults: Service Quotas console links of the EC2 user guide ("Amazon EC2 instance type quotas"), and
published dumps of `aws service-quotas list-aws-default-service-quotas` (2024 to 2026). Lead times are not promised by
AWS: smaller increases are approved by themselves, larger ones by a person (Service Quotas user guide); "1 to 3
working days" is what two deployment guides of 2026 tell their users; for P types by the dozen expect weeks and a
talk with the account team (experience).

Blind spot: a quota is a permission. That AWS has the instances is another matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bastide.catalogues import instances
from bastide.plans import karpenter_nodes, pool_plan
from bastide.settings import Settings
from bastide.settings.capacity import Block
from bastide.settings.cluster import AdoptedCluster
from bastide.settings.network import AdoptedNetwork
from bastide.settings.pools import PoolSettings

DAYS: Final = "1 to 3 working days"
WEEKS: Final = "1 to 3 working days for a few nodes, weeks for dozens (experience)"
MINUTES: Final = "minutes, mostly by itself (experience)"


@dataclass(frozen=True)
class Quota:
    """One quota of AWS: service and code as Service Quotas knows them, its name, AWS's default, and how long an
    increase takes."""

    service: str
    code: str
    name: str
    default: float
    lead_time: str


_ALL: Final = (
    Quota("ec2", "L-417A185B", "Running On-Demand P instances (vCPUs)", 0, WEEKS),
    Quota("ec2", "L-DB2E81BA", "Running On-Demand G and VT instances (vCPUs)", 0, DAYS),
    Quota("ec2", "L-1216C47A", "Running On-Demand Standard instances (vCPUs)", 5, MINUTES),
    Quota("ec2", "L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests (vCPUs)", 0, WEEKS),
    Quota("ec2", "L-C4BD4855", "All P5 Spot Instance Requests (vCPUs)", 0, WEEKS),
    Quota("ec2", "L-3819A6DF", "All G and VT Spot Instance Requests (vCPUs)", 0, DAYS),
    Quota("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", 5, MINUTES),
    Quota("vpc", "L-F678F1CE", "VPCs per Region", 5, MINUTES),
    Quota("vpc", "L-A4707A72", "Internet gateways per Region", 5, MINUTES),
    Quota("vpc", "L-FE5A380F", "NAT gateways per Availability Zone", 5, MINUTES),
    Quota("vpc", "L-29B6F2EB", "Interface VPC endpoints per VPC", 50, DAYS),
    Quota("eks", "L-1194D53C", "Clusters", 100, DAYS),
    Quota("eks", "L-6D54EA21", "Managed node groups per cluster", 30, DAYS),
    Quota("eks", "L-BD136A63", "Nodes per managed node group", 450, DAYS),
    Quota("ebs", "L-7A658B76", "Storage for General Purpose SSD (gp3) volumes, in TiB", 50, DAYS),
)

QUOTAS: Final[dict[str, Quota]] = {each.code: each for each in _ALL}
"""By code."""

_ON_DEMAND: Final = {"p": "L-417A185B", "g": "L-DB2E81BA", "m": "L-1216C47A"}
_SPOT: Final = {"p4": "L-7212CCBC", "p5": "L-C4BD4855", "g": "L-3819A6DF"}


@dataclass(frozen=True)
class Need:
    """Room that the stack needs in a quota, and what for."""

    quota: Quota
    amount: float
    reason: str


def on_demand_code(instance_type: str) -> str | None:
    """The quota that an on-demand instance of this type counts against; None for families that the kit has none
    of."""
    return _ON_DEMAND.get(instance_type[0])


def needs(settings: Settings, now: datetime) -> list[Need]:
    """Every quota that the stack counts against, in the order of `QUOTAS`. `now` (with its zone) is for capacity
    blocks; they and their instances need no room of on-demand quotas."""
    found: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for code, amount, reason in (
        *_nodes(settings, now),
        *_network(settings),
        *_cluster(settings, now),
        *_disks(settings),
    ):
        if amount:
            found[code].append((amount, reason))
    return [
        Need(quota, sum(amount for amount, _ in found[code]), " + ".join(reason for _, reason in found[code]))
        for code, quota in QUOTAS.items()
        if code in found
    ]


def _nodes(settings: Settings, now: datetime) -> Iterator[tuple[str, float, str]]:
    for pool in settings.pools:
        if isinstance(pool.capacity, Block):
            continue
        if pool.provisioner == "karpenter":
            yield from _elastic(pool)
            continue
        zones = len(pool_plan.zones(pool, settings.network.zones))
        for group in pool_plan.groups(pool, now):
            nodes = (group.max_size if group.desired_moves else group.desired_size) + _surge(pool, zones)
            kind = _largest(group.instance_types)
            code = _spot_code(kind) if group.capacity_type == "SPOT" else on_demand_code(kind.name)
            name = f"{nodes} x {kind.name} of pool {pool.name}"
            if code and nodes:
                yield code, nodes * kind.vcpus, name
    system = settings.system_pool
    kind = instances.CATALOGUE[system.instance_type]
    nodes = system.size + 2 * len(settings.network.zones)
    yield (
        _ON_DEMAND["m"],
        nodes * kind.vcpus,
        f"{nodes} x {kind.name} of the system pool, surge included",
    )


def _elastic(pool: PoolSettings) -> Iterator[tuple[str, float, str]]:
    """Karpenter takes what AWS has: any of the pool's types, and of a Spot pool on-demand nodes too."""
    kind = _largest(karpenter_nodes.instance_types(pool))
    for market in karpenter_nodes.capacity_types(pool):
        code = _spot_code(kind) if market == "spot" else on_demand_code(kind.name)
        if code:
            yield code, pool.size.max * kind.vcpus, f"{pool.size.max} x {kind.name} of pool {pool.name}"


def _largest(types: Iterable[str]) -> instances.InstanceType:
    """All nodes of a pool may be of the largest of its types."""
    return max((instances.CATALOGUE[each] for each in types), key=lambda each: each.vcpus)


def _spot_code(kind: instances.InstanceType) -> str | None:
    return _SPOT.get(kind.family[0], _SPOT.get(kind.family[:2]))


def _surge(pool: PoolSettings, zones: int) -> int:
    """Nodes more during an update: the larger of twice the zones and `maxUnavailable` (EKS user guide, "Understand
    each phase of node updates"). With `minimal` none: old nodes go first."""
    return max(2 * zones, pool.max_unavailable) if pool.update_strategy == "default" else 0


def _network(settings: Settings) -> Iterator[tuple[str, float, str]]:
    net = settings.network
    if isinstance(net, AdoptedNetwork):
        if net.manage_endpoints:
            yield "L-29B6F2EB", len(net.interface_endpoints), "interface endpoints"
        return
    nats = {"perZone": len(net.zones), "single": 1, "none": 0}[net.nat]
    yield "L-0263D0A3", nats, "NAT gateways' addresses"
    yield "L-F678F1CE", 1, "the VPC"
    yield "L-A4707A72", 1 if net.public_subnets else 0, "the VPC's"
    yield "L-FE5A380F", 1 if nats else 0, "in each zone that has one"
    yield "L-29B6F2EB", len(net.interface_endpoints), "interface endpoints"


def _cluster(settings: Settings, now: datetime) -> Iterator[tuple[str, float, str]]:
    if not isinstance(settings.cluster, AdoptedCluster):
        yield "L-1194D53C", 1, "the cluster"
    managed = [pool for pool in settings.pools if pool.provisioner == "nodeGroup"]
    groups = [group for pool in managed for group in pool_plan.groups(pool, now)]
    yield "L-6D54EA21", len(groups) + 1, "GPU pools' and the system pool's"
    largest = max([settings.system_pool.size, *(each.max_size for each in groups)])
    yield "L-BD136A63", largest, "the largest"


def _disks(settings: Settings) -> Iterator[tuple[str, float, str]]:
    gib = settings.system_pool.size * settings.system_pool.disk_gib
    gib += sum(pool_plan.most_nodes(pool) * pool.disk_gib for pool in settings.pools)
    yield "L-7A658B76", gib / 1024, "root disks of all nodes"
