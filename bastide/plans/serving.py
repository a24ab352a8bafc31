"""From an engine's settings to the values of `charts/vllm`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from bastide import names
from bastide.plans import (
    engine_environment,
    engine_flags,
    engine_kinds,
    engine_proxy,
    engine_scaling,
    model_fetch,
    pool_plan,
    priorities,
)
from bastide.settings import UNRESOLVED, EngineSettings, ImageSettings, Settings

SHM_GIB_PER_GPU: Final = 2
"""vLLM's Kubernetes guide gives /dev/shm 2 GiB for one GPU."""

NODE_SHARE: Final = 0.75
"""Part of a node's CPUs and memory that engines may ask for: the rest is kubelet's reserve, node agents and
the operating system. EKS reserves less than 4 % on these types; a choice on the safe side."""

DISK_SHARE: Final = 0.5
"""Part of a node's disk for model copies; the other half holds images (the engine's is 8.8 GB packed),
kernels and kubelet's eviction reserve of 10 %."""


def pods_per_node(settings: Settings, engine: EngineSettings) -> int:
    """How many pods of this engine one node of its pool has GPUs for."""
    return max(1, pool_plan.gpus_per_node(settings.pool(engine.pool)) // engine.gpus)


def chart_values(
    settings: Settings, engine: EngineSettings, bucket: str, region: str, public_keys: Sequence[str] = ()
) -> dict[str, Any]:
    """Values of `charts/vllm` for one engine; JSON-able, known before anything exists, without a secret.

    `bucket` and `region` are those of the model store; `public_keys`, in PEM, those by which models are signed."""
    model = settings.model(engine.model)
    pool = settings.pool(engine.pool)
    node = pool_plan.kind_of(pool)
    part = NODE_SHARE * engine.gpus / pool_plan.gpus_per_node(pool)
    disk = pool_plan.node_disk_gib(pool) * DISK_SHARE
    return {
        "images": {
            "allowUnresolved": settings.sandbox,
            "vllm": image_values(getattr(settings.images, engine_kinds.of(engine).image)),
            "artifactAgent": image_values(settings.images.artifact_agent),
            "proxy": image_values(settings.images.proxy),
        },
        "engine": _engine(settings, engine),
        "proxy": engine_proxy.values(engine),
        "tls": {"secretName": tls_secret(engine) if settings.certificates.internal else ""},
        **_given("autoscaling", engine_scaling.values(engine)),
        "model": {
            "bucket": bucket,
            "prefix": names.model_prefix(model.name, model.version),
            "path": names.model_path(model.name, model.version),
            "region": region,
            "sha256": "" if model.sha256 == UNRESOLVED else model.sha256,
            "volumeGib": max(1, int(disk / pods_per_node(settings, engine))),
        },
        "fetch": model_fetch.values(settings, engine, bucket, region, public_keys),
        "pool": engine.pool,
        "tolerations": pool_plan.tolerations(pool),
        "priorityClassName": priorities.of_lane(engine.lane).name,
        "resources": {
            "gpus": engine.gpus,
            "cpu": max(1, int(node.vcpus * part)),
            "memoryGib": max(1, int(node.memory_mib / 1024 * part)),
            "shmGib": SHM_GIB_PER_GPU * engine.gpus,
            # An engine on one node has no use for them.
            "efa": node.efa_interfaces * engine.gpus // node.gpus if pool.efa and engine.nodes > 1 else 0,
        },
        "network": {
            "httpsCidrs": endpoint_blocks(settings),
            "clientNamespaceLabels": {"app.kubernetes.io/part-of": "bastide"},
            **_given("telemetry", telemetry(engine)),
        },
    }


def _engine(settings: Settings, engine: EngineSettings) -> dict[str, Any]:
    """`engine` of the chart's values."""
    kind, program = engine_kinds.of(engine), engine_kinds.program(settings, engine)
    caching = {True: "on", False: "off", None: "default"}
    probe = engine.health.model_dump(by_alias=True)
    if kind.name != "vllm" and kind.metrics is not None:  # vLLM's are the chart's own
        probe["owedMetrics"] = [kind.metrics.running, kind.metrics.waiting]
        probe["movingMetrics"] = list(kind.metrics.moving)
    return {
        "replicas": engine.replicas,
        "nodes": engine.nodes,
        "port": engine_flags.PORT,
        "kind": kind.name,
        "command": list(program.command),
        "args": list(program.args),
        "workerCommand": list(program.worker_command or program.command),
        "workerArgs": list(program.worker_args),
        "env": dict(program.environment),
        "files": dict(program.files),
        "healthPath": kind.health_path,
        "metricsPath": kind.metrics_path,
        "servedName": settings.model(engine.model).name,
        "runner": engine.runner,
        "rollout": engine.rollout,
        "prefixCache": caching[engine.prefix_caching],
        "startupSeconds": engine_environment.STARTUP_SECONDS,
        "shutdownSeconds": engine.drain.shutdown_seconds,
        "preStopSeconds": engine.drain.pre_stop_seconds,
        "probe": probe,
    }


def _given(name: str, value: dict[str, Any] | None) -> dict[str, Any]:
    """A value that may be left out. Pulumi hands no null on, so none is written."""
    return {} if value is None else {name: value}


def tls_secret(engine: EngineSettings) -> str:
    """Secret of the certificate of the engine's Service."""
    return f"{names.engine_release(engine.name)}-tls"


def endpoint_blocks(settings: Settings) -> list[str]:
    """Blocks in which the interface endpoints lie: the private subnets, or all of an adopted network.

    Only interface endpoints have addresses of the VPC; a gateway endpoint's are public and change, and a
    NetworkPolicy knows only addresses."""
    return [str(each.private) for each in settings.subnets()] or [str(settings.network.cidr)]


def telemetry(engine: EngineSettings) -> dict[str, Any] | None:
    """Namespace and port of the collector of traces; None without traces. The address is SERVICE.NAMESPACE, which a
    check made sure of."""
    if engine.tracing.endpoint is None:
        return None
    found = urlsplit(engine.tracing.endpoint)
    host = found.hostname or ""
    port = found.port or {"http": 80, "https": 443}[found.scheme]
    return {"namespace": host.split(".")[1], "port": port}


def image_values(image: ImageSettings) -> dict[str, str]:
    """An image as the charts take it."""
    return {"repository": image.repository, "tag": image.tag, "digest": image.digest}
