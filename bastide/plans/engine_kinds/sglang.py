"""SGLang 0.5.23. Pure.

Flags: sglang/srt/server_args.py and srt/arg_groups/fields of the wheel, whose own parser judges what is rendered here
(tests/engine_kinds). Metrics: srt/observability/metrics_collector.py. SIGTERM drains without a bound of its own
(srt/managers/tokenizer_manager.py): the pod's grace period is the bound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bastide import names
from bastide.plans import engine_defaults, engine_models
from bastide.plans.engine_flags import LEADER_ADDRESS, POD_NUMBER, UNLOGGED_PATHS
from bastide.plans.engine_kinds.base import HOST, PORT, Kind, Metrics, Program, caches, offline
from bastide.settings import EngineSettings, Settings
from bastide.settings.engine_speculation import DraftModel, Eagle, Eagle3, Mtp, Ngram

VERSION: Final = "0.5.23"

INIT_PORT: Final = 20000
"""Port at which the pods of a replica find one another (SGLang's documentation, "Multi-node deployment")."""

_KV: Final = {"fp8": "fp8_e4m3"}
_QUANTIZATION: Final = {"modelopt": "modelopt_fp8"}
"""What vLLM calls otherwise."""


def program(settings: Settings, engine: EngineSettings) -> Program:
    """The same command for every pod of a replica: those with a number other than 0 serve nobody."""
    command = ("python3", "-m", "sglang.launch_server")
    args = tuple(flags(settings, engine))
    several = engine.nodes > 1
    return Program(
        command=command,
        args=args,
        environment=environment(settings, engine),
        worker_command=command if several else (),
        worker_args=args if several else (),
    )


def flags(settings: Settings, engine: EngineSettings) -> list[str]:
    """SGLang's whole command line, without the program."""
    model = settings.model(engine.model)
    return [
        "--model-path",
        engine_models.path(model),
        "--served-model-name",
        model.name,
        # `auto` would fall back to pickled weights, which run code when loaded.
        "--load-format",
        "safetensors",
        "--dtype",
        engine.dtype,
        "--host",
        HOST,
        "--port",
        str(PORT),
        "--enable-metrics",
        "--log-level",
        engine.logs.level,
        "--uvicorn-access-log-exclude-prefixes",
        *UNLOGGED_PATHS,
        *_parallelism(engine),
        *_batch(engine),
        *_requests(engine),
        *_abilities(settings, engine),
        *_speculation(settings, engine),
    ]


def _parallelism(engine: EngineSettings) -> list[str]:
    found = ["--tp-size", str(engine.tensor_parallel), "--pp-size", str(engine.pipeline_parallel)]
    if engine.expert_parallel:
        found += ["--ep-size", str(engine.tensor_parallel)]
    if engine.nodes > 1:
        found += ["--nnodes", str(engine.nodes), "--node-rank", POD_NUMBER]
        found += ["--dist-init-addr", f"{LEADER_ADDRESS}:{INIT_PORT}"]
    return found


def _batch(engine: EngineSettings) -> list[str]:
    found = [
        "--context-length",
        str(engine.max_model_len),
        "--max-running-requests",
        str(engine.max_num_seqs),
    ]
    if engine.chunked_prefill is False:
        found += ["--chunked-prefill-size", "-1"]
    elif engine.max_num_batched_tokens is not None:
        found += ["--chunked-prefill-size", str(engine.max_num_batched_tokens)]
    if engine.max_num_batched_tokens is not None:
        found += ["--max-prefill-tokens", str(engine.max_num_batched_tokens)]
    found += ["--kv-cache-dtype", _KV.get(engine.kv_cache_dtype, engine.kv_cache_dtype)]
    if engine.block_size is not None:
        found += ["--page-size", str(engine.block_size)]
    if engine.prefix_caching is False:
        found.append("--disable-radix-cache")
    if engine.quantization is not None:
        found += ["--quantization", _QUANTIZATION.get(engine.quantization, engine.quantization)]
    return found


def _requests(engine: EngineSettings) -> list[str]:
    found = ["--max-queued-requests", str(engine_defaults.max_queued_requests(engine))]
    if engine.runner == "embed":
        found.append("--is-embedding")
    # Without domains every domain would be let in.
    if engine.media.domains:
        return [*found, "--allowed-media-domains", *engine.media.domains]
    return [*found, "--language-model-only"]


def _abilities(settings: Settings, engine: EngineSettings) -> list[str]:
    found = []
    if engine.tools.parser is not None:
        found += ["--tool-call-parser", engine.tools.parser]
    if engine.reasoning.parser is not None:
        found += ["--reasoning-parser", engine.reasoning.parser]
    if engine.tracing.endpoint is not None:
        found += ["--enable-trace", "--otlp-traces-endpoint", engine.tracing.endpoint]
    adapters = engine_models.adapters(settings, engine)
    if adapters:
        # A batch counts requests without an adapter as one of them.
        most = (engine.lora.max_at_once or len(adapters)) + 1
        found += ["--enable-lora", "--max-lora-rank", str(engine.lora.max_rank)]
        found += ["--max-loras-per-batch", str(most)]
        found += ["--lora-paths", *(f"{each.name}={engine_models.path(each)}" for each in adapters)]
    return found


def _speculation(settings: Settings, engine: EngineSettings) -> list[str]:
    wanted = engine.speculation
    match wanted:
        case Ngram():
            return [
                "--speculative-algorithm",
                "NGRAM",
                "--speculative-num-draft-tokens",
                str(wanted.tokens),
            ]
        case DraftModel():
            algorithm = "STANDALONE"
        case Eagle():
            algorithm = "EAGLE"
        case Eagle3():
            algorithm = "EAGLE3"
        case Mtp():
            algorithm = "NEXTN"
        case _:
            return []
    found = ["--speculative-algorithm", algorithm]
    drafting = engine_models.draft(settings, engine)
    if drafting is not None:
        found += ["--speculative-draft-model-path", engine_models.path(drafting)]
    # One guess a step: then the tokens that are checked are the steps' and the one before them.
    found += ["--speculative-num-steps", str(wanted.tokens), "--speculative-eagle-topk", "1"]
    return [*found, "--speculative-num-draft-tokens", str(wanted.tokens + 1)]


def environment(settings: Settings, engine: EngineSettings) -> dict[str, str]:
    """SGLang's environment variables; none is a secret."""
    folders = {
        "HF_HOME": "huggingface",
        "TORCHINDUCTOR_CACHE_DIR": "inductor",
        "TRITON_CACHE_DIR": "triton",
        "FLASHINFER_WORKSPACE_BASE": "flashinfer",
        "SGLANG_CACHE_DIR": "sglang",
    }
    found = {**offline(), **caches(folders), "SGLANG_PLUGINS": ""}
    if engine.tracing.endpoint is None:
        return found
    return found | {
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": names.engine_release(engine.name),
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": str(engine.tracing.sample_ratio),
    }


REFUSED: Final[Mapping[str, str]] = {
    "dataParallel": "SGLang's copies of the attention layers share tensorParallel's GPUs and do not add to them",
    "gpuMemoryUtilization": "SGLang's share is of weights and KV cache alone, and it works it out from the rest",
    "kvCacheDtype=float16": "SGLang 0.5.23 keeps the cache in bfloat16, fp8 or nvfp4",
    "kvCacheDtype=fp8_per_token_head": "SGLang 0.5.23 has no such cache",
    "kvCacheDtype=int8_per_token_head": "SGLang 0.5.23 has no such cache",
    "kvCacheDtype=int4_per_token_head": "SGLang 0.5.23 has no such cache",
    "quantization=torchao": "SGLang 0.5.23 does not name it",
    "quantization=experts_int8": "SGLang 0.5.23 does not name it",
    "speculation.promptLookupMax": "SGLang finds repetitions in a trie and not by their length",
    "speculation.promptLookupMin": "SGLang finds repetitions in a trie and not by their length",
    "speculation.tensorParallel": "SGLang cuts the draft model like the engine",
    "queue.maxTokens": "SGLang bounds waiting requests, not their tokens",
    "limits.maxAnswers": "SGLang has no bound of answers to one request",
    "limits.maxAnswerTokens": "SGLang has no bound of an answer's length",
    "limits.maxLogprobs": "SGLang has no bound of log probabilities",
    "extraArgs": "which of its arguments are safe is known of vLLM only",
}

KIND: Final = Kind(
    name="sglang",
    version=VERSION,
    image="sglang",
    judge="parser",
    health_path="/health",
    metrics_path="/metrics",
    metrics=Metrics(
        "sglang:num_queue_reqs",
        "sglang:num_running_reqs",
        (
            "sglang:generation_tokens_total",
            "sglang:prompt_tokens_total",
            "sglang:num_requests_total",
            "sglang:token_usage",
        ),
    ),
    program=program,
    refused=REFUSED,
    unmet=(
        "logs are text, also with logs.format json",
        "limits.maxAnswers and limits.maxLogprobs bound nothing",
    ),
)
