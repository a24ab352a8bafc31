"""Checks of where weights lie on nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide.catalogues import instances
from bastide.settings.base import UNRESOLVED
from bastide.settings.checks.common import Check
from bastide.settings.errors import Problem
from bastide.settings.weights import NodeWeights

if TYPE_CHECKING:
    from bastide.settings.root import Settings

DISK_SHARE: Final = 0.85
"""Part of a node's disk that claims may take: kubelet's default imageGCHighThresholdPercent, above which it removes
images. The rest is for those, logs and the 10 % below which it evicts pods."""


def _kept_on_nodes(settings: Settings) -> Iterator[Problem]:
    """Engines whose models a node cannot keep: by a digest that is not known, or for pods that have no name of their
    own to come back under."""
    kept = {each.name for each in settings.pools if isinstance(each.weights, NodeWeights)}
    digests = {each.name: each.sha256 for each in settings.models}
    for index, engine in enumerate(settings.engines):
        if engine.pool not in kept:
            continue
        path = f"engines[{index}]"
        drafting = getattr(engine.speculation, "model", None)
        for name in (engine.model, *engine.lora.adapters, *([drafting] if drafting else [])):
            if digests.get(name) == UNRESOLVED:
                yield Problem(
                    f"{path}.model",
                    f"{name!r} has no sha256, and pool {engine.pool!r} keeps weights on its nodes (weights.kind node); "
                    "allowed: models with a digest; they are kept by it; put the one that `bastide model verify` "
                    "prints into bastide:models, or set the pool's weights to pod",
                )
        if engine.nodes > 1 or engine.rollout == "surge":
            what = "nodes above 1" if engine.nodes > 1 else "rollout 'surge'"
            yield Problem(
                f"{path}.{'nodes' if engine.nodes > 1 else 'rollout'}",
                f"{what} does not go with weights.kind node of pool {engine.pool!r}; allowed there: one node a "
                "replica, and rollout replace; a claim belongs to a pod that comes back under its name; set the "
                "pool's weights to pod",
            )
        if engine.autoscaling is not None:
            yield Problem(
                f"{path}.autoscaling",
                f"it does not go with weights.kind node of pool {engine.pool!r}; allowed there: replicas, a fixed "
                "number; a claim ties a replica that comes back to one node, where it would wait for ever for GPUs "
                "that another took meanwhile, though other nodes have some; take it away, or set the pool's weights "
                "to pod",
            )


def _nodes_with_volumes(settings: Settings) -> Iterator[Problem]:
    """Pools whose nodes cannot have the volumes."""
    for index, pool in enumerate(settings.pools):
        if not isinstance(pool.weights, NodeWeights):
            continue
        path = f"pools[{index}]"
        if pool.os != "al2023":
            yield Problem(
                f"{path}.os",
                f"{pool.os!r} does not go with weights.kind node; allowed: 'al2023'; Bottlerocket runs no script of "
                "its user data, which makes the volumes' mount points; change os, or set weights to pod",
            )
        if pool.provisioner != "nodeGroup":
            yield Problem(
                f"{path}.provisioner",
                f"{pool.provisioner!r} does not go with weights.kind node; allowed: 'nodeGroup'; Karpenter makes nodes "
                "for pods that wait, and a pod that waits for a volume of a node that is not there yet waits for ever; "
                "change it, or set weights to pod",
            )
        elif not pool.size.fixed:
            yield Problem(
                f"{path}.size",
                f"{pool.size} does not go with weights.kind node; allowed: one number; an autoscaler adds no node for "
                "a pod that waits for a volume of a node that is not there yet; give a number, or set weights to pod",
            )


def _room(settings: Settings) -> Iterator[Problem]:
    """Claims of more than the disk, which are not noticed before it is full: volumes share it."""
    # Here, because the plans import the settings.
    from bastide.plans import pool_plan

    for index, pool in enumerate(settings.pools):
        if not isinstance(pool.weights, NodeWeights) or pool.instance_type not in instances.CATALOGUE:
            continue
        gpus = pool_plan.gpus_per_node(pool)
        fewest = min((each.gpus for each in settings.engines if each.pool == pool.name), default=gpus)
        pods, disk = gpus // fewest, pool_plan.node_disk_gib(pool)
        most = int(disk * DISK_SHARE / max(pods, 1))
        if pool.weights.size_gib > most:
            yield Problem(
                f"pools[{index}].weights.sizeGib",
                f"{pool.weights.size_gib} for each of up to {pods} pods is too much for a node's disk of {disk} GiB; "
                f"allowed: at most {most}; beyond {DISK_SHARE:.0%} the kubelet removes images, and then pods; lower "
                "it, or give the pool a larger diskGib, type or engine",
            )


CHECKS: Final[tuple[Check, ...]] = (_kept_on_nodes, _nodes_with_volumes, _room)
