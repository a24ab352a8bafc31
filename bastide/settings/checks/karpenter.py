"""Checks of pools whose nodes Karpenter makes: what it does not do, and what makes a fallback of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bastide.catalogues import instances
from bastide.settings.base import UnusableError
from bastide.settings.capacity import Block, Reservation, Spot
from bastide.settings.checks.common import Check, PoolCheck, instance_type, usable
from bastide.settings.checks.pool_capacity import type_offered
from bastide.settings.errors import Problem, choices
from bastide.settings.pools import PoolSettings

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _only_with_karpenter(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if pool.provisioner == "nodeGroup" and pool.fallback_instance_types:
        yield Problem(
            f"{path}.fallbackInstanceTypes",
            "is given while provisioner is 'nodeGroup'; an on-demand node group takes the first of its types or none; "
            "set provisioner: karpenter, use capacity.alsoInstanceTypes of a Spot pool, or remove it",
        )


def _more_than_one(settings: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if pool.provisioner != "karpenter":
        return
    wanted = instances.CATALOGUE.get(pool.instance_type)
    alike = [
        each.name
        for each in instances.CATALOGUE.values()
        if wanted and each.gpus and each.gpu_shape == wanted.gpu_shape and each != wanted
    ]
    given = pool.fallback_instance_types
    if not given:
        yield Problem(
            f"{path}.fallbackInstanceTypes",
            "is empty while provisioner is 'karpenter'; allowed: one type or more with the same GPUs "
            f"({', '.join(alike) or 'the catalogue has none'}); with a single type there is nothing to fall back "
            "to when AWS has none of it; name another, or use provisioner: nodeGroup",
        )
    for index, name in enumerate(given):
        at = f"{path}.fallbackInstanceTypes[{index}]"
        wrong = list(instance_type(at, name, instances.gpu_types(), "GPU"))
        yield from wrong
        if wrong or wanted is None:
            continue
        if name == pool.instance_type or name in given[:index]:
            yield Problem(at, f"{name!r} is there already; each type is named once; remove it")
        elif name not in alike:
            yield Problem(
                at,
                f"{name!r} has other GPUs than {wanted.name}{choices(name, alike)}; an engine is planned for one kind "
                "of node; choose a type with the same GPUs",
            )
        else:
            yield from type_offered(settings, at, name, ())


def _capacity(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if pool.provisioner != "karpenter":
        return
    capacity = pool.capacity
    if isinstance(capacity, Block | Reservation):
        what = "a capacity block" if isinstance(capacity, Block) else "a capacity reservation"
        yield Problem(
            f"{path}.capacity",
            f"'{capacity.kind}' does not go with provisioner 'karpenter'; allowed: onDemand or spot; {what} holds "
            "instances of one type whether nodes are wanted or not, and Karpenter chooses among types as pods ask; use "
            "provisioner: nodeGroup",
        )
    if isinstance(capacity, Spot):
        for name, given in (
            ("onDemandFallback", capacity.on_demand_fallback),
            ("alsoInstanceTypes", capacity.also_instance_types),
        ):
            if given:
                yield Problem(
                    f"{path}.capacity.{name}",
                    "is for node groups; Karpenter takes Spot and then on-demand nodes by itself, of the types in "
                    f"{path}.fallbackInstanceTypes; remove it",
                )


def _size(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if pool.provisioner != "karpenter":
        return
    if pool.size.min or pool.size.fixed:
        yield Problem(
            f"{path}.size",
            f"'{pool.size}' does not go with provisioner 'karpenter'; allowed: a range that starts at 0, such as "
            f"{{min: 0, max: {max(pool.size.max, 1)}}}; its nodes come and go with the pods that need them, and "
            "none is kept without; change it, or use provisioner: nodeGroup",
        )
    if pool.warm_spare:
        yield Problem(
            f"{path}.warmSpare",
            f"{pool.warm_spare} does not go with provisioner 'karpenter'; allowed: 0; an empty node is taken away; "
            "remove it, or use provisioner: nodeGroup",
        )


def _nodes(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if pool.provisioner != "karpenter":
        return
    reasons = {
        "placementGroup": (
            pool.placement_group,
            "a placement group wants all its nodes at once and close together, and Karpenter adds them one by one",
        ),
        "efa": (
            pool.efa,
            "engines over several nodes need their nodes at once, of one type and close together, and Karpenter adds "
            "them one by one",
        ),
        "sharing": (
            pool.sharing.kind != "none",
            "Karpenter counts a type's whole GPUs when it decides what to launch, so that shares would never be found",
        ),
    }
    for name, (given, why) in reasons.items():
        if given:
            yield Problem(
                f"{path}.{name}",
                f"does not go with provisioner 'karpenter'; {why}; remove it, or use provisioner: nodeGroup",
            )


PER_POOL: Final[tuple[PoolCheck, ...]] = (_only_with_karpenter, _more_than_one, _capacity, _size, _nodes)


def _each_pool(settings: Settings) -> Iterator[Problem]:
    with suppress(UnusableError):
        for index, pool in enumerate(settings.pools):
            for check in PER_POOL:
                yield from usable(check(settings, pool, f"pools[{index}]"))


CHECKS: Final[tuple[Check, ...]] = (_each_pool,)
