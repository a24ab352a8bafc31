"""Checks of node pools: names, types and zones. Those of capacity and of what nodes have are in files of
their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bastide import names
from bastide.catalogues import instances
from bastide.settings.base import UNRESOLVED, UnusableError
from bastide.settings.capacity import Spot
from bastide.settings.checks import pool_capacity, pool_nodes
from bastide.settings.checks.common import Check, PoolCheck, duplicates, instance_type, max_size, usable
from bastide.settings.checks.network import zones
from bastide.settings.errors import Problem, choices
from bastide.settings.pools import PoolSettings

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _system_pool(settings: Settings) -> Iterator[Problem]:
    pool = settings.system_pool
    path = "systemPool.instanceType"
    yield from instance_type(path, pool.instance_type, instances.cpu_types(), "system")
    if pool.instance_type in instances.cpu_types():
        yield from pool_capacity.type_offered(settings, path, pool.instance_type, ())
    yield from max_size("systemPool", pool.size, pool.max_size)


def _system_release(settings: Settings) -> Iterator[Problem]:
    release = settings.system_pool.ami_release
    if release not in (None, UNRESOLVED):
        yield from pool_nodes.release_problems(settings, "systemPool.amiRelease", "al2023", str(release))


def _unique_pools(settings: Settings) -> Iterator[Problem]:
    yield from duplicates("pools", "pool", (each.name for each in settings.pools))


def _pool_name(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if pool.name == names.SYSTEM_POOL:
        yield Problem(
            f"{path}.name",
            f"{pool.name!r} is the name of the system pool; a pool is found by its name; choose another",
        )


def _fallback_name(settings: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    """The on-demand group of a Spot pool has the pool's name and a suffix, which another pool may have for a name."""
    # Here, because the plans import the settings.
    from bastide.plans.pool_plan import FALLBACK

    if not isinstance(pool.capacity, Spot) or not pool.capacity.on_demand_fallback:
        return
    derived = f"{pool.name}-{FALLBACK}"
    for index, other in enumerate(settings.pools):
        if other.name == derived:
            yield Problem(
                f"{path}.name",
                f"{pool.name!r} has capacity.onDemandFallback, so its on-demand nodes are group and IAM role "
                f"{derived!r}, which pools[{index}] is named; the second would stop the run half-way; rename one",
            )


def _pool_type(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    yield from instance_type(f"{path}.instanceType", pool.instance_type, instances.gpu_types(), "GPU")


def _pool_zones(settings: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    known = settings.network.zones
    if list(zones(settings)):
        return  # said already: the zone that this pool wants may be the one that was meant
    for index, zone in enumerate(pool.zones):
        if zone not in known:
            yield Problem(
                f"{path}.zones[{index}]",
                f"{zone!r} is not a zone of the network{choices(zone, known)}; there is no subnet in "
                "it; add it to "
                "bastide:network.zones or choose another",
            )


PER_POOL: Final[tuple[PoolCheck, ...]] = (
    _pool_name,
    _fallback_name,
    _pool_type,
    _pool_zones,
    *pool_capacity.PER_POOL,
    *pool_nodes.PER_POOL,
)


def _each_pool(settings: Settings) -> Iterator[Problem]:
    with suppress(UnusableError):
        for index, pool in enumerate(settings.pools):
            for check in PER_POOL:
                yield from usable(check(settings, pool, f"pools[{index}]"))


CHECKS: Final[tuple[Check, ...]] = (_system_pool, _system_release, _unique_pools, _each_pool)
