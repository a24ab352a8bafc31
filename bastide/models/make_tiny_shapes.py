"""The shapes of tiny models: each a real architecture at a size that a CPU loads in a second.

Every shape is there for one property that decides how much KV cache a token takes. A shape says its
configuration as `config.json` has it, and each tensor by the name that transformers and vLLM know it by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

HIDDEN: Final = 64
INTERMEDIATE: Final = 128
LAYERS: Final = 2
HEADS: Final = 2
KV_HEADS: Final = 1
HEAD_DIM: Final = HIDDEN // HEADS
CONTEXT: Final = 1024
"""Sizes with which vLLM 0.32 was seen to load and serve a Qwen2 on a CPU; its kernels want a head of 32 or
more, and of a size from a list: 32, 64, 80, 96, 112, 128 and some larger."""

SPREAD: Final = 0.02
"""Standard deviation of the weights: `initializer_range` of Qwen2's configuration."""

Tensors = Iterator[tuple[str, tuple[int, ...]]]
"""Names and shapes of a checkpoint's tensors, in the order in which the file holds them."""


@dataclass(frozen=True)
class Shape:
    """One kind of tiny model. `about` says for what it is there, in a few words."""

    name: str
    about: str
    config: dict[str, Any]
    tensors: Callable[[int], Tensors]
    """From the size of the vocabulary to the tensors."""
    dtype: Literal["BF16", "F32"] = "BF16"
    kind: Literal["generate", "embed"] = "generate"


@dataclass(frozen=True)
class Sizes:
    """Sizes of a decoder of the Llama family."""

    heads: int = HEADS
    kv_heads: int = KV_HEADS
    head_dim: int = HEAD_DIM
    layers: int = LAYERS
    hidden: int = HIDDEN
    intermediate: int = INTERMEDIATE
    tied: bool = True
    bias: bool = False
    """A bias on the projections of query, key and value, as Qwen2 has."""
    head_norms: bool = False
    """A norm on each head's query and key, as Qwen3 and Gemma 3 have."""
    norms: tuple[str, ...] = ("input_layernorm", "post_attention_layernorm")
    experts: int = 0
    prefix: str = "model."

    def config(self, architecture: str, model_type: str, **more: Any) -> dict[str, Any]:
        """`config.json` without the vocabulary."""
        return {
            "architectures": [architecture],
            "attention_dropout": 0.0,
            "bos_token_id": 0,
            "eos_token_id": 2,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "hidden_size": self.hidden,
            "initializer_range": SPREAD,
            "intermediate_size": self.intermediate,
            "max_position_embeddings": CONTEXT,
            "model_type": model_type,
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": self.kv_heads,
            "pad_token_id": 0,
            "rms_norm_eps": 1e-06,
            "rope_theta": 10000.0,
            "tie_word_embeddings": self.tied,
            "torch_dtype": "bfloat16",
            "use_cache": True,
            **more,
        }

    def tensors(self, vocabulary: int) -> Tensors:
        """Every tensor of the checkpoint, layer by layer, in alphabetical order within a part."""
        yield f"{self.prefix}embed_tokens.weight", (vocabulary, self.hidden)
        for layer in range(self.layers):
            yield from self._layer(f"{self.prefix}layers.{layer}")
        yield f"{self.prefix}norm.weight", (self.hidden,)
        if not self.tied:
            yield "lm_head.weight", (vocabulary, self.hidden)

    def _layer(self, at: str) -> Tensors:
        first, *others = self.norms
        yield f"{at}.{first}.weight", (self.hidden,)
        if self.experts:
            yield f"{at}.block_sparse_moe.gate.weight", (self.experts, self.hidden)
            for expert in range(self.experts):
                inner = f"{at}.block_sparse_moe.experts.{expert}"
                yield f"{inner}.w1.weight", (self.intermediate, self.hidden)
                yield f"{inner}.w2.weight", (self.hidden, self.intermediate)
                yield f"{inner}.w3.weight", (self.intermediate, self.hidden)
        else:
            yield from feed_forward(f"{at}.mlp", self.hidden, self.intermediate)
        for norm in others:
            yield f"{at}.{norm}.weight", (self.hidden,)
        for part, heads in (("k", self.kv_heads), ("q", self.heads), ("v", self.kv_heads)):
            if self.bias:
                yield f"{at}.self_attn.{part}_proj.bias", (heads * self.head_dim,)
            yield f"{at}.self_attn.{part}_proj.weight", (heads * self.head_dim, self.hidden)
        if self.head_norms:
            yield f"{at}.self_attn.k_norm.weight", (self.head_dim,)
            yield f"{at}.self_attn.q_norm.weight", (self.head_dim,)
        yield f"{at}.self_attn.o_proj.weight", (self.hidden, self.heads * self.head_dim)


def feed_forward(at: str, hidden: int, intermediate: int) -> Tensors:
    """A gated feed-forward part."""
    yield f"{at}.down_proj.weight", (hidden, intermediate)
    yield f"{at}.gate_proj.weight", (intermediate, hidden)
    yield f"{at}.up_proj.weight", (intermediate, hidden)


@dataclass(frozen=True)
class Latent:
    """Sizes of a DeepSeek-V3: multi-head latent attention, one dense layer, then experts."""

    heads: int = 2
    layers: int = 2
    hidden: int = HIDDEN
    q_rank: int = 32
    kv_rank: int = 512
    """512 and 64 are DeepSeek-V3's own: kernels are compiled for their sum, 576."""
    rope: int = 64
    nope: int = 128
    value: int = 128
    experts: int = 4
    extra: dict[str, Any] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        """`config.json` without the vocabulary."""
        return {
            **Sizes(self.heads, self.heads, self.rope, self.layers, self.hidden, tied=False).config(
                "DeepseekV3ForCausalLM", "deepseek_v3"
            ),
            "attention_bias": False,
            "first_k_dense_replace": 1,
            "kv_lora_rank": self.kv_rank,
            "moe_intermediate_size": INTERMEDIATE,
            "moe_layer_freq": 1,
            "n_group": 1,
            "n_routed_experts": self.experts,
            "n_shared_experts": 1,
            "norm_topk_prob": True,
            "num_experts_per_tok": 2,
            "num_nextn_predict_layers": 0,
            "q_lora_rank": self.q_rank,
            "qk_nope_head_dim": self.nope,
            "qk_rope_head_dim": self.rope,
            "routed_scaling_factor": 1.0,
            "scoring_func": "sigmoid",
            "topk_group": 1,
            "topk_method": "noaux_tc",
            "v_head_dim": self.value,
            **self.extra,
        }

    def tensors(self, vocabulary: int) -> Tensors:
        """Every tensor of the checkpoint."""
        yield "model.embed_tokens.weight", (vocabulary, self.hidden)
        for layer in range(self.layers):
            at = f"model.layers.{layer}"
            yield f"{at}.input_layernorm.weight", (self.hidden,)
            if layer == 0:
                yield from feed_forward(f"{at}.mlp", self.hidden, INTERMEDIATE)
            else:
                yield from self._experts(f"{at}.mlp")
            yield f"{at}.post_attention_layernorm.weight", (self.hidden,)
            yield from self._attention(f"{at}.self_attn")
        yield "model.norm.weight", (self.hidden,)
        yield "lm_head.weight", (vocabulary, self.hidden)

    def _experts(self, at: str) -> Tensors:
        for expert in range(self.experts):
            yield from feed_forward(f"{at}.experts.{expert}", self.hidden, INTERMEDIATE)
        yield f"{at}.gate.e_score_correction_bias", (self.experts,)
        yield f"{at}.gate.weight", (self.experts, self.hidden)
        yield from feed_forward(f"{at}.shared_experts", self.hidden, INTERMEDIATE)

    def _attention(self, at: str) -> Tensors:
        yield f"{at}.kv_a_layernorm.weight", (self.kv_rank,)
        yield f"{at}.kv_a_proj_with_mqa.weight", (self.kv_rank + self.rope, self.hidden)
        yield f"{at}.kv_b_proj.weight", (self.heads * (self.nope + self.value), self.kv_rank)
        yield f"{at}.o_proj.weight", (self.hidden, self.heads * self.value)
        yield f"{at}.q_a_layernorm.weight", (self.q_rank,)
        yield f"{at}.q_a_proj.weight", (self.q_rank, self.hidden)
        yield f"{at}.q_b_proj.weight", (self.heads * (self.nope + self.rope), self.q_rank)


def _qwen2_config(layers: int) -> dict[str, Any]:
    config = Sizes(layers=layers).config(
        "Qwen2ForCausalLM",
        "qwen2",
        max_window_layers=layers,
        sliding_window=None,
        use_sliding_window=False,
    )
    del config["head_dim"]  # Qwen2 derives it
    return config


_MHA: Final = Sizes(heads=4, kv_heads=4, tied=False)
_GQA: Final = Sizes(heads=8, kv_heads=2, tied=False)
_ODD: Final = Sizes(heads=6, kv_heads=3, head_dim=64, hidden=96, layers=3, tied=False)
_WINDOW: Final = Sizes(heads=4, kv_heads=2, tied=False)
_MIXTURE: Final = Sizes(heads=4, kv_heads=2, tied=False, experts=4)
_EMBED: Final = Sizes(heads=4, kv_heads=2, tied=True, head_norms=True)
_FOUR_NORMS: Final = (
    "input_layernorm",
    "post_attention_layernorm",
    "post_feedforward_layernorm",
    "pre_feedforward_layernorm",
)
_GEMMA: Final = Sizes(heads=4, kv_heads=2, layers=6, head_norms=True, norms=_FOUR_NORMS)
_LATENT: Final = Latent()

SHAPES: Final = {
    each.name: each
    for each in (
        Shape(
            "qwen2",
            "one KV head (MQA), biases, tied embeddings: what the stacks of the sandbox serve",
            _qwen2_config(LAYERS),
            Sizes(bias=True).tensors,
        ),
        Shape(
            "draft",
            "the first layer of qwen2 alone: proposes tokens to it",
            _qwen2_config(1),
            Sizes(bias=True, layers=1).tensors,
        ),
        Shape(
            "mha",
            "as many KV heads as heads (MHA)",
            _MHA.config("LlamaForCausalLM", "llama"),
            _MHA.tensors,
        ),
        Shape(
            "gqa",
            "four heads share a KV head (GQA)",
            _GQA.config("LlamaForCausalLM", "llama"),
            _GQA.tensors,
        ),
        Shape(
            "odd",
            "3 KV heads, which 2 GPUs cannot share, and heads wider than the hidden size over their number",
            _ODD.config("LlamaForCausalLM", "llama"),
            _ODD.tensors,
        ),
        Shape(
            "window",
            "a sliding window in every layer (Mistral)",
            _WINDOW.config("MistralForCausalLM", "mistral", sliding_window=256),
            _WINDOW.tensors,
        ),
        Shape(
            "alternating",
            "five layers with a sliding window to one without (Gemma 3)",
            _GEMMA.config(
                "Gemma3ForCausalLM",
                "gemma3_text",
                hidden_activation="gelu_pytorch_tanh",
                layer_types=["sliding_attention"] * 5 + ["full_attention"],
                query_pre_attn_scalar=_GEMMA.head_dim,
                rope_local_base_freq=10000.0,
                sliding_window=256,
            ),
            _GEMMA.tensors,
        ),
        Shape(
            "moe",
            "four experts, two of them for a token (Mixtral)",
            _MIXTURE.config(
                "MixtralForCausalLM",
                "mixtral",
                num_experts_per_tok=2,
                num_local_experts=_MIXTURE.experts,
                sliding_window=None,
            ),
            _MIXTURE.tensors,
        ),
        Shape(
            "mla",
            "latent attention with DeepSeek-V3's own ranks, and experts",
            _LATENT.config(),
            _LATENT.tensors,
        ),
        Shape(
            "embedding",
            "gives vectors: a Qwen3 in float32, as Qwen3-Embedding is built",
            {
                **_EMBED.config("Qwen3ForCausalLM", "qwen3", attention_bias=False, sliding_window=None),
                "torch_dtype": "float32",
            },
            _EMBED.tensors,
            dtype="F32",
            kind="embed",
        ),
    )
}
"""Every shape by its name. The bytes of `qwen2` never change: stack files name their digest."""

DEFAULT_SHAPE: Final = "qwen2"
