"""From an engine's autoscaling settings to the values of its ScaledObject. Pure."""

from __future__ import annotations

from typing import Any, Final

from bastide.plans import engine_kinds
from bastide.settings import EngineSettings
from bastide.settings.engine_autoscaling import ScalingStep

RUNNING_SHARE: Final = 0.75
"""Part of a replica's sequences at which one more replica is wanted. A choice: a new one takes minutes to load, and
the last quarter is to last that long."""


def values(engine: EngineSettings) -> dict[str, Any] | None:
    """`autoscaling` of the chart's values; None where the number of replicas is fixed."""
    wanted = engine.autoscaling
    if wanted is None:
        return None
    metrics = engine_kinds.of(engine).metrics
    if metrics is None:
        raise AssertionError("autoscaling of a kind without metrics is refused before")
    running = wanted.running_per_replica or max(1, int(engine.max_num_seqs * RUNNING_SHARE))
    return {
        "minReplicas": wanted.min_replicas,
        "maxReplicas": wanted.max_replicas,
        # Without numbers, what the stack says, but never fewer than run at that moment.
        "fallbackReplicas": min(wanted.max_replicas, max(wanted.min_replicas, engine.replicas)),
        "waitingPerReplica": wanted.waiting_per_replica,
        "runningPerReplica": running,
        "waitingMetric": metrics.waiting,
        "runningMetric": metrics.running,
        "byModel": metrics.by_model,
        "prometheus": wanted.prometheus,
        "up": _step(wanted.up),
        "down": _step(wanted.down),
    }


def _step(step: ScalingStep) -> dict[str, int]:
    return step.model_dump(by_alias=True)
