"""Checks of node pools."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bastide import instances, names
from bastide.settings.base import UnusableError
from bastide.settings.checks.common import Check, duplicates, instance_type, max_size, usable
from bastide.settings.checks.network import zones
from bastide.settings.errors import Problem, choices
from bastide.settings.pools import PoolSettings

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _system_pool(settings: Settings) -> Iterator[Problem]:
    pool = settings.system_pool
    yield from instance_type("systemPool.instanceType", pool.instance_type, instances.cpu_types(), "system")
    yield from max_size("systemPool", pool.size, pool.max_size)


def _unique_pools(settings: Settings) -> Iterator[Problem]:
    yield from duplicates("pools", "pool", (each.name for each in settings.pools))


def _pool_name(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if pool.name == names.SYSTEM_POOL:
        yield Problem(
            f"{path}.name",
            f"{pool.name!r} is the name of the system pool; a pool is found by its name; choose another",
        )


def _pool_type(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    yield from instance_type(f"{path}.instanceType", pool.instance_type, instances.gpu_types(), "GPU")


def _pool_size(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    yield from max_size(path, pool.size, pool.max_size)


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


def _each_pool(settings: Settings) -> Iterator[Problem]:
    with suppress(UnusableError):
        for index, pool in enumerate(settings.pools):
            for check in (_pool_name, _pool_type, _pool_size, _pool_zones):
                yield from usable(check(settings, pool, f"pools[{index}]"))


CHECKS: Final[tuple[Check, ...]] = (_system_pool, _unique_pools, _each_pool)
