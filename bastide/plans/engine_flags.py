"""From an engine's settings to vLLM's command line. Pure.

Names and meanings are those of vLLM 0.32.0, whose own parser and engine configuration judge the result in
tests/serving/test_engine_flags_real.py. What a setting says is always written, never left to a default of the engine,
so that another version of it changes nothing unseen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bastide.catalogues import vllm_flags
from bastide.plans import engine_defaults, engine_models
from bastide.settings import EngineSettings, Settings
from bastide.settings.engine_speculation import DraftModel, Eagle, Eagle3, Mtp, Ngram

HOST: Final = "127.0.0.1"
"""Address on which vLLM listens: inside the pod only. Clients come by the proxy (`plans/engine_proxy.py`)."""

PORT: Final = 8001
"""Port of vLLM inside the pod; clients have the proxy's, 8000."""

MASTER_PORT: Final = 29501
"""Port of the first pod of a group, by which the others join; vLLM's default."""

LEADER_ADDRESS: Final = "$(LWS_LEADER_ADDRESS)"
"""Name of a group's first pod, and the pod's number in its group below: LeaderWorkerSet sets both variables in every
container, and Kubernetes puts them into arguments."""
POD_NUMBER: Final = "$(LWS_WORKER_INDEX)"


def flags(settings: Settings, engine: EngineSettings) -> list[str]:
    """vLLM's whole command line for one engine, without the program. Raises StopIteration where a model is not one of
    the settings', which the loader refuses before."""
    return [
        *_model(settings, engine),
        *_server(engine),
        *_parallelism(engine),
        *_batch(settings, engine),
        *_requests(engine),
        *_abilities(settings, engine),
        *_speculation(settings, engine),
        *multi_node_flags(engine),
        *extra_flags(engine.extra_args),
    ]


def worker_flags(settings: Settings, engine: EngineSettings) -> list[str]:
    """The same for a pod of a group that is not its first: it serves nobody. Only `vllm serve` knows `--headless`;
    the API server's own module ignores it and would serve."""
    return [*flags(settings, engine), "--headless"]


def multi_node_flags(engine: EngineSettings) -> list[str]:
    """What makes pods on several nodes one replica; nothing for one node."""
    if engine.nodes == 1:
        return []
    return [
        "--nnodes",
        str(engine.nodes),
        "--node-rank",
        POD_NUMBER,
        "--master-addr",
        LEADER_ADDRESS,
        "--master-port",
        str(MASTER_PORT),
    ]


def _model(settings: Settings, engine: EngineSettings) -> list[str]:
    model = settings.model(engine.model)
    found = [
        "--model",
        engine_models.path(model),
        "--served-model-name",
        model.name,
        # `auto` would fall back to pickled weights, which run code when loaded.
        "--load-format",
        "safetensors",
        "--dtype",
        engine.dtype,
    ]
    if engine.quantization is not None:
        found += ["--quantization", engine.quantization]
    if engine.runner == "embed":
        found += ["--runner", "pooling", "--convert", "embed"]
    return found


def _server(engine: EngineSettings) -> list[str]:
    return [
        "--host",
        HOST,
        "--port",
        str(PORT),
        "--disable-fastapi-docs",
        "--enable-request-id-headers",
        # `full` would tell clients the engine's version and configuration.
        "--fingerprint-mode",
        "none",
        # Read where logs are text; with JSON the log configuration has the same filter.
        "--disable-access-log-for-endpoints",
        ",".join(UNLOGGED_PATHS),
        "--uvicorn-log-level",
        engine.logs.level,
        # Without it SIGTERM cuts answers in the middle.
        "--shutdown-timeout",
        str(engine.drain.shutdown_seconds),
    ]


UNLOGGED_PATHS: Final = ("/health", "/metrics")
"""Paths that probes and Prometheus ask for every few seconds."""


def _parallelism(engine: EngineSettings) -> list[str]:
    found = ["--tensor-parallel-size", str(engine.tensor_parallel)]
    if engine.pipeline_parallel > 1:
        found += ["--pipeline-parallel-size", str(engine.pipeline_parallel)]
    if engine.data_parallel > 1:
        found += ["--data-parallel-size", str(engine.data_parallel)]
    return [*found, "--enable-expert-parallel"] if engine.expert_parallel else found


def _batch(settings: Settings, engine: EngineSettings) -> list[str]:
    found = [
        "--max-model-len",
        str(engine.max_model_len),
        "--max-num-seqs",
        str(engine.max_num_seqs),
        "--max-num-batched-tokens",
        str(engine_defaults.max_num_batched_tokens(settings, engine)),
        "--gpu-memory-utilization",
        str(engine.gpu_memory_utilization),
        "--kv-cache-dtype",
        engine.kv_cache_dtype,
    ]
    if engine.block_size is not None:
        found += ["--block-size", str(engine.block_size)]
    for name, wanted in (
        ("enable-prefix-caching", engine.prefix_caching),
        ("enable-chunked-prefill", engine.chunked_prefill),
    ):
        if wanted is not None:
            found.append(f"--{'' if wanted else 'no-'}{name}")
    return found


def _requests(engine: EngineSettings) -> list[str]:
    found = ["--max-num-queued-reqs", str(engine_defaults.max_queued_requests(engine))]
    if engine.queue.max_tokens is not None:
        found += ["--max-num-queued-tokens", str(engine.queue.max_tokens)]
    found += ["--max-logprobs", str(engine.limits.max_logprobs)]
    if engine.limits.max_answer_tokens is not None:
        # Named like a default, it bounds every answer (vllm/config/model.py, generation_config).
        found += ["--override-generation-config", _json({"max_new_tokens": engine.limits.max_answer_tokens})]
    # An empty list of domains would mean every domain.
    if engine.media.domains:
        return [*found, "--allowed-media-domains", *engine.media.domains]
    return [*found, "--language-model-only"]


def _abilities(settings: Settings, engine: EngineSettings) -> list[str]:
    found = []
    if engine.tools.parser is not None:
        found += ["--enable-auto-tool-choice", "--tool-call-parser", engine.tools.parser]
    if engine.reasoning.parser is not None:
        found += ["--reasoning-parser", engine.reasoning.parser]
    if engine.tracing.endpoint is not None:
        found += ["--otlp-traces-endpoint", engine.tracing.endpoint]
    adapters = engine_models.adapters(settings, engine)
    if adapters:
        found += [
            "--enable-lora",
            "--max-loras",
            str(engine.lora.max_at_once or len(adapters)),
            "--max-lora-rank",
            str(engine.lora.max_rank),
            "--lora-modules",
            *(
                _json({"name": each.name, "path": engine_models.path(each), "base_model_name": engine.model})
                for each in adapters
            ),
        ]
    return found


def _speculation(settings: Settings, engine: EngineSettings) -> list[str]:
    wanted = engine.speculation
    match wanted:
        case Ngram():
            said: dict[str, Any] = {
                "method": "ngram",
                "prompt_lookup_max": wanted.prompt_lookup_max,
                "prompt_lookup_min": wanted.prompt_lookup_min,
            }
        case DraftModel():
            said = {
                "method": "draft_model",
                "draft_tensor_parallel_size": wanted.tensor_parallel or engine.tensor_parallel,
            }
        case Eagle() | Eagle3() | Mtp():
            said = {"method": wanted.kind}
        case _:
            return []
    drafting = engine_models.draft(settings, engine)
    if drafting is not None:
        said["model"] = engine_models.path(drafting)
    return ["--speculative-config", _json({**said, "num_speculative_tokens": wanted.tokens})]


def extra_flags(given: Sequence[str]) -> list[str]:
    """Extra arguments, which `settings/checks/engines_extra_args.py` has judged, as the engine takes them."""
    found = []
    for each in given:
        name, given, value = each.partition("=")
        if given and vllm_flags.ALLOWED.get(name) == "list":
            # A list's values are arguments of their own; none begins with a hyphen.
            found += [name, *value.split(",")]
        else:
            found.append(each)
    return found


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
