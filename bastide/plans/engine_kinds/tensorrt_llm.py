"""TensorRT-LLM 1.2.1 by `trtllm-serve`. Pure.

Flags: tensorrt_llm/commands/serve.py; the file of further options: tensorrt_llm/llmapi/llm_args.py. Metrics:
tensorrt_llm/metrics/collector.py. Rendered only: its wheel wants CUDA, MPI and several gigabytes to be imported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from bastide.plans import engine_defaults, engine_models
from bastide.plans.engine_kinds.base import FILES, HOST, PORT, Kind, Metrics, Program, caches, offline
from bastide.settings import EngineSettings, Settings

VERSION: Final = "1.2.1"

OPTIONS: Final = "llm_api_options.yaml"
"""Name of the file of further options; JSON is YAML."""


def program(settings: Settings, engine: EngineSettings) -> Program:
    """The server over the PyTorch backend: it loads a model's own files, without a build for the GPU."""
    return Program(
        command=("trtllm-serve",),
        args=tuple(flags(settings, engine)),
        environment=environment(),
        files={OPTIONS: json.dumps(options(engine), sort_keys=True)},
    )


def flags(settings: Settings, engine: EngineSettings) -> list[str]:
    """The server's whole command line, without the program."""
    found = [
        engine_models.path(settings.model(engine.model)),
        "--backend",
        "pytorch",
        "--host",
        HOST,
        "--port",
        str(PORT),
        "--log_level",
        engine.logs.level,
        "--max_batch_size",
        str(engine.max_num_seqs),
        "--max_num_tokens",
        str(engine_defaults.max_num_batched_tokens(settings, engine)),
        "--max_seq_len",
        str(engine.max_model_len),
        "--tp_size",
        str(engine.tensor_parallel),
        "--pp_size",
        str(engine.pipeline_parallel),
    ]
    if engine.expert_parallel:
        found += ["--ep_size", str(engine.tensor_parallel)]
    if engine.reasoning.parser is not None:
        found += ["--reasoning_parser", engine.reasoning.parser]
    if engine.tools.parser is not None:
        found += ["--tool_parser", engine.tools.parser]
    return [*found, "--extra_llm_api_options", f"{FILES}/{OPTIONS}"]


def options(engine: EngineSettings) -> dict[str, Any]:
    """Options that have no flag."""
    cache: dict[str, Any] = {}
    if engine.prefix_caching is not None:
        cache["enable_block_reuse"] = engine.prefix_caching
    if engine.kv_cache_dtype != "auto":
        cache["dtype"] = "fp8" if engine.kv_cache_dtype == "fp8_e4m3" else engine.kv_cache_dtype
    if engine.block_size is not None:
        cache["tokens_per_block"] = engine.block_size
    return {
        # Without the first two it has no metrics.
        "return_perf_metrics": True,
        "enable_iter_perf_stats": True,
        **({"kv_cache_config": cache} if cache else {}),
        **({} if engine.chunked_prefill is None else {"enable_chunked_prefill": engine.chunked_prefill}),
        **({} if engine.dtype == "auto" else {"dtype": engine.dtype}),
    }


def environment() -> dict[str, str]:
    """The server's environment variables; none is a secret."""
    return {
        **offline(),
        **caches(
            {"HF_HOME": "huggingface", "TORCHINDUCTOR_CACHE_DIR": "inductor", "TRITON_CACHE_DIR": "triton"}
        ),
        "TRTLLM_NO_USAGE_STATS": "1",
    }


_SPECULATION: Final = "how TensorRT-LLM 1.2 speculates was judged by nobody here"

REFUSED: Final[Mapping[str, str]] = {
    "nodes": "TensorRT-LLM joins nodes by MPI, which starts processes over ssh",
    "dataParallel": "TensorRT-LLM's copies of the attention layers share tensorParallel's GPUs",
    "gpuMemoryUtilization": "TensorRT-LLM's share is of what weights leave free, and not of the GPU",
    "kvCacheDtype=bfloat16": "TensorRT-LLM keeps the cache in the model's own type, fp8 or nvfp4",
    "kvCacheDtype=float16": "TensorRT-LLM keeps the cache in the model's own type, fp8 or nvfp4",
    "kvCacheDtype=fp8_e5m2": "TensorRT-LLM's fp8 is e4m3",
    "kvCacheDtype=fp8_per_token_head": "TensorRT-LLM keeps the cache in the model's own type, fp8 or nvfp4",
    "kvCacheDtype=int8_per_token_head": "TensorRT-LLM keeps the cache in the model's own type, fp8 or nvfp4",
    "kvCacheDtype=int4_per_token_head": "TensorRT-LLM keeps the cache in the model's own type, fp8 or nvfp4",
    "quantization": "TensorRT-LLM reads it from the model's own files",
    "speculation.kind=ngram": _SPECULATION,
    "speculation.kind=draft-model": _SPECULATION,
    "speculation.kind=eagle": _SPECULATION,
    "speculation.kind=eagle3": _SPECULATION,
    "speculation.kind=mtp": _SPECULATION,
    "speculation.tokens": _SPECULATION,
    "speculation.model": _SPECULATION,
    "speculation.tensorParallel": _SPECULATION,
    "speculation.promptLookupMax": _SPECULATION,
    "speculation.promptLookupMin": _SPECULATION,
    "queue.maxRequests": "trtllm-serve has no bound of its queue",
    "queue.maxTokens": "trtllm-serve has no bound of its queue",
    "limits.maxAnswers": "trtllm-serve has no bound of answers to one request",
    "limits.maxAnswerTokens": "trtllm-serve has no bound of an answer's length",
    "limits.maxLogprobs": "trtllm-serve has no bound of log probabilities",
    "media.domains": "trtllm-serve fetches from every address where a model takes images: serve one of text alone",
    "tracing.endpoint": "trtllm-serve's traces were judged by nobody here",
    "tracing.sampleRatio": "trtllm-serve's traces were judged by nobody here",
    "lora.adapters": "trtllm-serve takes a path with each request, and not the names of adapters that were verified",
    "lora.maxRank": "there are no adapters",
    "lora.maxAtOnce": "there are no adapters",
    "runner": "trtllm-serve has no embeddings",
    "extraArgs": "which of its arguments are safe is known of vLLM only",
}

KIND: Final = Kind(
    name="tensorrt-llm",
    version=VERSION,
    image="tensorrt_llm",
    judge="rendered only",
    health_path="/health",
    metrics_path="/prometheus/metrics",
    metrics=Metrics(
        "trtllm_num_requests_waiting",
        "trtllm_num_requests_running",
        (
            "trtllm_generation_tokens_total",
            "trtllm_prompt_tokens_total",
            "trtllm_num_requests_completed_total",
        ),
    ),
    program=program,
    refused=REFUSED,
    unmet=(
        "logs are text, also with logs.format json",
        "queue.maxRequests, limits.maxAnswers and limits.maxLogprobs bound nothing",
        "the model's name is the last part of its folder",
        "drain.shutdownSeconds bounds nothing that was judged: how SIGTERM ends answers nobody saw here",
        "a model that takes images would let requests fetch any address",
    ),
)
