"""Mistral AI's Mixtral 8x22B. Source: config.json of the repository on Hugging Face; "Mixtral of Experts"
(arXiv:2401.04088) describes the architecture."""

from __future__ import annotations

from typing import Final

from bastide.catalogues.models_entry import Model

MODELS: Final = (
    Model(
        "mixtral-8x22b-instruct",
        "mistralai/Mixtral-8x22B-Instruct-v0.1",
        {
            "architectures": ["MixtralForCausalLM"],
            "attention_dropout": 0.0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "hidden_act": "silu",
            "hidden_size": 6144,
            "initializer_range": 0.02,
            "intermediate_size": 16384,
            "max_position_embeddings": 65536,
            "model_type": "mixtral",
            "num_attention_heads": 48,
            "num_experts_per_tok": 2,
            "num_hidden_layers": 56,
            "num_key_value_heads": 8,
            "num_local_experts": 8,
            "output_router_logits": False,
            "rms_norm_eps": 1e-05,
            "rope_theta": 1000000.0,
            "router_aux_loss_coef": 0.001,
            "sliding_window": None,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "use_cache": True,
            "vocab_size": 32768,
        },
        "Apache-2.0",
        ("en", "fr", "it", "de", "es"),
        "huggingface.co/mistralai/Mixtral-8x22B-Instruct-v0.1: config.json, model card",
        "2026-11",
        tool_parser="mistral",
    ),
)
