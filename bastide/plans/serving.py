"""From an engine's settings to vLLM's command line and the values of `charts/vllm`. Pure.

Flags and defaults are those of vLLM 0.32.0, read from its own argument parser. Blind spot: nothing here
knows how large a model is, so whether weights and cache fit the GPUs is vLLM's answer at start."""

from __future__ import annotations

from typing import Any, Final

from bastide import names
from bastide.plans import pool_plan, priorities
from bastide.settings import UNRESOLVED, EngineSettings, ImageSettings, ModelSettings, Settings

PORT: Final = 8000
"""vLLM's own default port."""

SHUTDOWN_SECONDS: Final = 120
"""Seconds for requests in flight to end. A choice: 4,800 tokens at 40 tokens a second for one user."""

PRE_STOP_SECONDS: Final = 15
"""Seconds before SIGTERM in which the Service, and gateways that watch it, drop the pod. A choice: endpoint
changes travel in about a second; a draining engine refuses new requests, so it errs on the long side."""

STARTUP_SECONDS: Final = 900
"""Seconds from start to /health. Measured elsewhere for small models: 53 to 80 s of compilation after the
weights; 141 GB from a GPU pool's disk (1,000 MiB/s) take 135 s, and from one half as fast 270 s."""

SHM_GIB_PER_GPU: Final = 2
"""vLLM's Kubernetes guide gives /dev/shm 2 GiB for one GPU."""

NODE_SHARE: Final = 0.75
"""Part of a node's CPUs and memory that engines may ask for: the rest is kubelet's reserve, node agents and
the operating system. EKS reserves less than 4 % on these types; a choice on the safe side."""

DISK_SHARE: Final = 0.5
"""Part of a node's disk for model copies; the other half holds images (the engine's is 8.8 GB packed),
kernels and kubelet's eviction reserve of 10 %."""


def model_path(model: ModelSettings) -> str:
    """Folder in the pod from which the engine loads the model."""
    return f"/models/{model.name}/{model.version}"


def vllm_flags(engine: EngineSettings, model: ModelSettings) -> list[str]:
    """vLLM's whole command line for one engine, without the program."""
    return [
        "--model",
        model_path(model),
        "--served-model-name",
        model.name,
        "--host",
        "0.0.0.0",  # noqa: S104 - a pod's only address is its own; a NetworkPolicy decides who reaches it
        "--port",
        str(PORT),
        # `auto` would fall back to pickled weights, which run code when loaded.
        "--load-format",
        "safetensors",
        "--dtype",
        engine.dtype,
        "--tensor-parallel-size",
        str(engine.tensor_parallel),
        "--max-model-len",
        str(engine.max_model_len),
        "--max-num-seqs",
        str(engine.max_num_seqs),
        "--gpu-memory-utilization",
        str(engine.gpu_memory_utilization),
        # Without it, or a list of domains, a request could make the engine fetch any URL.
        "--language-model-only",
        "--disable-fastapi-docs",
        "--enable-request-id-headers",
        # `full` would tell clients the engine's version and configuration.
        "--fingerprint-mode",
        "none",
        "--disable-access-log-for-endpoints",
        "/health,/metrics",
        # Without it SIGTERM cuts answers in the middle.
        "--shutdown-timeout",
        str(SHUTDOWN_SECONDS),
    ]


def pods_per_node(settings: Settings, engine: EngineSettings) -> int:
    """How many pods of this engine one node of its pool has GPUs for."""
    return max(1, pool_plan.gpus_per_node(settings.pool(engine.pool)) // engine.gpus)


def chart_values(settings: Settings, engine: EngineSettings, bucket: str, region: str) -> dict[str, Any]:
    """Values of `charts/vllm` for one engine; JSON-able, known before anything exists, without a secret.

    `bucket` and `region` are those of the model store."""
    model = settings.model(engine.model)
    pool = settings.pool(engine.pool)
    node = pool_plan.kind_of(pool)
    part = NODE_SHARE * engine.gpus / pool_plan.gpus_per_node(pool)
    disk = pool_plan.node_disk_gib(pool) * DISK_SHARE
    return {
        "images": {
            "allowUnresolved": settings.sandbox,
            "vllm": image_values(settings.images.vllm),
            "fetcher": image_values(settings.images.model_fetcher),
        },
        "engine": {
            "replicas": engine.replicas,
            "port": PORT,
            "args": vllm_flags(engine, model),
            "startupSeconds": STARTUP_SECONDS,
            "shutdownSeconds": SHUTDOWN_SECONDS,
            "preStopSeconds": PRE_STOP_SECONDS,
        },
        "model": {
            "bucket": bucket,
            "prefix": names.model_prefix(model.name, model.version),
            "path": model_path(model),
            "region": region,
            "sha256": "" if model.sha256 == UNRESOLVED else model.sha256,
            "volumeGib": max(1, int(disk / pods_per_node(settings, engine))),
        },
        "pool": engine.pool,
        "tolerations": pool_plan.tolerations(pool),
        "priorityClassName": priorities.of_lane(engine.lane).name,
        "resources": {
            "gpus": engine.gpus,
            "cpu": max(1, int(node.vcpus * part)),
            "memoryGib": max(1, int(node.memory_mib / 1024 * part)),
            "shmGib": SHM_GIB_PER_GPU * engine.gpus,
        },
        "network": {
            # S3 is reached by its interface endpoint, which has addresses of the VPC; a gateway endpoint's
            # are public and change, and a NetworkPolicy knows only addresses.
            "httpsCidrs": [str(settings.network.cidr)],
            "clientNamespaceLabels": {"app.kubernetes.io/part-of": "bastide"},
        },
    }


def image_values(image: ImageSettings) -> dict[str, str]:
    """An image as the charts take it."""
    return {"repository": image.repository, "tag": image.tag, "digest": image.digest}
