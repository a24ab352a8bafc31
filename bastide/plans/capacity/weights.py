"""Bytes of a model's weights on each GPU: what vLLM loads, tensor by tensor.

A linear layer is cut over the GPUs of tensor parallelism (Megatron-LM, arXiv:1909.08053: attention by heads,
the MLP by its inner size, embeddings by words); norms, routers and MLA's compressing projections stay whole
on each. KV projections beyond the model's KV heads are held several times. Quantization stores linear layers
small and adds scales; embeddings, the output layer, norms, routers and biases keep the model's own type.
Counts are exact for the families that `bastide.catalogues.models_config` reads; a test holds them against
transformers' own models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Literal

from bastide.catalogues.models_architecture import DTYPE_BYTES, Architecture, Quantization, pipeline_stages

Cut = Literal["whole", "tensor", "kv", "vocab", "expert"]

VOCAB_MULTIPLE = 64
"""vLLM pads the vocabulary to a multiple of this before it cuts it (VocabParallelEmbedding,
DEFAULT_VOCAB_PADDING_SIZE)."""


@dataclass(frozen=True)
class Matrix:
    """`count` matrices of one shape in a layer, `rows` outputs by `columns` inputs. `cut`: how GPUs share it.
    `linear` ones are quantized where the model is."""

    part: str
    rows: int
    columns: int
    cut: Cut
    count: int = 1
    linear: bool = True

    @property
    def parameters(self) -> int:
        """Number of values."""
        return self.rows * self.columns * self.count


@dataclass(frozen=True)
class Cutting:
    """Over how many GPUs a model is cut. `expert_parallel`: experts are spread whole over all GPUs of tensor
    and data parallelism."""

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    expert: bool = False


def layer(model: Architecture, index: int) -> Iterator[Matrix]:
    """The tensors of one layer."""
    hidden, bias = model.hidden, model.linear_bias
    yield Matrix("norms", model.norms_per_layer * model.norm_vectors, hidden, "whole", linear=False)
    yield from _mla(model) if model.mla else _attention(model)
    if model.is_moe_layer(index) and model.moe:
        moe = model.moe
        yield Matrix("router", moe.experts, hidden, "whole", linear=False)
        if moe.router_bias:
            yield Matrix("router", 1, moe.experts, "whole", linear=False)
        yield Matrix("experts", moe.intermediate, hidden, "expert", count=3 * moe.experts)
        if moe.shared_intermediate:
            yield Matrix("mlp", moe.shared_intermediate, hidden, "tensor", count=3)
        return
    yield Matrix("mlp", model.intermediate, hidden, "tensor", count=3 if model.gated_mlp else 2)
    if "mlp" in bias:
        inner = model.intermediate * (2 if model.gated_mlp else 1)
        yield Matrix("biases", 1, inner, "tensor", linear=False)
        yield Matrix("biases", 1, hidden, "whole", linear=False)


def _attention(model: Architecture) -> Iterator[Matrix]:
    hidden, bias = model.hidden, model.linear_bias
    queries, keys = model.heads * model.head_dim, model.kv_heads * model.head_dim
    yield Matrix("attention", queries, hidden, "tensor")
    yield Matrix("attention", keys, hidden, "kv", count=2)
    yield Matrix("attention", hidden, queries, "tensor")
    if "qkv" in bias:
        yield Matrix("biases", 1, queries, "tensor", linear=False)
        yield Matrix("biases", 1, keys, "kv", count=2, linear=False)
    if "o" in bias:
        yield Matrix("biases", 1, hidden, "whole", linear=False)
    if model.qk_norm:
        yield Matrix("norms", 2, model.head_dim, "whole", linear=False)


def _mla(model: Architecture) -> Iterator[Matrix]:
    mla = model.mla
    if mla is None:
        return
    hidden, heads, bias = model.hidden, model.heads, model.linear_bias
    queries = heads * (mla.nope_head_dim + mla.rope_head_dim)
    if mla.q_lora_rank:
        yield Matrix("attention", mla.q_lora_rank, hidden, "whole")
        yield Matrix("attention", queries, mla.q_lora_rank, "tensor")
        yield Matrix("norms", 1, mla.q_lora_rank, "whole", linear=False)
    else:
        yield Matrix("attention", queries, hidden, "tensor")
    yield Matrix("attention", mla.cached, hidden, "whole")
    yield Matrix("norms", 1, mla.kv_lora_rank, "whole", linear=False)
    yield Matrix("attention", heads * (mla.nope_head_dim + mla.v_head_dim), mla.kv_lora_rank, "tensor")
    yield Matrix("attention", hidden, heads * mla.v_head_dim, "tensor")
    if "mla_a" in bias:
        yield Matrix("biases", 1, mla.cached + mla.q_lora_rank, "whole", linear=False)
    if "o" in bias:
        yield Matrix("biases", 1, hidden, "whole", linear=False)


def ends(model: Architecture) -> tuple[list[Matrix], list[Matrix]]:
    """The tensors before the first layer and after the last."""
    words = Matrix("embeddings", model.vocab, model.hidden, "vocab", linear=False)
    first = [words]
    if model.extra_embeddings:
        first.append(Matrix("embeddings", model.extra_embeddings, model.hidden, "whole", linear=False))
    norm = Matrix("norms", model.norm_vectors, model.hidden, "whole", linear=False)
    if not model.causal:
        # BERT and its kind normalise the embeddings and not the last layer.
        return [*first, norm], []
    return first, [norm] if model.tied else [norm, words]


def _counted(model: Architecture, layers: range) -> list[tuple[Matrix, int]]:
    """The tensors of some layers, each with the number of layers that have one like it."""
    dense = [index for index in layers if not model.is_moe_layer(index)]
    moe = [index for index in layers if model.is_moe_layer(index)]
    return [(matrix, len(alike)) for alike in (dense, moe) if alike for matrix in layer(model, alike[0])]


@lru_cache(maxsize=1024)
def parameters(model: Architecture) -> int:
    """Values in the whole model, tied ones once, without layers for multi-token prediction."""
    before, after = ends(model)
    inner = sum(each.parameters * count for each, count in _counted(model, range(model.layers)))
    return inner + sum(each.parameters for each in (*before, *after))


@lru_cache(maxsize=1024)
def active_parameters(model: Architecture) -> int:
    """Values that compute one token: of a mixture the chosen experts, and no look-up of embeddings."""
    _, after = ends(model)
    found = model.vocab * model.hidden if model.causal else 0
    found += sum(each.parameters for each in after if each.part == "norms")
    for each, count in _counted(model, range(model.layers)):
        chosen = model.moe.experts_per_token / model.moe.experts if each.cut == "expert" and model.moe else 1
        found += round(each.parameters * chosen) * count
    return found


def matrix_bytes(matrix: Matrix, model: Architecture, quantization: Quantization | None) -> float:
    """Bytes of a matrix on one GPU that holds all of it."""
    own = DTYPE_BYTES[model.dtype]
    if not matrix.linear or quantization is None or _skipped(matrix, quantization):
        return matrix.parameters * own
    if quantization.block:
        side = quantization.block
        scales = ceil(matrix.rows / side) * ceil(matrix.columns / side) * matrix.count
    elif quantization.group == -1:
        scales = matrix.count
    elif quantization.group == 0:
        scales = matrix.rows * matrix.count
    else:
        scales = matrix.rows * ceil(matrix.columns / quantization.group) * matrix.count
    zeros = scales * quantization.zero_bits / 8
    return matrix.parameters * quantization.bits / 8 + scales * quantization.scale_bytes + zeros


def _skipped(matrix: Matrix, quantization: Quantization) -> bool:
    """Whether the checkpoint keeps this part unquantized. The output layer never is quantized here."""
    names = {"attention": ("self_attn", "attn"), "mlp": ("mlp",), "experts": ("experts", "block_sparse_moe")}
    return any(
        name in skipped
        for name in names.get(matrix.part, ())
        for skipped in quantization.skipped
        if "." not in skipped
    )


def share(matrix: Matrix, model: Architecture, cutting: Cutting) -> float:
    """The part of a matrix that one GPU holds."""
    match matrix.cut:
        case "whole":
            return 1.0
        case "tensor":
            return 1 / cutting.tensor
        case "kv":
            return max(1, model.kv_heads // cutting.tensor) / model.kv_heads
        case "vocab":
            padded = ceil(matrix.rows / VOCAB_MULTIPLE) * VOCAB_MULTIPLE
            return padded / cutting.tensor / matrix.rows
        case "expert":
            if cutting.expert and model.moe:
                return ceil(model.moe.experts / (cutting.tensor * cutting.data)) / model.moe.experts
            return 1 / cutting.tensor


@dataclass(frozen=True)
class Weights:
    """Bytes of weights. `gpu` is the fullest GPU's, `total` all of one copy without replication, `parts` the
    fullest GPU's by part."""

    total: float
    gpu: float
    parts: dict[str, float]


@lru_cache(maxsize=4096)
def weights(model: Architecture, cutting: Cutting, quantization: Quantization | None = None) -> Weights:
    """Bytes of a model's weights. `quantization` None is the checkpoint's own."""
    quantization = quantization or model.quantization
    before, after = ends(model)
    stages = pipeline_stages(model.layers, cutting.pipeline)
    totals = []
    for number, stage in enumerate(stages):
        held = _counted(model, stage)
        held += [(each, 1) for each in before] if number == 0 else []
        if number == len(stages) - 1:
            # A tied output layer is another copy where it lies on another stage.
            held += [
                (each, 1) for each in after + (before[:1] if model.tied and model.causal and number else [])
            ]
        parts: dict[str, float] = {}
        for each, count in held:
            size = matrix_bytes(each, model, quantization) * share(each, model, cutting) * count
            parts[each.part] = parts.get(each.part, 0.0) + size
        totals.append(parts)
    fullest = max(totals, key=lambda parts: sum(parts.values()))
    whole = [*_counted(model, range(model.layers)), *((each, 1) for each in (*before, *after))]
    total = sum(matrix_bytes(each, model, quantization) * count for each, count in whole)
    return Weights(total, sum(fullest.values()), fullest)
