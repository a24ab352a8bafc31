"""Checks of how engines are updated, scaled and traced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bastide.plans import engine_rollout, pool_plan
from bastide.settings.checks.common import Check, usable
from bastide.settings.engines import EngineSettings
from bastide.settings.errors import Problem

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _surge(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    if engine.rollout != "surge" or engine_rollout.room_for(settings, engine, 1):
        return
    pool = settings.pool(engine.pool)
    nodes, each = pool_plan.most_nodes(pool), pool_plan.gpus_per_node(pool)
    yield Problem(
        f"{path}.rollout",
        f"'surge' starts one replica more than {engine_rollout.most_replicas(engine)} during an update, with "
        f"{engine.gpus_per_replica} GPUs, and pool {pool.name!r} has no room for it beside its other engines: at its "
        f"largest {nodes} nodes of {each} GPUs; allowed here: 'replace', which ends a replica before its new one "
        "starts; with 'surge' every update would wait for ever; add a node (size or warmSpare), lower the replicas or "
        "choose 'replace'",
    )


def _autoscaling(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    wanted = engine.autoscaling
    if wanted is None:
        return
    if wanted.min_replicas > wanted.max_replicas:
        yield Problem(
            f"{path}.autoscaling.minReplicas",
            f"{wanted.min_replicas} is more than maxReplicas {wanted.max_replicas}; allowed: at most "
            f"{wanted.max_replicas}; lower it or raise maxReplicas",
        )
    elif not engine_rollout.room_for(settings, engine, 0):
        pool = settings.pool(engine.pool)
        yield Problem(
            f"{path}.autoscaling.maxReplicas",
            f"{wanted.max_replicas} replicas of {engine.gpus_per_replica} GPUs do not fit pool {pool.name!r} beside "
            f"its other engines: at its largest {pool_plan.most_nodes(pool)} nodes of {pool_plan.gpus_per_node(pool)} "
            "GPUs; allowed: as many as fit; replicas above that wait for nodes that never come; lower it or raise the "
            "pool's size",
        )


def _telemetry(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    if engine.tracing.endpoint is None:
        return
    host = urlsplit(engine.tracing.endpoint).hostname or ""
    service, *rest = host.split(".")
    inside = bool(service and rest) and rest[1:] in ([], ["svc"], ["svc", "cluster", "local"])
    if not inside:
        yield Problem(
            f"{path}.tracing.endpoint",
            f"{host!r} is not a Service of the cluster; allowed: SERVICE.NAMESPACE, with .svc or .svc.cluster.local or "
            "without; engines may send only to addresses that a NetworkPolicy can name; send traces to a collector in "
            "the cluster, which passes them on",
        )


def _countable(settings: Settings, engine: EngineSettings) -> bool:
    """Whether the engine's pool exists and its GPUs can be counted; what is wrong with it is told elsewhere."""
    try:
        return pool_plan.gpus_per_node(settings.pool(engine.pool)) > 0
    except (StopIteration, KeyError):
        return False


def _each_engine(settings: Settings) -> Iterator[Problem]:
    for index, engine in enumerate(settings.engines):
        for check in (_surge, _autoscaling, _telemetry):
            if _countable(settings, engine):
                yield from usable(check(settings, engine, f"engines[{index}]"))


CHECKS: Final[tuple[Check, ...]] = (_each_engine,)
