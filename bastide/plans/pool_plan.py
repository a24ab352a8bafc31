"""From a GPU pool's settings to its node groups, interfaces and what its nodes offer. Pure.

A capacity block makes the plan depend on the time: before its start and from 40 minutes before its end the pool
wants no nodes, so the same stack file goes on to work through all of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from bastide.catalogues import instances, mig
from bastide.plans import node_user_data
from bastide.settings.capacity import Block, Spot
from bastide.settings.pools import PoolSettings
from bastide.settings.sharing import Mig, TimeSlicing
from bastide.settings.weights import NodeWeights

BLOCK_LEAD: Final = timedelta(minutes=40)
"""Time before a capacity block's end at which EKS scales its node group to 0 (EKS user guide, "Create a
managed node group with Capacity Blocks for ML")."""

FALLBACK: Final = "od"
"""Suffix of names of a Spot pool's on-demand node group."""

BOTTLEROCKET_OS_GIB: Final = 4
"""Size of Bottlerocket's disk for the operating system, which holds no data: Karpenter's default block device
mapping (pkg/providers/amifamily/bottlerocket.go)."""


@dataclass(frozen=True)
class Group:
    """One managed node group of a pool.

    `suffix` makes its names differ from the pool's first group's. Sizes in nodes. With `desired_moves`
    something outside the stack changes the size after creation: an autoscaler, or EKS at a block's end."""

    suffix: str
    capacity_type: Literal["ON_DEMAND", "SPOT", "CAPACITY_BLOCK"]
    instance_types: tuple[str, ...]
    min_size: int
    desired_size: int
    max_size: int
    desired_moves: bool = False


@dataclass(frozen=True)
class Interface:
    """One network interface of a launch template; `kind` as EC2 writes it."""

    card: int
    device: int
    kind: Literal["interface", "efa-only"]


def groups(pool: PoolSettings, now: datetime) -> list[Group]:
    """The pool's node groups as they should be at `now` (a time with its zone)."""
    capacity, size, spare = pool.capacity, pool.size, pool.warm_spare
    types: tuple[str, ...] = (pool.instance_type,)
    if isinstance(capacity, Block):
        wanted = size.max + spare if block_open(capacity, now) else 0
        # min 0: EKS itself takes the nodes away before the end.
        return [Group("", "CAPACITY_BLOCK", types, 0, wanted, max(size.max + spare, 1))]
    spot = isinstance(capacity, Spot)
    if isinstance(capacity, Spot):
        types = (*types, *capacity.also_instance_types)
    first = Group(
        "",
        "SPOT" if spot else "ON_DEMAND",
        types,
        size.min + spare,
        size.min + spare,
        # EKS takes no maximum of 0, also where no node is wanted yet.
        max(size.max + spare, 1),
        desired_moves=not size.fixed,
    )
    if not isinstance(capacity, Spot) or not capacity.on_demand_fallback:
        return [first]
    count = capacity.on_demand_fallback
    return [first, Group(FALLBACK, "ON_DEMAND", (pool.instance_type,), count, count, count)]


def block_open(block: Block, now: datetime) -> bool:
    """Whether the block's nodes can run at `now`."""
    return block.start <= now < block.end - BLOCK_LEAD


def most_nodes(pool: PoolSettings) -> int:
    """Nodes of the pool at its largest, spare and fallback included."""
    fallback = pool.capacity.on_demand_fallback if isinstance(pool.capacity, Spot) else 0
    return pool.size.max + pool.warm_spare + fallback


def kind_of(pool: PoolSettings) -> instances.InstanceType:
    """The pool's instance type; the loader made sure that it is known."""
    return instances.CATALOGUE[pool.instance_type]


def gpus_per_node(pool: PoolSettings) -> int:
    """`nvidia.com/gpu` that each node offers: GPUs, or their shares where pods share them."""
    kind = kind_of(pool)
    match pool.sharing:
        case TimeSlicing(replicas=replicas):
            return kind.gpus * replicas
        case Mig(profile=profile):
            return kind.gpus * mig.profiles(kind)[profile]
        case _:
            return kind.gpus


def uses_instance_store(pool: PoolSettings) -> bool:
    """Whether images, weights and caches lie on the instance store: with `auto` where it holds more than the
    root disk."""
    return pool.local_storage == "auto" and kind_of(pool).instance_store_gib > pool.disk_gib


def node_disk_gib(pool: PoolSettings) -> int:
    """GiB that a node has for images, weights and caches."""
    return kind_of(pool).instance_store_gib if uses_instance_store(pool) else pool.disk_gib


def zones(pool: PoolSettings, network_zones: tuple[str, ...]) -> tuple[str, ...]:
    """Zones in which the pool's nodes may be."""
    if isinstance(pool.capacity, Block):
        return (pool.capacity.zone,)
    return pool.zones or network_zones


def interfaces(kind: instances.InstanceType) -> list[Interface]:
    """Network interfaces with every EFA interface of the type: an ENA interface on card 0, which carries the
    node's and its pods' addresses, and an EFA-only one on each card (EC2 user guide, "Maximize network
    bandwidth on Amazon EC2 instances with multiple network cards")."""
    if not kind.efa_interfaces:
        return []
    first = [Interface(0, 0, "interface"), Interface(0, 1, "efa-only")]
    return first + [Interface(card, 0, "efa-only") for card in range(1, kind.efa_interfaces)]


def user_data(pool: PoolSettings) -> str | None:
    """What the nodes do at boot, as text; None for nothing."""
    store = uses_instance_store(pool)
    if pool.os == "bottlerocket":
        return node_user_data.bottlerocket(kind_of(pool), pool.sharing, local_storage=store)
    return node_user_data.al2023(local_storage=store, weight_volumes=weight_volumes(pool))


def weight_volumes(pool: PoolSettings) -> int:
    """Volumes for weights that each node has: one for each pod that its GPUs allow, so that it does not change with
    the engines, which would replace the nodes. 0 where weights live with the pod."""
    return gpus_per_node(pool) if isinstance(pool.weights, NodeWeights) else 0


_EFFECTS: Final = {
    "noSchedule": ("NO_SCHEDULE", "NoSchedule"),
    "preferNoSchedule": ("PREFER_NO_SCHEDULE", "PreferNoSchedule"),
    "noExecute": ("NO_EXECUTE", "NoExecute"),
}
"""A taint's effect as EKS and as Kubernetes write it."""


def eks_effect(effect: str) -> str:
    """A taint's effect as EKS writes it."""
    return _EFFECTS[effect][0]


def tolerations(pool: PoolSettings) -> list[dict[str, str]]:
    """Tolerations of the pool's own taints, without the GPU taint, which every chart tolerates."""
    return [
        {"key": each.key, "operator": "Equal", "value": each.value, "effect": _EFFECTS[each.effect][1]}
        for each in pool.taints
    ]


def brings_device_plugin(pool: PoolSettings) -> bool:
    """Whether the operating system announces the GPUs itself."""
    return pool.os == "bottlerocket"
