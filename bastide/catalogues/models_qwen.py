"""Alibaba's Qwen 2.5.

Source: config.json of each repository on Hugging Face; "Qwen2.5 Technical Report" (arXiv:2412.15115), table
1, has the same layers and heads."""

from __future__ import annotations

from typing import Any, Final

from bastide.catalogues.models_entry import Model

_LANGUAGES: Final = ("zh", "en", "fr", "es", "pt", "de", "it", "ru", "ja", "ko", "vi", "th", "ar")
"""Those that the model cards name, of "over 29"."""


def _config(
    hidden: int,
    intermediate: int,
    layers: int,
    heads: int,
    kv_heads: int,
    vocab: int,
    window_layers: int,
    *,
    tied: bool = False,
    window: int = 131072,
) -> dict[str, Any]:
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 151643,
        "eos_token_id": 151645,
        "hidden_act": "silu",
        "hidden_size": hidden,
        "initializer_range": 0.02,
        "intermediate_size": intermediate,
        "max_position_embeddings": 32768,
        "max_window_layers": window_layers,
        "model_type": "qwen2",
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": kv_heads,
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0,
        "sliding_window": window,
        "tie_word_embeddings": tied,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": vocab,
    }


_AWQ: Final = {
    "torch_dtype": "float16",
    "quantization_config": {
        "bits": 4,
        "group_size": 128,
        "modules_to_not_convert": None,
        "quant_method": "awq",
        "version": "gemm",
        "zero_point": True,
    },
}


def _model(
    name: str, repository: str, config: dict[str, Any], licence: str = "Apache-2.0", **more: Any
) -> Model:
    return Model(
        name,
        repository,
        config,
        licence,
        _LANGUAGES,
        f"huggingface.co/{repository}: config.json, model card",
        "2026-11",
        tool_parser="hermes",
        **more,
    )


_VOCABULARY: Final = (
    "without a draft model: the 0.5B's vocabulary is padded to 151,936 and this one's to 152,064, and vLLM "
    "takes only "
    "equal ones; ngram needs none"
)

MODELS: Final = (
    _model(
        "qwen2.5-0.5b-instruct",
        "Qwen/Qwen2.5-0.5B-Instruct",
        _config(896, 4864, 24, 14, 2, 151936, 21, tied=True, window=32768),
        note="a draft model for the 1.5B",
    ),
    _model(
        "qwen2.5-1.5b-instruct-awq",
        "Qwen/Qwen2.5-1.5B-Instruct-AWQ",
        {**_config(1536, 8960, 28, 12, 2, 151936, 21, tied=True, window=32768), **_AWQ},
        draft="qwen2.5-0.5b-instruct",
    ),
    _model(
        "qwen2.5-7b-instruct",
        "Qwen/Qwen2.5-7B-Instruct",
        _config(3584, 18944, 28, 28, 4, 152064, 28),
        note=_VOCABULARY,
        checkpoint_bytes=15_231_233_024,
    ),
    _model(
        "qwen2.5-72b-instruct",
        "Qwen/Qwen2.5-72B-Instruct",
        _config(8192, 29568, 80, 64, 8, 152064, 70),
        "Qwen License",
        note=_VOCABULARY,
        checkpoint_bytes=145_412_407_296,
    ),
)
