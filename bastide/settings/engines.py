"""Settings of engines: what serves a model, on which pool, cut over how many GPUs, with which bounds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bastide.names import MAX_ENGINE
from bastide.plans.priorities import Lane
from bastide.settings.base import Strict, label
from bastide.settings.engine_abilities import LoraSettings, ReasoningSettings, ToolsSettings
from bastide.settings.engine_autoscaling import AutoscalingSettings
from bastide.settings.engine_health import HealthSettings
from bastide.settings.engine_operation import DrainSettings, LogsSettings, TracingSettings
from bastide.settings.engine_speculation import NoSpeculation, Speculation
from bastide.settings.engine_traffic import (
    LimitsSettings,
    LoadSettings,
    MediaSettings,
    QueueSettings,
    SloSettings,
)
from bastide.settings.route_prices import TokenPrice

EngineName = Annotated[str, label(MAX_ENGINE)]

EngineKind = Literal["vllm", "sglang", "tensorrt-llm", "tgi", "ollama"]

KvCacheDtype = Literal[
    "auto",
    "bfloat16",
    "float16",
    "fp8",
    "fp8_e4m3",
    "fp8_e5m2",
    "fp8_per_token_head",
    "int8_per_token_head",
    "int4_per_token_head",
    "nvfp4",
]
"""Those of vLLM 0.32 (vllm/config/cache.py, CacheDType) that run on NVIDIA GPUs without a patched model."""

Quantization = Literal[
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
]
"""Those of vLLM 0.32 (QUANTIZATION_METHODS) for which models are published and NVIDIA GPUs have kernels."""


class EngineSettings(Strict):
    """One deployment of an engine: a model, the pool it runs on and how it is cut over GPUs."""

    name: EngineName
    """Name of the engine: the release, its Service and its service account are named after it."""

    model: str
    """Name of one of the models."""

    pool: str
    """Name of one of the pools."""

    kind: EngineKind = "vllm"
    """Program that serves the model."""

    replicas: int = Field(1, ge=0)
    """Pods wanted (groups of pods, where a replica takes several nodes). More than the pool has room for is allowed:
    the scheduler says what is lacking."""

    gpus: int = Field(ge=1)
    """GPUs that each pod asks for."""

    nodes: int = Field(1, ge=1, le=64)
    """Pods, each on a node of its own, that serve one replica together; for a model that one node cannot hold."""

    tensor_parallel: int = Field(1, ge=1)
    """GPUs over which each layer is cut."""

    pipeline_parallel: int = Field(1, ge=1)
    """Stages in which layers follow one another, each on GPUs of its own."""

    data_parallel: int = Field(1, ge=1)
    """Copies of the attention layers in one replica, each with requests and a KV cache of its own; with
    expertParallel they share a mixture's experts."""

    expert_parallel: bool = False
    """Whether a mixture's experts are spread whole over all GPUs instead of each being cut."""

    max_model_len: int = Field(ge=1)
    """Longest sequence, prompt and answer together, in tokens."""

    max_num_seqs: int = Field(256, ge=1)
    """Most sequences in one batch. vLLM's own default for most GPUs is 256 and 1,024 from 70 GiB on."""

    max_num_batched_tokens: int | None = Field(None, ge=1)
    """Most tokens in one step; the default is vLLM's own, by GPU memory: see `plans/engine_defaults.py`."""

    gpu_memory_utilization: float = Field(0.92, gt=0, le=1)
    """Share of each GPU's memory that the engine takes; 0.92 is vLLM 0.32's default."""

    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Type of weights and activations; auto is what the model's own configuration says."""

    kv_cache_dtype: KvCacheDtype = "auto"
    """Type of the KV cache; auto is that of the activations. A smaller one holds more sequences, and needs a table
    of its quality."""

    block_size: int | None = Field(None, ge=16, le=1024, multiple_of=16)
    """Tokens in one block of the KV cache, a multiple of 16 as vLLM 0.32's attention kernels want it; the default is
    vLLM's own, 16 on a GPU for most kernels."""

    quantization: Quantization | None = None
    """How weights are quantized; without one the model's own configuration says. It cannot make a published model
    smaller on disk."""

    prefix_caching: bool | None = None
    """Whether prompts that begin alike share their KV cache. Without a value vLLM decides: on for models that
    generate. The time to the first token tells who shares a prefix, so tenants that must not know that of one
    another need engines of their own or `false`."""

    chunked_prefill: bool | None = None
    """Whether long prompts are computed in parts between the steps of running answers. Without a value vLLM decides:
    on for models that generate."""

    speculation: Speculation = NoSpeculation()
    """How tokens are guessed ahead: none, ngram, draft-model, eagle, eagle3 or mtp."""

    queue: QueueSettings = QueueSettings()
    """What may wait."""

    limits: LimitsSettings = LimitsSettings()
    """Bounds of one request."""

    media: MediaSettings = MediaSettings()
    """Images, sound and video in requests."""

    tracing: TracingSettings = TracingSettings()
    """Traces."""

    logs: LogsSettings = LogsSettings()
    """Logs."""

    drain: DrainSettings = DrainSettings()
    """How a pod ends."""

    health: HealthSettings = HealthSettings()
    """When an engine counts as ill."""

    rollout: Literal["replace", "surge"] = "replace"
    """How an update goes. `replace` ends each replica before its new one starts, which needs no GPU to spare; with
    one replica nobody is served meanwhile. `surge` starts the new one first, for which the pool must have room. A
    change of it ends all pods at once, because it is another kind of workload."""

    autoscaling: AutoscalingSettings | None = None
    """Replicas by load; `replicas` is then what runs while KEDA has no numbers."""

    lora: LoraSettings = LoraSettings()
    """Static adapters."""

    tools: ToolsSettings = ToolsSettings()
    """Tool calls."""

    reasoning: ReasoningSettings = ReasoningSettings()
    """Reasoning apart from the answer."""

    runner: Literal["generate", "embed"] = "generate"
    """What comes back: text, or an embedding vector of the input."""

    lane: Lane = "serving"
    """`serving` answers users; `batch` works where nobody waits: its pods are ended when an engine of the serving
    lane needs their GPUs."""

    slo: SloSettings = SloSettings()
    """What is promised: alerts and the planner's replicas follow from it."""

    load: LoadSettings | None = None
    """The load that is expected; with it the planner says how many replicas it takes."""

    price: TokenPrice | None = None
    """What its tokens cost to the teams that use it by a route. Without a value the capacity plan and the machine's
    price say it (docs/routes.md, "Prices"); where neither is known it must be given."""

    extra_args: tuple[str, ...] = ()
    """Further arguments of the engine, as `--name=value` or `--name`. What is unsafe, what another setting owns and
    what the engine does not know is refused by name."""

    @property
    def gpus_per_replica(self) -> int:
        """GPUs of all pods that serve one replica."""
        return self.gpus * self.nodes
