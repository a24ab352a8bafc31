"""Checks of where a pool's instances come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide.catalogues import instances, offerings
from bastide.settings.capacity import Block, Reservation, Spot
from bastide.settings.checks.common import PoolCheck, instance_type
from bastide.settings.checks.network import zones as zone_problems
from bastide.settings.errors import Problem, choices
from bastide.settings.pools import PoolSettings

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def type_offered(settings: Settings, path: str, name: str, used: tuple[str, ...]) -> Iterator[Problem]:
    """A type that the region has not, or, in the sandbox, that none of the zones has: there the letters of
    zones are those of the table, and in a real account they are its own."""
    kind = instances.CATALOGUE.get(name)
    if kind is None:
        return  # said already
    found = offerings.zones(kind, settings.region)
    if found is None:
        return
    if not found:
        yield Problem(
            path,
            f"{name!r} is not offered in {settings.region}; it is in: {', '.join(offerings.regions(kind))}; "
            "choose another type or region, or add the region to bastide/catalogues/offerings.py when AWS has added it",
        )
    elif settings.sandbox and used and not set(used) & set(found):
        yield Problem(
            path,
            f"{name!r} is not offered in {', '.join(used)}; allowed in {settings.region}: "
            f"{', '.join(found)}; no node could start; choose other zones or another type",
        )


def _offered(settings: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    known = settings.network.zones
    used = (pool.capacity.zone,) if isinstance(pool.capacity, Block) else pool.zones or known
    if set(used) <= set(known):  # else said already
        yield from type_offered(settings, f"{path}.instanceType", pool.instance_type, used)


def _spare(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if pool.warm_spare > pool.size.max:
        yield Problem(
            f"{path}.warmSpare",
            f"{pool.warm_spare} is more than size {pool.size}; allowed: at most {pool.size.max}; a spare "
            "stands in for a node of the pool, and more of them than nodes only cost; lower it or raise size",
        )


def _update(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    most = max(pool.size.max + pool.warm_spare, 1)
    if pool.max_unavailable > most:
        yield Problem(
            f"{path}.maxUnavailable",
            f"{pool.max_unavailable} is more than the pool's {most} nodes; allowed: 1 to {most}; an update "
            "would end all nodes at once; lower it",
        )


def _spot_fallback(settings: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if not isinstance(pool.capacity, Spot) or pool.capacity.on_demand_fallback:
        return
    if pool.provisioner == "karpenter":
        return  # it takes on-demand nodes by itself where AWS has no Spot ones
    serving = [each.name for each in settings.engines if each.pool == pool.name and each.lane == "serving"]
    if serving:
        yield Problem(
            f"{path}.capacity.onDemandFallback",
            f"0 is not enough for a pool on which {', '.join(serving)} of the serving lane runs; allowed: 1 "
            "or more; AWS takes Spot nodes back with two minutes' notice, all of them at once too; set it, "
            "or move the engine to the batch lane",
        )


def _spot_types(settings: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if not isinstance(pool.capacity, Spot):
        return
    wanted = instances.CATALOGUE.get(pool.instance_type)
    given = pool.capacity.also_instance_types
    for index, name in enumerate(given):
        at = f"{path}.capacity.alsoInstanceTypes[{index}]"
        wrong = list(instance_type(at, name, instances.gpu_types(), "GPU"))
        yield from wrong
        if wrong or wanted is None:
            continue
        kind = instances.CATALOGUE[name]
        if name == pool.instance_type or name in given[:index]:
            yield Problem(at, f"{name!r} is there already; each type is named once; remove it")
        elif kind.gpu_shape != wanted.gpu_shape:
            alike = [
                each.name
                for each in instances.CATALOGUE.values()
                if each.gpu_shape == wanted.gpu_shape and each != wanted
            ]
            yield Problem(
                at,
                f"{name!r} has {_shape(kind)} and {wanted.name} has {_shape(wanted)}{choices(name, alike)}; an "
                "engine is planned for one kind of node; choose a type with the same GPUs",
            )
        elif pool.efa and kind.efa_interfaces != wanted.efa_interfaces:
            yield Problem(
                at,
                f"{name!r} takes {kind.efa_interfaces} EFA interfaces and {wanted.name} "
                f"{wanted.efa_interfaces}; one launch template serves all types of a pool; choose a type "
                "with as many, or turn efa off",
            )
        else:
            yield from type_offered(settings, at, name, ())


def _shape(kind: instances.InstanceType) -> str:
    return f"{kind.gpus} x {kind.gpu_model} of {kind.gpu_memory_mib} MiB"


def _reservation(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    capacity = pool.capacity
    if isinstance(capacity, Reservation) and (capacity.id is None) == (capacity.resource_group_arn is None):
        both = "both are" if capacity.id else "neither is"
        yield Problem(
            f"{path}.capacity",
            f"needs exactly one of id and resourceGroupArn, and {both} given; instances are launched into "
            "one target; give one of them",
        )


def _reservation_zone(settings: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    capacity, used = pool.capacity, pool.zones or settings.network.zones
    if (
        not isinstance(capacity, Reservation)
        or capacity.id is None
        or capacity.resource_group_arn is not None
    ):
        return
    if len(set(used)) > 1:
        yield Problem(
            f"{path}.zones",
            f"{', '.join(used)} are {len(used)} zones for one capacity reservation; allowed: its own; a "
            "reservation lies in one zone, and instances that are tried in another do not start; `aws ec2 "
            "describe-capacity-reservations` prints it; name it here",
        )


def _block_zone(settings: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    capacity, known = pool.capacity, settings.network.zones
    if not isinstance(capacity, Block) or list(zone_problems(settings)):
        return
    if capacity.zone not in known:
        yield Problem(
            f"{path}.capacity.zone",
            f"{capacity.zone!r} is not a zone of the network{choices(capacity.zone, known)}; the block's "
            "instances can only start in its zone, and there is no subnet; add it to bastide:network.zones",
        )
    elif pool.zones and set(pool.zones) != {capacity.zone}:
        yield Problem(
            f"{path}.zones",
            f"{', '.join(pool.zones)} are not the one zone of the capacity block, {capacity.zone}; allowed: "
            "that zone, or none; a block lies in one zone and its instances start in no other; remove the line",
        )


def _block_time(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    capacity = pool.capacity
    if isinstance(capacity, Block) and capacity.end <= capacity.start:
        yield Problem(
            f"{path}.capacity.end",
            f"{capacity.end:%Y-%m-%dT%H:%M:%SZ} is not after start {capacity.start:%Y-%m-%dT%H:%M:%SZ}; "
            "allowed: a later time; `aws ec2 describe-capacity-reservations` prints both; correct them",
        )


def _block_size(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if isinstance(pool.capacity, Block) and not pool.size.fixed:
        yield Problem(
            f"{path}.size",
            f"{pool.size} is a range in a pool of a capacity block; allowed: one number, the block's "
            "instances; they are paid for whether they run or not; give the number",
        )


def _block_type(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    kind = instances.CATALOGUE.get(pool.instance_type)
    if isinstance(pool.capacity, Block) and kind is not None and kind.gpus and not kind.capacity_blocks:
        sold = [each.name for each in instances.CATALOGUE.values() if each.capacity_blocks]
        yield Problem(
            f"{path}.capacity.kind",
            f"'block' does not go with {kind.name}; capacity blocks are sold of: {', '.join(sold)}; choose "
            "another kind or one of these types",
        )


PER_POOL: Final[tuple[PoolCheck, ...]] = (
    _offered,
    _spare,
    _update,
    _spot_fallback,
    _spot_types,
    _reservation,
    _reservation_zone,
    _block_zone,
    _block_time,
    _block_size,
    _block_type,
)
"""Checks of one pool, each of which ends by itself at a mistaken value."""
