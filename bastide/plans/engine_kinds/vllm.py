"""vLLM: the kind for which every setting was made. Pure."""

from __future__ import annotations

import json
from typing import Final

from bastide.catalogues import vllm_flags
from bastide.plans import engine_environment, engine_flags
from bastide.plans.engine_kinds.base import Kind, Metrics, Program
from bastide.settings import EngineSettings, Settings


def program(settings: Settings, engine: EngineSettings) -> Program:
    """vLLM's API server; further pods of a replica run the whole program, which alone knows a pod without one."""
    logging = engine_environment.logging_config(engine)
    several = engine.nodes > 1
    return Program(
        command=("python3", "-m", "vllm.entrypoints.openai.api_server"),
        args=tuple(engine_flags.flags(settings, engine)),
        environment=engine_environment.environment(settings, engine),
        files={"logging.json": json.dumps(logging, sort_keys=True)} if logging else {},
        worker_command=("vllm", "serve"),
        worker_args=tuple(engine_flags.worker_flags(settings, engine)) if several else (),
    )


KIND: Final = Kind(
    name="vllm",
    version=vllm_flags.VERSION,
    image="vllm",
    judge="parser",
    health_path="/health",
    metrics_path="/metrics",
    metrics=Metrics(
        # vllm/v1/metrics/loggers.py
        "vllm:num_requests_waiting",
        "vllm:num_requests_running",
        (
            "vllm:generation_tokens_total",
            "vllm:prompt_tokens_total",
            "vllm:request_success_total",
            "vllm:kv_cache_usage_perc",
        ),
    ),
    program=program,
    refused={},
)
