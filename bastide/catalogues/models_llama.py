"""Meta's Llama 3.1, 3.2 and 3.3.

Source: config.json of each repository on Hugging Face; "The Llama 3 Herd of Models" (arXiv:2407.21783), table
3, has the same shapes. The 405B here is the one with 8 KV heads, which is what Meta publishes since September
2024."""

from __future__ import annotations

from typing import Any, Final

from bastide.catalogues.models_entry import Model

_LANGUAGES: Final = ("en", "de", "fr", "it", "pt", "hi", "es", "th")
"""Those that the model cards name as supported."""


def _config(
    hidden: int,
    intermediate: int,
    layers: int,
    heads: int,
    *,
    factor: float = 8.0,
    tied: bool = False,
    head_dim: int = 128,
) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 128000,
        "eos_token_id": [128001, 128008, 128009],
        "head_dim": head_dim,
        "hidden_act": "silu",
        "hidden_size": hidden,
        "initializer_range": 0.02,
        "intermediate_size": intermediate,
        "max_position_embeddings": 131072,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": 8,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": {
            "factor": factor,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
        "rope_theta": 500000.0,
        "tie_word_embeddings": tied,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": 128256,
    }


def _model(name: str, repository: str, config: dict[str, Any], licence: str, **more: Any) -> Model:
    return Model(
        name,
        repository,
        config,
        licence,
        _LANGUAGES,
        f"huggingface.co/{repository}: config.json, model card",
        "2026-11",
        tool_parser="llama3_json",
        **more,
    )


MODELS: Final = (
    _model(
        "llama-3.1-8b-instruct",
        "meta-llama/Llama-3.1-8B-Instruct",
        _config(4096, 14336, 32, 32),
        "Llama 3.1 Community License",
        draft="llama-3.2-1b-instruct",
        checkpoint_bytes=16_060_522_496,
    ),
    _model(
        "llama-3.1-405b-instruct",
        "meta-llama/Llama-3.1-405B-Instruct",
        _config(16384, 53248, 126, 128),
        "Llama 3.1 Community License",
        draft="llama-3.1-8b-instruct",
    ),
    _model(
        "llama-3.3-70b-instruct",
        "meta-llama/Llama-3.3-70B-Instruct",
        _config(8192, 28672, 80, 64),
        "Llama 3.3 Community License",
        draft="llama-3.2-1b-instruct",
        checkpoint_bytes=141_107_412_992,
    ),
    _model(
        "llama-3.2-1b-instruct",
        "meta-llama/Llama-3.2-1B-Instruct",
        _config(2048, 8192, 16, 32, factor=32.0, tied=True, head_dim=64),
        "Llama 3.2 Community License",
        note="a draft model for the larger ones: same vocabulary",
    ),
)
