"""Cases for real vLLM's parser and configuration: the shipped stacks, every feature, and arguments in disguise."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from bastide.catalogues import instances, models
from bastide.catalogues.vllm_flags import ALL, ALLOWED
from bastide.models.make_tiny import DEFAULT_SHAPE, tiny_files, tiny_shapes
from bastide.plans import engine_flags, engine_models, pool_plan
from bastide.settings import EngineSettings, Settings, load_stack_file, read_stack_file
from bastide.settings.checks.engines_extra_args import refusal

ROOT: Final = Path(__file__).parents[2]

HEADS: Final[dict[str, dict[str, Any]]] = {
    # What published heads for Llama 3.3 70B have in their config.json: one layer of the model's own width.
    "llama-eagle": {"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 1, "model_type": "llama"},
    "llama-eagle3": {
        "architectures": ["LlamaForCausalLMEagle3"],
        "num_hidden_layers": 1,
        "draft_vocab_size": 32000,
        "model_type": "llama",
    },
}
ADAPTERS: Final = ("llama-sql", "llama-support")


def config(name: str) -> dict[str, Any]:
    """config.json of a model of a case."""
    if name in HEADS:
        return {**models.config_json("llama-3.3-70b-instruct"), **HEADS[name]}
    if name.startswith("tiny-"):
        shape = name.removeprefix("tiny-")
        files = tiny_files(shape if shape in tiny_shapes() else DEFAULT_SHAPE)
        return dict(json.loads(files["config.json"]))
    return models.config_json(name)


def write_models(settings: Settings, engine: EngineSettings, folder: Path) -> None:
    """Configurations where the engine's arguments look for them, below `folder` instead of the pod's root."""
    for model in engine_models.every(settings, engine):
        place = folder / engine_models.path(model).lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        if model.kind == "model":
            # Parsers of reasoning look for their marks in the vocabulary; the tiny one stands for every model's.
            files = tiny_files(DEFAULT_SHAPE)
            tokenizer = json.loads(files["tokenizer.json"])
            tokenizer["added_tokens"] += [
                {**tokenizer["added_tokens"][0], "id": 1000 + number, "content": mark}
                for number, mark in enumerate(("<think>", "</think>"))
            ]
            (place / "tokenizer.json").write_text(json.dumps(tokenizer))
            said = {**json.loads(files["tokenizer_config.json"]), "model_max_length": 10**9}
            (place / "tokenizer_config.json").write_text(json.dumps(said))
            (place / "config.json").write_text(json.dumps(config(model.name)))


def gpu(settings: Settings, engine: EngineSettings) -> dict[str, Any]:
    """What NVIDIA's driver would say in the engine's pod; names as it gives them (A100 is told apart by name)."""
    kind = pool_plan.kind_of(settings.pool(engine.pool))
    major, minor = instances.COMPUTE_CAPABILITY[kind.gpu_model].split(".")
    return {
        "capability": [int(major), int(minor)],
        "name": f"NVIDIA {kind.gpu_model}",
        "memory_mib": kind.gpu_memory_mib,
        "count": engine.gpus,
    }


def case(
    name: str, settings: Settings, engine: EngineSettings, folder: Path, node: int = 0
) -> dict[str, Any]:
    """One engine's arguments as its pod gets them, on the group's node of that number."""
    write_models(settings, engine, folder)
    flags = engine_flags.worker_flags if node else engine_flags.flags
    variables = {engine_flags.POD_NUMBER: str(node), engine_flags.LEADER_ADDRESS: "vllm-0.group"}
    args = flags(settings, engine)
    for variable, value in variables.items():
        args = [each.replace(variable, value) for each in args]
    args = [each.replace("/models/", f"{folder}/models/") for each in args]
    return {"name": name, "gpu": gpu(settings, engine), "args": args}


def stacks() -> list[tuple[str, Settings, EngineSettings]]:
    """Every engine of every shipped stack."""
    found = []
    for file in sorted((ROOT / "stacks").glob("Pulumi.*.yaml")):
        settings = load_stack_file(file)
        stack = file.name.removeprefix("Pulumi.").removesuffix(".yaml")
        found += [(f"{stack}/{engine.name}", settings, engine) for engine in settings.engines]
    return found


QUANTIZED: Final = {
    "llama-3.3-70b-instruct": [("fp8", "none"), ("none", "fp8"), ("none", "int8_per_token_head")],
    "qwen2.5-1.5b-instruct-awq": [("awq", "none")],
    "deepseek-v3": [("fp8", "none")],
}
"""Weights and KV cache of the models of `FEATURES` that are quantized."""


def table(model: str, weights: str, kv_cache: str, **row: Any) -> dict[str, Any]:
    """A quality table with which a model may serve; its numbers say nothing of any model."""
    about = {"model": model, "version": "1.0.0"}
    numbers = {"n": 100, "baseline": 0.9, "candidate": 0.89, "delta": -0.01, "lost": 1, "won": 0}
    return {
        "format": "bastide-quality/1",
        "baseline": about,
        "candidate": {**about, "weights": weights, "kvCache": kv_cache},
        "engineVersion": "0.32.0",
        "date": "2026-11-21",
        "source": "a test",
        "rows": [{"task": "needle", "context": 1024, **numbers, **row}],
    }


def tables(model: str) -> list[dict[str, Any]]:
    """Tables of all that `FEATURES` serve of a model."""
    return [table(model, *each) for each in QUANTIZED.get(model, [])]


@dataclass(frozen=True)
class Feature:
    """An engine with something of its own, and what vLLM has to make of it."""

    name: str
    wanted: dict[str, Any]
    model: str = "llama-3.3-70b-instruct"
    engine: dict[str, Any] = field(default_factory=dict)
    node: int = 0

    def settings(self) -> Settings:
        """Settings of the feature's one engine; they pass every check of a stack."""
        base = read_stack_file(ROOT / "stacks/Pulumi.sandbox.yaml")
        names = dict.fromkeys([self.model, "llama-3.2-1b-instruct", "deepseek-v3", *HEADS])
        engine = {"name": "chat", "model": self.model, "pool": "p5", "gpus": 8, "maxModelLen": 4096}
        return Settings.load(
            {
                **base,
                "multiNode": {"enabled": True},
                "cloud": {"kind": "aws", "region": "us-west-2", "accountId": "123456789012"},
                "network": {"zones": ["us-west-2a", "us-west-2b", "us-west-2c"], "cidr": "10.20.0.0/16"},
                "pools": [
                    {"name": "p5", "instanceType": "p5.48xlarge", "size": 4, "efa": True},
                    {"name": "h200", "instanceType": "p5en.48xlarge", "size": 1},
                    {"name": "a100", "instanceType": "p4de.24xlarge", "size": 1},
                    {"name": "l40s", "instanceType": "g6e.xlarge", "size": 1},
                ],
                "models": [
                    *(
                        {"name": each, "version": "1.0.0", "quality": tables(each)}
                        | ({"config": config(each)} if each in HEADS else {})
                        for each in names
                    ),
                    *({"name": each, "version": "1.0.0", "kind": "adapter"} for each in ADAPTERS),
                ],
                "engines": [{**engine, "tensorParallel": 8, **self.engine}],
            }
        )


def speculation(kind: str, **more: Any) -> dict[str, Any]:
    return {"speculation": {"kind": kind, **more}}


EMBEDDING: Final = {"pool": "l40s", "gpus": 1, "tensorParallel": 1, "maxModelLen": 8192, "runner": "embed"}

FEATURES: Final = (
    Feature("h100", {"max_num_seqs": 256, "max_num_batched_tokens": 8192, "block_size": 16}),
    Feature("a100", {"max_num_batched_tokens": 2048}, engine={"pool": "a100"}),
    Feature(
        "lengths",
        {"max_model_len": 32768, "max_num_seqs": 64, "max_num_batched_tokens": 4096, "share": 0.85},
        engine={
            "maxModelLen": 32768,
            "maxNumSeqs": 64,
            "maxNumBatchedTokens": 4096,
            "gpuMemoryUtilization": 0.85,
        },
    ),
    Feature(
        "cache",
        {"prefix_caching": False, "chunked_prefill": True, "kv_dtype": "fp8", "block_size": 64},
        engine={"prefixCaching": False, "chunkedPrefill": True, "kvCacheDtype": "fp8", "blockSize": 64},
    ),
    Feature("prefix caching", {"prefix_caching": True}, engine={"prefixCaching": True}),
    Feature(
        "int8 cache", {"kv_dtype": "int8_per_token_head"}, engine={"kvCacheDtype": "int8_per_token_head"}
    ),
    Feature("float16", {"dtype": "torch.float16"}, engine={"dtype": "float16"}),
    Feature("fp8 weights", {"quantization": "fp8"}, engine={"quantization": "fp8"}),
    Feature(
        "awq",
        {"quantization": "auto_awq"},
        "qwen2.5-1.5b-instruct-awq",
        {"pool": "l40s", "gpus": 1, "tensorParallel": 1},
    ),
    Feature(
        "ngram", {"speculation": {"method": "ngram", "tokens": 5}}, engine=speculation("ngram", tokens=5)
    ),
    Feature(
        "draft model",
        {"speculation": {"method": "draft_model", "tokens": 4}},
        engine=speculation("draft-model", model="llama-3.2-1b-instruct", tensorParallel=1),
    ),
    Feature(
        "eagle",
        {"speculation": {"method": "eagle", "tokens": 3}},
        engine=speculation("eagle", model="llama-eagle"),
    ),
    Feature(
        "eagle3",
        {"speculation": {"method": "eagle3", "tokens": 2}},
        engine=speculation("eagle3", model="llama-eagle3", tokens=2),
    ),
    Feature(
        "mtp",
        {"speculation": {"method": "mtp", "tokens": 1}, "quantization": "fp8"},
        "deepseek-v3",
        {"pool": "h200", **speculation("mtp")},
    ),
    Feature("pipeline", {"tensor": 4, "pipeline": 2}, engine={"tensorParallel": 4, "pipelineParallel": 2}),
    Feature(
        "experts",
        {"tensor": 1, "data": 8, "experts": True},
        "deepseek-v3",
        {"pool": "h200", "tensorParallel": 1, "dataParallel": 8, "expertParallel": True},
    ),
    Feature(
        "first of two nodes",
        {"nodes": 2, "node": 0, "tensor": 8, "pipeline": 2, "master": "vllm-0.group"},
        "llama-3.1-405b-instruct",
        {"nodes": 2, "pipelineParallel": 2},
    ),
    Feature(
        "second of two nodes",
        {"nodes": 2, "node": 1, "tensor": 16},
        "deepseek-v3",
        {"nodes": 2, "tensorParallel": 16},
        node=1,
    ),
    *(
        Feature(
            f"experts over two nodes, {node}",
            {"nodes": 2, "node": node, "tensor": 1, "data": 16, "experts": True},
            "deepseek-v3",
            {"nodes": 2, "tensorParallel": 1, "dataParallel": 16, "expertParallel": True},
            node=node,
        )
        for node in (0, 1)
    ),
    Feature(
        "queue",
        {"max_num_queued_reqs": 40, "max_num_queued_tokens": 100000},
        engine={"queue": {"maxRequests": 40, "maxTokens": 100000}},
    ),
    Feature(
        "limits",
        {"generation": {"max_new_tokens": 1024}, "max_logprobs": 5, "shutdown": 60},
        engine={
            "limits": {"maxAnswerTokens": 1024, "maxLogprobs": 5},
            "drain": {"shutdownSeconds": 60},
        },
    ),
    Feature(
        "media",
        {"media_domains": ["media.example.com", "images.example.com"]},
        engine={"media": {"domains": ["media.example.com", "images.example.com"]}},
    ),
    Feature(
        "tracing",
        {"traces": "http://otel-collector.bastide-monitoring:4318/v1/traces"},
        engine={"tracing": {"endpoint": "http://otel-collector.bastide-monitoring:4318/v1/traces"}},
    ),
    Feature(
        "adapters",
        {"lora": {"rank": 32, "at_once": 2}},
        engine={"lora": {"adapters": list(ADAPTERS), "maxRank": 32}},
    ),
    Feature("tools", {}, engine={"tools": {"parser": "llama3_json"}}),
    Feature("reasoning", {"reasoning": "deepseek_r1"}, engine={"reasoning": {"parser": "deepseek_r1"}}),
    Feature(
        "embeddings",
        {"runner": "pooling", "convert": "embed", "max_num_batched_tokens": 8192},
        "bge-m3",
        EMBEDDING,
    ),
    Feature(
        "extra arguments",
        {"max_num_seqs": 256},
        engine={
            "extraArgs": [
                "--enforce-eager",
                "--no-async-scheduling",
                "--seed=7",
                "--cudagraph-capture-sizes=1,2,4",
                '--limit-mm-per-prompt={"image":1}',
            ]
        },
    ),
)


def disguises() -> list[str]:
    """Ways to write every flag that the engine's parser might read as that flag: whole, cut short at each length,
    with underscores, with a value, turned round, with a dot, and its short forms."""
    shorts = [
        "-asc",
        "-q",
        "-tp",
        "-pp",
        "-dp",
        "-ep",
        "-sc",
        "-O3",
        "-O",
        "-cc",
        "-ac",
        "-h",
        "-n",
        "-r",
        "-tp=2",
    ]
    found = [*shorts, "-cc.mode=3", "--help", "--help=all", "model", "--", "-", "--=1", "--no-", "---seed=1"]
    for flag in sorted(ALL):
        cut = [flag[:length] for length in range(3, len(flag))]
        # Beginnings give the same few answers again and again: the longest ones are those that are taken for a flag.
        for name in (flag, f"--no-{flag[2:]}", flag.replace("-", "_").replace("__", "--", 1)):
            found += [name, f"{name}=1", f"{name}=true", f"{name}.x=1", f"{name}+=1", f" {name}", f"{name} 1"]
        for name in cut[-4:]:
            found += [name, f"{name}=1"]
    return list(dict.fromkeys(found))


@cache
def let_through() -> tuple[str, ...]:
    """Those disguises that the check of extra arguments lets through."""
    return tuple(each for each in disguises() if refusal(each) is None)


def destination(argument: str) -> str:
    """Where the parser keeps the flag of an argument that was let through."""
    name = argument.partition("=")[0]
    name = name if name in ALLOWED else f"--{name.removeprefix('--no-')}"
    return name.removeprefix("--").replace("-", "_")
