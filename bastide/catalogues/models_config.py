"""From a model's config.json, as Hugging Face's transformers writes it, to its architecture.

Where a field is missing, transformers' own default counts (version 5, as vLLM 0.32 requires): that is what
vLLM would take. Only families that vLLM 0.32 serves and whose tensors are known here are read; another is
refused, because a plan from guessed shapes is worse than none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from bastide.catalogues.models_architecture import DTYPE_BYTES, Architecture, Dtype, Mla, Moe
from bastide.catalogues.models_quantization import ConfigError, quantization

DECODERS: Final = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "deepseek_v2": "DeepseekV2ForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
}
"""Families of generating models by `model_type`, with the class that serves each."""

ENCODERS: Final = {"bert": "BertModel", "roberta": "RobertaModel", "xlm-roberta": "XLMRobertaModel"}
"""Families of embedding models with attention in both directions, by `model_type`."""

_MLA: Final = frozenset({"deepseek_v2", "deepseek_v3"})
_QK_NORM: Final = frozenset({"qwen3", "qwen3_moe", "gemma3_text"})
_FOUR_NORMS: Final = frozenset({"gemma2", "gemma3_text"})
_TIED: Final = frozenset({"gemma2", "gemma3_text"})
"""Families whose configurations tie the embeddings unless they say otherwise."""

_HEAD_256: Final = frozenset({"gemma2", "gemma3_text"})
_SCALED_LENGTHS: Final = frozenset({"su", "longrope", "llama3", "yarn", "deepseek_yarn", "default"})
"""Kinds of rotary scaling after which the stated length is the final one (vllm/config/model.py,
_get_and_verify_max_len)."""


class _Reader:
    """Fields of a config.json, refused one by one."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    def get(self, key: str, default: Any = None) -> Any:
        """A field, or the default where it is missing or null."""
        value = self._config.get(key)
        return default if value is None else value

    def count(self, key: str, default: int | None = None, least: int = 1) -> int:
        """A whole number from `least` on."""
        value = self._config.get(key)
        if value is None:
            if default is None:
                raise ConfigError(key, "is missing; it stands in the model's config.json: copy it from there")
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(key, f"{value!r} is no whole number of {least} or more")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.get(key, default)
        if not isinstance(value, bool):
            raise ConfigError(key, f"{value!r} is neither true nor false")
        return value


def architecture(config: Mapping[str, Any]) -> Architecture:
    """The architecture that a config.json describes. Raises ConfigError, which names the field."""
    reader = _Reader(config)
    family = reader.get("model_type", "")
    if family in ENCODERS:
        return _encoder(reader, family)
    if family in DECODERS:
        return _decoder(reader, family)
    known = ", ".join([*DECODERS, *ENCODERS])
    raise ConfigError(
        "model_type",
        f"{family!r} is no family whose tensors are known here; allowed: {known}; what it needs would be a "
        "guess: add "
        "the family to bastide/catalogues/models_config.py",
    )


def _decoder(reader: _Reader, family: str) -> Architecture:
    heads = reader.count("num_attention_heads")
    hidden = reader.count("hidden_size")
    layers = reader.count("num_hidden_layers")
    kv_heads = reader.count("num_key_value_heads", _default_kv_heads(family, heads))
    mla = _mla(reader) if family in _MLA else None
    if mla is None and heads % kv_heads:
        raise ConfigError(
            "num_key_value_heads",
            f"{kv_heads} does not divide num_attention_heads {heads}: no engine serves that",
        )
    return Architecture(
        name=_name(reader, DECODERS[family]),
        model_type=family,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=mla.cached if mla else _head_dim(reader, family, hidden, heads),
        intermediate=reader.count("intermediate_size"),
        vocab=reader.count("vocab_size"),
        max_len=_max_len(reader, family),
        dtype=_dtype(reader),
        tied=reader.flag("tie_word_embeddings", family in _TIED),
        windows=_windows(reader, family, layers),
        mla=mla,
        moe=_moe(reader, family),
        quantization=quantization(reader.get("quantization_config") or reader.get("compression_config")),
        linear_bias=_biases(reader, family),
        qk_norm=family in _QK_NORM,
        norms_per_layer=4 if family in _FOUR_NORMS else 2,
        nextn_layers=reader.count("num_nextn_predict_layers", 0, least=0),
    )


def _encoder(reader: _Reader, family: str) -> Architecture:
    heads = reader.count("num_attention_heads")
    hidden = reader.count("hidden_size")
    layers = reader.count("num_hidden_layers")
    positions = reader.count("max_position_embeddings")
    return Architecture(
        name=_name(reader, ENCODERS[family]),
        model_type=family,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=_head_dim(reader, family, hidden, heads),
        intermediate=reader.count("intermediate_size"),
        vocab=reader.count("vocab_size"),
        # RoBERTa counts positions from its padding index + 1 on (vllm/model_executor/models/roberta.py).
        max_len=positions - (reader.count("pad_token_id", 1, least=0) + 1) * (family != "bert"),
        dtype=_dtype(reader, "float16"),
        tied=True,
        windows=(None,) * layers,
        quantization=quantization(reader.get("quantization_config")),
        linear_bias=frozenset({"qkv", "o", "mlp"}),
        gated_mlp=False,
        norm_vectors=2,
        # Positions and token types, beside the words.
        extra_embeddings=positions + reader.count("type_vocab_size", 2, least=0),
        causal=False,
    )


def _name(reader: _Reader, default: str) -> str:
    names = reader.get("architectures", [default])
    if not isinstance(names, list) or not names or not all(isinstance(each, str) for each in names):
        raise ConfigError("architectures", f"{names!r} is no list of class names such as [{default}]")
    return str(names[0])


def _default_kv_heads(family: str, heads: int) -> int:
    # transformers' defaults where config.json says nothing.
    return {"mistral": 8, "mixtral": 8, "qwen2": 32, "qwen3": 32, "gemma2": 4, "gemma3_text": 4}.get(
        family, heads
    )


def _head_dim(reader: _Reader, family: str, hidden: int, heads: int) -> int:
    default = 256 if family in _HEAD_256 else 128 if family == "qwen3" else 0
    given = reader.count("head_dim", default, least=0)
    if given:
        return given
    if hidden % heads:
        raise ConfigError(
            "head_dim", f"is missing, and hidden_size {hidden} does not divide by {heads} heads"
        )
    return hidden // heads


def _max_len(reader: _Reader, family: str) -> int:
    length = reader.count("max_position_embeddings")
    scaling = reader.get("rope_parameters") or reader.get("rope_scaling")
    if not isinstance(scaling, Mapping) or family == "gemma3_text":
        return length
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    factor = scaling.get("factor")
    if kind in _SCALED_LENGTHS or factor is None:
        return length
    if isinstance(factor, bool) or not isinstance(factor, int | float) or factor <= 0:
        raise ConfigError("rope_scaling.factor", f"{factor!r} is no factor above 0")
    return int(length * factor)


def _dtype(reader: _Reader, of_float32: Dtype = "bfloat16") -> Dtype:
    given = str(reader.get("dtype", reader.get("torch_dtype", "float32"))).removeprefix("torch.")
    if given not in DTYPE_BYTES:
        raise ConfigError(
            "torch_dtype", f"{given!r} is no type of weights; allowed: {', '.join(DTYPE_BYTES)}"
        )
    # vLLM serves a float32 checkpoint in 16 bits where dtype is auto (vllm/config/model.py,
    # _resolve_auto_dtype).
    return cast(Dtype, of_float32 if given == "float32" else given)


def _windows(reader: _Reader, family: str, layers: int) -> tuple[int | None, ...]:
    """Each layer's window."""
    defaults = {"mistral": 4096, "qwen2": 4096, "qwen3": 4096, "gemma2": 4096, "gemma3_text": 4096}
    stated = "sliding_window" in reader._config
    window = reader.get("sliding_window", None if stated else defaults.get(family))
    if family in ("qwen2", "qwen3", "qwen3_moe") and not reader.flag("use_sliding_window", False):
        window = None
    if window in (None, 0):
        return (None,) * layers
    if isinstance(window, bool) or not isinstance(window, int) or window < 0:
        raise ConfigError("sliding_window", f"{window!r} is no number of tokens; null where there is none")
    types = reader.get("layer_types")
    if types is None:
        types = _layer_types(reader, family, layers)
    elif not isinstance(types, list) or len(types) != layers:
        raise ConfigError("layer_types", f"has not one entry for each of the {layers} layers")
    return tuple(window if each == "sliding_attention" else None for each in types)


def _layer_types(reader: _Reader, family: str, layers: int) -> list[str]:
    """Which layers slide where config.json does not list them (transformers, configuration_*.py)."""

    def slides(layer: int) -> bool:
        if family in ("qwen2", "qwen3"):
            return layer >= reader.count("max_window_layers", 28, least=0)
        if family == "gemma2":
            return (layer + 1) % 2 == 1
        if family == "gemma3_text":
            return (layer + 1) % reader.count("sliding_window_pattern", 6) != 0
        return True

    return ["sliding_attention" if slides(layer) else "full_attention" for layer in range(layers)]


def _mla(reader: _Reader) -> Mla:
    return Mla(
        kv_lora_rank=reader.count("kv_lora_rank"),
        rope_head_dim=reader.count("qk_rope_head_dim"),
        nope_head_dim=reader.count("qk_nope_head_dim"),
        v_head_dim=reader.count("v_head_dim"),
        q_lora_rank=reader.count("q_lora_rank", 0, least=0),
    )


def _moe(reader: _Reader, family: str) -> Moe | None:
    if family == "mixtral":
        return Moe(
            experts=reader.count("num_local_experts", 8),
            experts_per_token=reader.count("num_experts_per_tok", 2),
            intermediate=reader.count("intermediate_size"),
        )
    if family == "qwen3_moe":
        return Moe(
            experts=reader.count("num_experts"),
            experts_per_token=reader.count("num_experts_per_tok"),
            intermediate=reader.count("moe_intermediate_size"),
        )
    if family not in _MLA:
        return None
    if not reader.count("n_routed_experts", 0, least=0):
        return None
    if reader.count("moe_layer_freq", 1) != 1:
        raise ConfigError("moe_layer_freq", f"{reader.get('moe_layer_freq')} is not known here; allowed: 1")
    each = reader.count("moe_intermediate_size")
    return Moe(
        experts=reader.count("n_routed_experts"),
        experts_per_token=reader.count("num_experts_per_tok"),
        intermediate=each,
        shared_intermediate=each * reader.count("n_shared_experts", 0, least=0),
        dense_layers=reader.count("first_k_dense_replace", 0, least=0),
        router_bias=family == "deepseek_v3",
    )


def _biases(reader: _Reader, family: str) -> frozenset[str]:
    if family == "qwen2":
        return frozenset({"qkv"})
    found = set()
    if reader.flag("attention_bias", False):
        # Of DeepSeek's attention only the two compressing projections and the output have it.
        found |= {"o", "mla_a"} if family in _MLA else {"qkv", "o"}
    if reader.flag("mlp_bias", False):
        found.add("mlp")
    return frozenset(found)
