"""Whether a pool has room for one replica more while an engine is updated. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bastide.plans import pool_plan

if TYPE_CHECKING:
    from bastide.settings import EngineSettings, Settings


def most_replicas(engine: EngineSettings) -> int:
    """Replicas of the engine at its largest."""
    return engine.autoscaling.max_replicas if engine.autoscaling else engine.replicas


def room_for(settings: Settings, engine: EngineSettings, more: int) -> bool:
    """Whether the pool of the engine, at its largest, holds all pods on it and `more` replicas of this engine. GPUs
    decide; each pod needs its own on one node.

    Pods of a batch engine do not count against one of the serving lane, which may end them. Blind spot: a node that
    AWS does not have, or that waits for repair, is counted."""
    pool = settings.pool(engine.pool)
    free = [pool_plan.gpus_per_node(pool)] * pool_plan.most_nodes(pool)
    pods: list[int] = []
    for each in settings.engines:
        if each.pool != engine.pool or (engine.lane == "serving" and each.lane == "batch"):
            continue
        count = most_replicas(each) + (more if each.name == engine.name else 0)
        pods += [each.gpus] * (count * each.nodes)
    # The largest first, each where it fits most closely: no other order fits more where sizes divide one another, as
    # 1, 2, 4 and 8 do.
    for wanted in sorted(pods, reverse=True):
        fitting = [index for index, left in enumerate(free) if left >= wanted]
        if not fitting:
            return False
        free[min(fitting, key=lambda index: free[index])] -= wanted
    return True


def interrupts(engine: EngineSettings) -> bool:
    """Whether nobody is served for a while at every update: one replica, which ends before the next one starts."""
    return engine.rollout == "replace" and most_replicas(engine) == 1 and engine.lane == "serving"
