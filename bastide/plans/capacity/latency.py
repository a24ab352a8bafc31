"""Floors of time: what bandwidth, arithmetic and links alone take.

A step that makes one token for each of B sequences reads the weights once and every sequence's KV cache, and
does two operations for each active parameter and token (Pope et al., "Efficiently Scaling Transformer
Inference", arXiv:2211.05102, sections 2 and 3). It takes at least the longer of the two, and after it the
all-reduces: two a layer, each moving 2(n-1)/n of B x hidden values over the slowest link (ring algorithm). A
prompt's floor is its arithmetic, attention included.

Pipeline stages: sequences go in as many groups as there are stages, one group in each stage at a time (Huang et
al., "GPipe", arXiv:1811.06965, section 2.3, without its idle ends). A token passes every stage once, with its
group alone: all weights are read once on its way, and the KV cache of its group. That is a floor however an engine
makes its groups: fewer and larger ones take longer in each stage, and more than there are stages wait.

Blind spots: kernels start late, caches help small models, all-reduces have a latency of their own (5 to 20 us
each, counted here as 10), communication may overlap, and experts are assumed to be chosen evenly. Real times
are longer; `EFFICIENCY` is the part of a floor's speed that the sizing of replicas expects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from bastide.catalogues.models_architecture import DTYPE_BYTES, Architecture
from bastide.plans.capacity.deployment import Deployment
from bastide.plans.capacity.kv_cache import layer_token_bytes
from bastide.plans.capacity.weights import active_parameters, weights

EFFICIENCY: Final = 0.6
"""Speed expected of real kernels as a part of the floor's. A choice, until `benchmarks/serving.py` has
measured yours."""

REDUCE_SECONDS: Final = 10e-6
"""Latency of one all-reduce inside a machine. A choice within what NCCL's tests show for small messages on
NVLink."""

REDUCE_SECONDS_NODES: Final = 40e-6
"""The same across machines with RDMA. A choice."""


@dataclass(frozen=True)
class Step:
    """Seconds of one step by cause."""

    memory: float
    compute: float
    links: float

    @property
    def seconds(self) -> float:
        """The floor: memory and arithmetic overlap, links come after."""
        return max(self.memory, self.compute) + self.links


def link_bytes(asked: Deployment) -> float:
    """Bytes a second at the narrowest place of a tensor-parallel group: a GPU's link, or the whole network of
    a machine, because NCCL lays one ring over each network card and splits messages among them."""
    machine = asked.machine
    if asked.spans_nodes:
        return min(machine.gpu.link_bytes, machine.network_bytes)
    return machine.gpu.link_bytes


def links(asked: Deployment, tokens: float) -> float:
    """Seconds of all-reduces, and of hand-overs between pipeline stages, for a step of so many tokens."""
    model, tensor = asked.model, asked.tensor_parallel
    message = tokens * model.hidden * DTYPE_BYTES[model.dtype]
    found = 0.0
    if tensor > 1:
        latency = REDUCE_SECONDS_NODES if asked.spans_nodes else REDUCE_SECONDS
        each = latency + 2 * (tensor - 1) / tensor * message / link_bytes(asked)
        found += 2 * model.layers * each
    if asked.pipeline_parallel > 1:
        machine = asked.machine
        speed = machine.network_bytes if asked.nodes > 1 else machine.gpu.link_bytes
        found += (asked.pipeline_parallel - 1) * (REDUCE_SECONDS_NODES + message / speed)
    return found


def attended(model: Architecture, context: float) -> float:
    """Tokens of KV cache that one token looks at, summed over layers."""
    return sum(context if window is None else min(context, window) for window in model.windows)


def group(asked: Deployment, batch: float) -> float:
    """Sequences that are in one pipeline stage at a time, of `batch` in all."""
    return max(batch / asked.pipeline_parallel, min(batch, 1.0))


def weights_read(asked: Deployment, batch: float) -> float:
    """Bytes of weights that a step of `batch` tokens reads on one GPU of every stage together: all, but of a mixture
    only the experts that some token chose, and of the word embeddings only rows."""
    model = asked.model
    found = weights(model, replace(asked.cutting, pipeline=1), asked.weights)
    parts = dict(found.parts)
    if not model.tied:
        parts["embeddings"] /= 2
    if model.moe and "experts" in parts:
        share = model.moe.experts_per_token / model.moe.experts
        parts["experts"] *= 1 - (1 - share) ** max(1.0, batch)
    return sum(parts.values())


def kv_read(asked: Deployment, batch: float, context: float) -> float:
    """Bytes of KV cache that a step reads on one GPU of every stage together, for `batch` sequences of `context`
    tokens."""
    each = layer_token_bytes(asked.model, asked.kv_dtype, asked.tensor_parallel, asked.dtype)
    return batch * attended(asked.model, context) * each


def decode(asked: Deployment, batch: float, context: float, tokens: int = 1) -> Step:
    """One step that makes `tokens` tokens (more than one when guesses are checked) for each of `batch`
    sequences, at a mean context. With pipeline stages it is the way of one group through all of them. With data
    parallelism the batch is that of one copy."""
    model, gpu = asked.model, asked.machine.gpu
    together = group(asked, batch)
    read = weights_read(asked, together * tokens) + kv_read(asked, together, context)
    operations = together * tokens * (2 * active_parameters(model) + _attention(model, context))
    return Step(
        memory=read / gpu.bandwidth,
        compute=operations / (_flops(asked) * asked.tensor_parallel),
        links=links(asked, together * tokens),
    )


def prefill(asked: Deployment, prompt: float) -> Step:
    """The arithmetic of a prompt that is alone on the replica, and its all-reduces: one stage after the other. Half
    of the attention is masked."""
    model = asked.model
    operations = prompt * (2 * active_parameters(model) + _attention(model, prompt / 2))
    read = weights_read(asked, prompt) / asked.machine.gpu.bandwidth
    return Step(read, operations / (_flops(asked) * asked.tensor_parallel), links(asked, prompt))


def _attention(model: Architecture, context: float) -> float:
    """Operations of attention for one token: queries by keys, and weights by values."""
    width = (2 * model.mla.kv_lora_rank + model.mla.rope_head_dim) if model.mla else 2 * model.head_dim
    return 2 * model.heads * width * attended(model, context)


def _flops(asked: Deployment) -> float:
    quantization = asked.quantization
    return asked.machine.gpu.flops(quantization.activation_bits if quantization else 16)


def ridge(asked: Deployment) -> float:
    """Sequences, in all stages together, from which arithmetic takes longer than reading the weights (roofline:
    Williams, Waterman and Patterson, 2009): more of them then make each step longer instead of using what was
    idle."""
    model = asked.model
    low, high = 1.0, 1e6
    for _ in range(60):
        middle = (low * high) ** 0.5
        read = weights_read(asked, middle) / asked.machine.gpu.bandwidth
        busy = middle * 2 * active_parameters(model) / (_flops(asked) * asked.tensor_parallel)
        low, high = (middle, high) if busy < read else (low, middle)
    return low * asked.pipeline_parallel


def kv_ridge(asked: Deployment, context: float) -> float:
    """Sequences, in all stages together, at which a step reads as much KV cache as weights: from there on, more of
    them share little."""
    one = kv_read(asked, 1, context)
    return weights_read(asked, 1e6) / one * asked.pipeline_parallel if one else float("inf")
