"""Where a GPU's memory goes: weights, activations, graphs, context, and what is left for the KV cache.

vLLM 0.32 takes `gpu_memory_utilization` of what CUDA counts as the device's memory, runs its largest batch
once, and gives what is left to the cache (vllm/v1/worker/gpu_worker.py, determine_available_memory). Weights
here are exact; the rest is estimated, because it depends on kernels and allocators:

- activations: the widest values that live at once in one layer, at max_num_batched_tokens, and the sampler's
  copies of the logits at max_num_seqs. Error: half to twice.
- CUDA graphs: 0.3 GiB and 8 MiB a layer, from what vLLM logs for models of 32 to 80 layers (0.5 to 1 GiB).
  Error: half to twice.
- CUDA context, libraries and, with several GPUs, NCCL's buffers: 0.6 GiB and 0.6 GiB. Error: half to twice.

`benchmarks/serving.py` measures them on a machine with a GPU. `Memory.uncertain` is the sum of these
estimates: the KV cache may be smaller by that much, and a plan that fits by less than it says so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from bastide.catalogues.models_architecture import DTYPE_BYTES, Architecture
from bastide.plans.capacity.deployment import Deployment
from bastide.plans.capacity.kv_cache import KvCache, Rules, cache
from bastide.plans.capacity.weights import Cutting, layer, matrix_bytes, share, weights

GIB: Final = 2**30
GRAPHS_BASE: Final = 0.3 * GIB
GRAPHS_LAYER: Final = 8 * 2**20
CONTEXT: Final = 0.6 * GIB
NCCL: Final = 0.6 * GIB
SAMPLER_BYTES: Final = 10
"""Bytes for each logit: gathered in 16 bits, once more as float32, and probabilities as float32."""


@dataclass(frozen=True)
class Memory:
    """Bytes on the fullest GPU, and the cache that they leave. `kv_bytes` may be negative: by so much too
    little."""

    taken: float
    weights: float
    draft_weights: float
    activations: float
    graphs: float
    context: float
    kv_bytes: float
    total_weights: float
    parts: dict[str, float]
    cache: KvCache | None

    @property
    def uncertain(self) -> float:
        """Bytes that are estimated, and may be twice as many."""
        return self.activations + self.graphs + self.context


def activations(model: Architecture, cutting: Cutting, batched_tokens: int, sequences: int) -> float:
    """Bytes at the peak of the largest batch on one GPU."""
    own = DTYPE_BYTES[model.dtype]
    tensor = cutting.tensor
    inner = model.intermediate / tensor * (3 if model.gated_mlp else 2)
    if model.moe:
        # Each token goes through its experts; with experts spread whole, all may meet on one GPU.
        spread = 1 if cutting.expert else tensor
        each = (
            model.moe.experts_per_token * model.moe.intermediate / spread
            + model.moe.shared_intermediate / tensor
        )
        inner = max(inner if model.moe.dense_layers else 0.0, 3 * each)
    attention = model.heads * (
        model.mla.nope_head_dim + model.mla.v_head_dim if model.mla else model.head_dim
    )
    width = 3 * model.hidden + max(inner, 3 * attention / tensor)
    layer = batched_tokens * width * own
    logits = min(sequences, batched_tokens) * model.vocab * SAMPLER_BYTES if model.causal else 0.0
    return max(layer, logits)


def memory(asked: Deployment) -> Memory:
    """The memory of each GPU of a replica."""
    model, cutting = asked.model, asked.cutting
    gpu = asked.machine.gpu
    taken = gpu.usable_mib * 2**20 * asked.utilization
    own = weights(model, cutting, asked.weights)
    adapters = adapter_bytes(asked)
    draft = asked.draft.model if asked.draft else None
    guessing = weights(draft, Cutting(asked.tensor_parallel)).gpu if draft else 0.0
    if asked.draft and asked.draft.kind == "mtp":
        guessing = mtp_bytes(asked)
    live = activations(model, cutting, asked.max_num_batched_tokens, asked.max_num_seqs)
    layers = ceil(model.layers / asked.pipeline_parallel) + (draft.layers if draft else 0)
    graphs = GRAPHS_BASE + GRAPHS_LAYER * layers
    context = CONTEXT + (NCCL if asked.world > 1 else 0.0)
    left = taken - own.gpu - adapters - guessing - live - graphs - context
    found = None
    if left > 0 and model.causal:
        found = cache(cached(asked), int(left), rules(asked))
    return Memory(
        taken, own.gpu + adapters, guessing, live, graphs, context, left, own.total, own.parts, found
    )


def fitting(asked: Deployment, space: Memory, length: int) -> float:
    """Sequences of a length that the cache holds at once, by whole blocks."""
    return cache(cached(asked), int(space.kv_bytes), replace(rules(asked), max_model_len=length)).concurrency


def slots(asked: Deployment, space: Memory) -> int:
    """Sequences of the expected length that run at once: as many as fit and are let in."""
    return int(min(fitting(asked, space, asked.typical_len), asked.max_num_seqs))


def cached(asked: Deployment) -> list[Architecture]:
    """What has a KV cache on the GPUs: the model, and after it a draft model or the model's own layers for multi-token
    prediction, each of which attends like any other (vllm/model_executor/models/deepseek_mtp.py)."""
    model, draft = asked.model, asked.draft
    if draft is not None and draft.model is not None:
        return [model, draft.model]
    extra = model.nextn_layers if draft is not None and draft.kind == "mtp" else 0
    return [model, *([replace(model, layers=extra, windows=model.windows[-extra:])] if extra else [])]


def adapter_bytes(asked: Deployment) -> float:
    """Bytes on one GPU that vLLM keeps for LoRA adapters: for each that runs at once two thin matrices of the
    highest rank beside every linear layer (Hu et al., arXiv:2106.09685), cut like it on one side."""
    if not asked.adapters:
        return 0.0
    model, rank = asked.model, asked.adapter_rank
    values = 0.0
    for index in range(model.layers):
        for each in layer(model, index):
            if each.linear and each.part in ("attention", "mlp"):
                values += each.count * rank * (each.rows / asked.tensor_parallel + each.columns)
    return asked.adapters * values * DTYPE_BYTES[model.dtype] / asked.pipeline_parallel


def mtp_bytes(asked: Deployment) -> float:
    """Bytes on one GPU of a model's layers for multi-token prediction: each is a layer as the last, and a
    projection of two hidden states into one (DeepSeek-V3 report, section 2.2). Words and output layer are the
    model's own."""
    model = asked.model
    one = sum(
        matrix_bytes(each, model, asked.quantization) * share(each, model, asked.cutting)
        for each in layer(model, model.layers - 1)
    )
    joined = 2 * model.hidden * model.hidden * DTYPE_BYTES[model.dtype]
    return max(1, model.nextn_layers) * (one + joined)


def rules(asked: Deployment) -> Rules:
    """What decides the blocks of a deployment's cache. Batches at a time: stages + 1 with asynchronous
    scheduling, which is on where vLLM supports it; ngram turns it off (vllm/config/vllm.py,
    max_concurrent_batches)."""
    alone = asked.draft is not None and asked.draft.kind == "ngram"
    batches = asked.pipeline_parallel + (0 if alone else 1)
    return Rules(
        max_model_len=asked.max_model_len,
        in_flight=batches * asked.max_num_batched_tokens,
        block_size=asked.block_size,
        kv_dtype=asked.kv_dtype,
        dtype=asked.dtype,
        tensor_parallel=asked.tensor_parallel,
        pipeline_parallel=asked.pipeline_parallel,
    )
