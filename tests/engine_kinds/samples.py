"""Engines of every kind, and every setting of an engine with a value other than its default."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from bastide.settings import EngineSettings, Settings, read_stack_file

STACK = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"

ENGINE: dict[str, Any] = {
    "name": "chat",
    "model": "served",
    "pool": "p5",
    "gpus": 8,
    "maxModelLen": 4096,
}

MODELS = [
    {"name": "served", "version": "1.0.0"},
    {"name": "draft", "version": "1.0.0"},
    {"name": "law", "version": "2.0.0", "kind": "adapter"},
    {"name": "tax", "version": "2.0.0", "kind": "adapter"},
]

CHANGES: dict[str, Any] = {
    "nodes": 2,
    "tensorParallel": 8,
    "pipelineParallel": 2,
    "dataParallel": 2,
    "expertParallel": True,
    "maxModelLen": 2048,
    "maxNumSeqs": 33,
    "maxNumBatchedTokens": 4097,
    "gpuMemoryUtilization": 0.8,
    "blockSize": 32,
    "prefixCaching": False,
    "chunkedPrefill": False,
    "queue.maxRequests": 77,
    "queue.maxTokens": 777,
    "limits.maxAnswers": 9,
    "limits.maxAnswerTokens": 99,
    "limits.maxLogprobs": 5,
    "media.domains": ["media.example.com"],
    "tracing.endpoint": "http://collector.bastide-monitoring:4318/v1/traces",
    "tracing.sampleRatio": 0.5,
    "logs.format": "text",
    "logs.level": "warning",
    "drain.shutdownSeconds": 60,
    "lora.adapters": ["law", "tax"],
    "lora.maxRank": 64,
    "lora.maxAtOnce": 1,
    "tools.parser": "hermes",
    "reasoning.parser": "qwen3",
    "runner": "embed",
    "extraArgs": ["--enforce-eager"],
    **{f"dtype={each}": each for each in ("bfloat16", "float16", "float32")},
    **{
        f"kvCacheDtype={each}": each
        for each in (
            "bfloat16",
            "float16",
            "fp8",
            "fp8_e4m3",
            "fp8_e5m2",
            "fp8_per_token_head",
            "int8_per_token_head",
            "int4_per_token_head",
            "nvfp4",
        )
    },
    **{
        f"quantization={each}": each
        for each in (
            "awq",
            "awq_marlin",
            "gptq",
            "gptq_marlin",
            "fp8",
            "compressed-tensors",
            "modelopt",
            "modelopt_fp4",
            "torchao",
            "mxfp4",
            "experts_int8",
        )
    },
    "speculation=ngram": {"kind": "ngram"},
    "speculation=draft-model": {"kind": "draft-model", "model": "draft"},
    "speculation=eagle": {"kind": "eagle", "model": "draft"},
    "speculation=eagle3": {"kind": "eagle3", "model": "draft"},
    "speculation=mtp": {"kind": "mtp"},
}
"""By path; what stands behind `=` only tells values apart."""

OUTSIDE = {
    "name",
    "model",
    "pool",
    "kind",
    "replicas",
    "gpus",
    "lane",
    "slo",
    "load",
    "price",
    "health",
    "rollout",
    "autoscaling",
    "limits.maxRequestKib",
    "drain.preStopSeconds",
}
"""Settings that are not the program's: the pod, its proxy, its controllers or the planner do what they say."""


def engine(kind: str, **changes: Any) -> EngineSettings:
    return EngineSettings.model_validate({**copy.deepcopy(ENGINE), "kind": kind, **changes})


def changed(kind: str, key: str) -> EngineSettings:
    """An engine with one of `CHANGES`, and what that needs to mean anything."""
    path, value = key.partition("=")[0], CHANGES[key]
    raw = {**copy.deepcopy(ENGINE), "kind": kind, **needed(key)}
    *parents, last = path.split(".")
    at = raw
    for each in parents:
        at = at.setdefault(each, {})
    at[last] = value
    return EngineSettings.model_validate(raw)


def needed(key: str) -> dict[str, Any]:
    """What must be there for this change to show at all."""
    if key in ("lora.maxRank", "lora.maxAtOnce"):
        return {"lora": {"adapters": ["law", "tax"]}}
    if key == "tracing.sampleRatio":
        return {"tracing": {"endpoint": "http://collector.bastide-monitoring:4318/v1/traces"}}
    return {}


def before(kind: str, key: str) -> EngineSettings:
    """The engine that `changed` starts from."""
    return EngineSettings.model_validate({**copy.deepcopy(ENGINE), "kind": kind, **needed(key)})


def settings() -> Settings:
    """A stack with the models; its engine is of no matter, renderers are given one."""
    raw = read_stack_file(STACK)
    models = [*raw["models"], *MODELS]
    return Settings.load({**raw, "models": models})
