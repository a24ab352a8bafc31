"""BAAI's bge-m3, an embedding model: XLM-RoBERTa large with 8,192 positions. Source: config.json of the
repository on Hugging Face; "BGE M3-Embedding" (arXiv:2402.03216)."""

from __future__ import annotations

from typing import Final

from bastide.catalogues.models_entry import Model

MODELS: Final = (
    Model(
        "bge-m3",
        "BAAI/bge-m3",
        {
            "architectures": ["XLMRobertaModel"],
            "attention_probs_dropout_prob": 0.1,
            "bos_token_id": 0,
            "eos_token_id": 2,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1,
            "hidden_size": 1024,
            "initializer_range": 0.02,
            "intermediate_size": 4096,
            "layer_norm_eps": 1e-05,
            "max_position_embeddings": 8194,
            "model_type": "xlm-roberta",
            "num_attention_heads": 16,
            "num_hidden_layers": 24,
            "output_past": True,
            "pad_token_id": 1,
            "position_embedding_type": "absolute",
            "torch_dtype": "float32",
            "type_vocab_size": 1,
            "use_cache": True,
            "vocab_size": 250002,
        },
        "MIT",
        ("more than 100",),
        "huggingface.co/BAAI/bge-m3: config.json, model card",
        "2026-11",
        purpose="embed",
        structured_output=False,
    ),
)
