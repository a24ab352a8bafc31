"""How much each namespace may hold: ResourceQuota and LimitRange from settings. Pure."""

from __future__ import annotations

from typing import Final

from bastide.plans import pool_plan
from bastide.settings import Settings
from bastide.settings.namespaces import NamespaceSettings

GPU_REQUESTS: Final = "requests.nvidia.com/gpu"
"""Of an extended resource Kubernetes bounds requests only: limits equal them (Kubernetes docs, "Resource
Quotas")."""


def pool_gpus(settings: Settings) -> int:
    """GPUs of all pools at their largest."""
    return sum(pool_plan.gpus_per_node(pool) * pool_plan.most_nodes(pool) for pool in settings.pools)


def engine_gpus(settings: Settings) -> int:
    """GPUs that all engines together ask for."""
    return sum(engine.gpus_per_replica * engine.replicas for engine in settings.engines)


def gpu_quota(settings: Settings) -> int:
    """GPUs that pods of the serving namespace may ask for."""
    given = settings.namespaces.serving.gpus
    return max(pool_gpus(settings), engine_gpus(settings)) if given is None else given


def hard(settings: Settings, purpose: str) -> dict[str, str]:
    """What a ResourceQuota of the namespace of this purpose bounds."""
    limits = namespace_settings(settings, purpose)
    found = {
        GPU_REQUESTS: str(gpu_quota(settings) if purpose == "serving" else 0),
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }
    return found | ({"pods": str(limits.pods)} if limits.pods is not None else {})


def container_defaults(settings: Settings, purpose: str) -> dict[str, dict[str, str]]:
    """The LimitRange item for containers: requests and memory limit of those that name none."""
    limits = namespace_settings(settings, purpose)
    return {
        "default_request": {
            "cpu": f"{limits.default_cpu_milli}m",
            "memory": f"{limits.default_memory_mib}Mi",
        },
        "default": {"memory": f"{limits.default_memory_limit_mib}Mi"},
    }


def namespace_settings(settings: Settings, purpose: str) -> NamespaceSettings:
    """Settings of the namespace of this purpose."""
    found: NamespaceSettings = getattr(settings.namespaces, purpose)
    return found
