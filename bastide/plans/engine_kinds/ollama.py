"""Ollama 0.17.4. Pure.

It has no flags but environment variables (envconfig/config.go of its Go module), no metrics, and a store of its own:
the model that is published and verified is a folder with `manifests/` and `blobs/`, as OLLAMA_MODELS names one. Its own
reader of these variables judges them in the tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bastide.plans import engine_defaults, engine_models
from bastide.plans.engine_kinds.base import HOST, PORT, Kind, Program, caches
from bastide.settings import EngineSettings, Settings

VERSION: Final = "0.17.4"


def program(settings: Settings, engine: EngineSettings) -> Program:
    """`ollama serve` over a store that it cannot change."""
    return Program(command=("/usr/bin/ollama",), args=("serve",), environment=environment(settings, engine))


def environment(settings: Settings, engine: EngineSettings) -> dict[str, str]:
    """Ollama's environment variables; none is a secret."""
    found = {
        **caches({}),
        "OLLAMA_HOST": f"{HOST}:{PORT}",
        "OLLAMA_MODELS": engine_models.path(settings.model(engine.model)),
        # At its start it would delete what no manifest names; the model is what was verified.
        "OLLAMA_NOPRUNE": "1",
        "OLLAMA_NOHISTORY": "1",
        # No models of others' machines, no web search.
        "OLLAMA_NO_CLOUD": "1",
        "OLLAMA_CONTEXT_LENGTH": str(engine.max_model_len),
        "OLLAMA_NUM_PARALLEL": str(engine.max_num_seqs),
        "OLLAMA_MAX_QUEUE": str(engine_defaults.max_queued_requests(engine)),
        "OLLAMA_MAX_LOADED_MODELS": "1",
        # The one model is never put out of the GPU.
        "OLLAMA_KEEP_ALIVE": "-1",
        "OLLAMA_FLASH_ATTENTION": "1",
        # Over all of the pod's GPUs, also where one would do.
        "OLLAMA_SCHED_SPREAD": str(int(engine.gpus > 1)),
    }
    if engine.prefix_caching is not None:
        found["OLLAMA_MULTIUSER_CACHE"] = str(int(engine.prefix_caching))
    return found


_STORE: Final = "Ollama's store says how a model is kept and computed"
_GPUS: Final = "Ollama puts layers on GPUs by itself"
_NONE: Final = "Ollama has nothing of the kind"

REFUSED: Final[Mapping[str, str]] = {
    "nodes": "Ollama runs on one node",
    "tensorParallel": _GPUS,
    "pipelineParallel": _GPUS,
    "dataParallel": _GPUS,
    "expertParallel": _GPUS,
    "gpuMemoryUtilization": "Ollama takes what the model needs",
    "maxNumBatchedTokens": _NONE,
    "dtype": _STORE,
    "quantization": _STORE,
    "kvCacheDtype": "Ollama's types of the cache are others (f16, q8_0, q4_0)",
    "blockSize": _NONE,
    "chunkedPrefill": _NONE,
    **{
        f"speculation.{each}": _NONE
        for each in (
            "kind=ngram",
            "kind=draft-model",
            "kind=eagle",
            "kind=eagle3",
            "kind=mtp",
            "tokens",
            "model",
            "tensorParallel",
            "promptLookupMax",
            "promptLookupMin",
        )
    },
    "queue.maxTokens": "Ollama bounds waiting requests, not their tokens",
    "limits.maxAnswers": _NONE,
    "limits.maxAnswerTokens": _NONE,
    "limits.maxLogprobs": _NONE,
    "media.domains": "Ollama fetches nothing: images come inside the request",
    "tracing.endpoint": _NONE,
    "tracing.sampleRatio": _NONE,
    "logs.level": "Ollama knows informative and debugging logs, and the latter hold prompts",
    "lora.adapters": _STORE,
    "lora.maxRank": _STORE,
    "lora.maxAtOnce": _STORE,
    "tools.parser": _STORE,
    "reasoning.parser": _STORE,
    "runner": "Ollama embeds and generates by the request's path",
    "extraArgs": "`ollama serve` has no arguments",
    "autoscaling": "Ollama has no metrics",
}

KIND: Final = Kind(
    name="ollama",
    version=VERSION,
    image="",
    judge="parser",
    health_path="/api/version",
    metrics_path="",
    metrics=None,
    program=program,
    refused=REFUSED,
    unmet=(
        "logs are text, also with logs.format json",
        "limits.maxAnswers and limits.maxLogprobs bound nothing",
        "drain.shutdownSeconds bounds nothing: SIGTERM ends answers",
        "the model's name is the one in its store's manifest",
    ),
    cannot_run=(
        "its image has no Python for the pod's probes and preStop, it has no metrics by which a stalled engine would "
        "be told from a busy one, and nobody here has seen it serve a verified model from a read-only folder without "
        "network"
    ),
)
