"""The numbers of a model's architecture that decide memory and time, whatever its family calls them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

Dtype = Literal["bfloat16", "float16", "float32"]

DTYPE_BYTES: Final[dict[str, int]] = {"bfloat16": 2, "float16": 2, "float32": 4}
"""Bytes of a value by its type (IEEE 754; bfloat16 is the upper half of a float32)."""


@dataclass(frozen=True)
class Mla:
    """Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1): keys and values of all heads
    come from one compressed vector, and that vector is what is cached.

    `q_lora_rank` 0: queries are not compressed."""

    kv_lora_rank: int
    rope_head_dim: int
    nope_head_dim: int
    v_head_dim: int
    q_lora_rank: int = 0

    @property
    def cached(self) -> int:
        """Values cached for a token and layer: the latent vector and the shared rotary key."""
        return self.kv_lora_rank + self.rope_head_dim


@dataclass(frozen=True)
class Moe:
    """Mixture of experts. The first `dense_layers` layers have an ordinary MLP instead."""

    experts: int
    experts_per_token: int
    intermediate: int
    shared_intermediate: int = 0
    dense_layers: int = 0
    router_bias: bool = False


@dataclass(frozen=True)
class Quantization:
    """How linear layers are stored. `group` counts weights with one scale: 0 is one for each output row, -1
    one for the tensor; `block` is the side of square blocks instead. Bytes of a scale; bits of a zero point
    where there is one. `kv_scheme`: the checkpoint asks for an FP8 KV cache."""

    method: str
    bits: int
    group: int = 0
    block: int = 0
    scale_bytes: int = 4
    zero_bits: int = 0
    activation_bits: int = 16
    skipped: tuple[str, ...] = ()
    kv_scheme: bool = False


@dataclass(frozen=True)
class Architecture:
    """A transformer decoder, or an encoder (`causal` is False) that gives vectors.

    `windows` has each layer's attention window in tokens, None for the whole context. `linear_bias` names the
    linear parts with a bias (`qkv`, `o`, `mlp`). `norms_per_layer` counts normalisations of hidden size a
    layer; `norm_vectors` is 2 where a norm has a bias."""

    name: str
    model_type: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    max_len: int
    dtype: Dtype
    tied: bool
    windows: tuple[int | None, ...]
    mla: Mla | None = None
    moe: Moe | None = None
    quantization: Quantization | None = None
    linear_bias: frozenset[str] = field(default_factory=frozenset)
    qk_norm: bool = False
    gated_mlp: bool = True
    norms_per_layer: int = 2
    norm_vectors: int = 1
    extra_embeddings: int = 0
    causal: bool = True
    nextn_layers: int = 0

    @property
    def window(self) -> int | None:
        """The window of the layers that have one; None when all look at the whole context."""
        return next((each for each in self.windows if each is not None), None)

    def is_moe_layer(self, layer: int) -> bool:
        """Whether a layer's MLP is a mixture of experts."""
        return self.moe is not None and layer >= self.moe.dense_layers


def pipeline_stages(layers: int, stages: int) -> list[range]:
    """The layers of each pipeline stage as vLLM 0.32 cuts them (vllm/distributed/utils.py, get_pp_indices):
    what does not divide goes to the stages before the last, the last but one first."""
    sizes = [layers // stages] * stages
    for back in range(2, layers % stages + 2):
        sizes[-back] += 1
    ranges, start = [], 0
    for size in sizes:
        ranges.append(range(start, start + size))
        start += size
    return ranges
