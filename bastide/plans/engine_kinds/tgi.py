"""Text Generation Inference 3.3.7, its project's last release. Pure.

Flags: launcher/src/main.rs at tag v3.3.7 (docs/source/reference/launcher.md is made from it). Metrics and paths:
router/src/server.rs. Rendered only: its launcher is no package that could be installed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bastide.plans import engine_defaults, engine_models
from bastide.plans.engine_kinds.base import HOST, PORT, Kind, Metrics, Program, caches, offline
from bastide.settings import EngineSettings, Settings
from bastide.settings.engine_speculation import Ngram

VERSION: Final = "3.3.7"

_KV: Final = {"fp8": "fp8_e4m3fn", "fp8_e4m3": "fp8_e4m3fn", "fp8_e5m2": "fp8_e5m2"}
_QUANTIZATION: Final = {"awq_marlin": "awq", "gptq_marlin": "gptq"}
"""It takes Marlin's kernels by itself."""


def program(settings: Settings, engine: EngineSettings) -> Program:
    """The launcher itself: the image's entry point would split arguments at spaces."""
    return Program(
        command=("text-generation-launcher",),
        args=tuple(flags(settings, engine)),
        environment=environment(engine),
    )


def flags(settings: Settings, engine: EngineSettings) -> list[str]:
    """The launcher's whole command line, without the program."""
    # What waits counts as concurrent.
    concurrent = engine.max_num_seqs + engine_defaults.max_queued_requests(engine)
    found = [
        "--model-id",
        engine_models.path(settings.model(engine.model)),
        "--hostname",
        HOST,
        "--port",
        str(PORT),
        "--num-shard",
        str(engine.tensor_parallel),
        "--max-total-tokens",
        str(engine.max_model_len),
        # One token is left for the answer; without it the launcher takes less than the model can.
        "--max-input-tokens",
        str(max(1, engine.max_model_len - 1)),
        "--max-batch-size",
        str(engine.max_num_seqs),
        "--max-concurrent-requests",
        str(concurrent),
        "--cuda-memory-fraction",
        str(engine.gpu_memory_utilization),
        "--max-best-of",
        str(engine.limits.max_answers),
        "--max-top-n-tokens",
        str(engine.limits.max_logprobs),
        "--graceful-termination-timeout",
        str(engine.drain.shutdown_seconds),
        "--usage-stats",
        "off",
    ]
    if engine.max_num_batched_tokens is not None:
        found += ["--max-batch-prefill-tokens", str(engine.max_num_batched_tokens)]
    if engine.limits.max_request_kib is not None:
        found += ["--payload-limit", str(engine.limits.max_request_kib * 1024)]
    if engine.dtype != "auto":
        found += ["--dtype", engine.dtype]
    if engine.quantization is not None:
        found += ["--quantize", _QUANTIZATION.get(engine.quantization, engine.quantization)]
    if engine.kv_cache_dtype != "auto":
        found += ["--kv-cache-dtype", _KV.get(engine.kv_cache_dtype, engine.kv_cache_dtype)]
    if isinstance(engine.speculation, Ngram):
        found += ["--speculate", str(engine.speculation.tokens)]
    adapters = engine_models.adapters(settings, engine)
    if adapters:
        found += [
            "--lora-adapters",
            ",".join(f"{each.name}={engine_models.path(each)}" for each in adapters),
        ]
    return [*found, "--json-output"] if engine.logs.format == "json" else found


def environment(engine: EngineSettings) -> dict[str, str]:
    """The launcher's environment variables; none is a secret."""
    found = {
        **offline(),
        **caches(
            {"HF_HOME": "huggingface", "HUGGINGFACE_HUB_CACHE": "huggingface", "TRITON_CACHE_DIR": "triton"}
        ),
        # Read by the launcher and its parts alike (init_logging).
        "LOG_LEVEL": {"warning": "warn"}.get(engine.logs.level, engine.logs.level),
    }
    if engine.prefix_caching is not None:
        found["PREFIX_CACHING"] = str(int(engine.prefix_caching))
    return found


_ONLY_NGRAM: Final = "TGI guesses from the prompt itself, or by heads that lie in the model"

REFUSED: Final[Mapping[str, str]] = {
    "nodes": "TGI runs on one node",
    "pipelineParallel": "TGI cuts layers over GPUs and has no stages",
    "dataParallel": "TGI has no copies within a replica",
    "expertParallel": "TGI cuts experts like other layers",
    "dtype=float32": "TGI 3.3.7 computes in float16 or bfloat16",
    "kvCacheDtype=bfloat16": "TGI 3.3.7 has the model's own type or fp8",
    "kvCacheDtype=float16": "TGI 3.3.7 has the model's own type or fp8",
    "kvCacheDtype=fp8_per_token_head": "TGI 3.3.7 has the model's own type or fp8",
    "kvCacheDtype=int8_per_token_head": "TGI 3.3.7 has the model's own type or fp8",
    "kvCacheDtype=int4_per_token_head": "TGI 3.3.7 has the model's own type or fp8",
    "kvCacheDtype=nvfp4": "TGI 3.3.7 has the model's own type or fp8",
    "blockSize": "TGI chooses the blocks by its attention kernel",
    "quantization=modelopt": "TGI 3.3.7 does not name it",
    "quantization=modelopt_fp4": "TGI 3.3.7 does not name it",
    "quantization=torchao": "TGI 3.3.7 does not name it",
    "quantization=mxfp4": "TGI 3.3.7 does not name it",
    "quantization=experts_int8": "TGI 3.3.7 does not name it",
    "chunkedPrefill": "TGI decides by the model and its attention kernel",
    "speculation.promptLookupMax": "TGI looks up by its own rule",
    "speculation.promptLookupMin": "TGI looks up by its own rule",
    "speculation.tensorParallel": _ONLY_NGRAM,
    "speculation.kind=draft-model": _ONLY_NGRAM,
    "speculation.kind=eagle": _ONLY_NGRAM,
    "speculation.kind=eagle3": _ONLY_NGRAM,
    "speculation.kind=mtp": _ONLY_NGRAM,
    "speculation.model": _ONLY_NGRAM,
    "queue.maxTokens": "TGI bounds waiting requests, not their tokens",
    "limits.maxAnswerTokens": "TGI bounds prompt and answer together, by maxModelLen",
    "media.domains": "TGI fetches from every address where the model takes images: serve a model of text alone",
    "tracing.endpoint": "TGI sends traces by gRPC, and the setting is an address for HTTP",
    "tracing.sampleRatio": "TGI samples nothing",
    "lora.maxRank": "TGI takes the adapters' own ranks",
    "lora.maxAtOnce": "TGI puts all adapters into one batch",
    "tools.parser": "TGI writes and reads tool calls by a grammar of its own",
    "reasoning.parser": "TGI does not part reasoning from the answer",
    "runner": "TGI generates; for embeddings its project has another program",
    "extraArgs": "which of its arguments are safe is known of vLLM only",
    "autoscaling": "TGI's metrics do not bear the model's name, so one engine's cannot be told from another's",
}

KIND: Final = Kind(
    name="tgi",
    version=VERSION,
    image="",
    judge="rendered only",
    health_path="/health",
    metrics_path="/metrics",
    metrics=Metrics(
        "tgi_queue_size",
        "tgi_batch_current_size",
        ("tgi_batch_inference_count", "tgi_request_count", "tgi_batch_next_size"),
        by_model=False,
    ),
    program=program,
    refused=REFUSED,
    unmet=(
        "every name of a model is answered",
        "a model that takes images would let requests fetch any address",
    ),
    # Dockerfile at v3.3.7: `uv python install` as root, and LD_LIBRARY_PATH in /root/.local/share/uv/python.
    cannot_run=(
        "its image keeps the Python that its launcher starts below /root, which only root may read, and the pod's "
        "containers run as another user"
    ),
)
