"""Settings of an engine's number of replicas where the load decides it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bastide.settings.base import Strict, matching

PrometheusUrl = Annotated[
    str,
    matching(
        r"https?://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:\d{1,5})?(/[A-Za-z0-9/_.-]*)?",
        "is not the address of a Prometheus; allowed: http(s)://host:port such as "
        "'http://prometheus-operated.bastide-monitoring:9090', without user, password or query: a secret here would "
        "stand in the cluster's objects; rewrite it",
    ),
]


class ScalingStep(Strict):
    """How fast replicas come or go."""

    pods: int = Field(ge=1)
    """Replicas in each period."""

    period_seconds: int = Field(ge=1, le=1800)
    """The period in seconds. Kubernetes takes at most 1,800."""

    stabilization_seconds: int = Field(ge=0, le=3600)
    """Seconds of which the most cautious number counts. Kubernetes takes at most 3,600."""


class AutoscalingSettings(Strict):
    """Replicas by what waits and what runs (KEDA). GPU utilisation says little: it is near its maximum long before an
    engine is full."""

    prometheus: PrometheusUrl
    """Prometheus that has the engines' metrics, as KEDA reaches it."""

    min_replicas: int = Field(1, ge=1)
    """Fewest replicas. Never 0: an engine without a pod has no metric that could wake it."""

    max_replicas: int = Field(ge=1)
    """Most replicas; the pool must have room for them at its largest."""

    waiting_per_replica: int = Field(25, ge=1)
    """Waiting requests for each replica beyond which one more is wanted. AWS's guide for vLLM on EKS advises 25."""

    running_per_replica: int | None = Field(None, ge=1)
    """Running requests for each replica beyond which one more is wanted; the default is three quarters of maxNumSeqs,
    so that a new replica is there before requests wait."""

    up: ScalingStep = ScalingStep(pods=2, period_seconds=60, stabilization_seconds=30)
    """How fast replicas are added. AWS's guide: 2 in 60 s, after 30 to 60 s."""

    down: ScalingStep = ScalingStep(pods=1, period_seconds=120, stabilization_seconds=300)
    """How fast replicas are taken away; each drains first. AWS's guide: 1 in 120 s, after 300 s."""
