"""DeepSeek-V3. Source: config.json of the repository on Hugging Face; "DeepSeek-V3 Technical Report"
(arXiv:2412.19437), section 4.2, has the same shapes, and 671B parameters without the layer for multi-token
prediction."""

from __future__ import annotations

from typing import Final

from bastide.catalogues.models_entry import Model

MODELS: Final = (
    Model(
        "deepseek-v3",
        "deepseek-ai/DeepSeek-V3",
        {
            "architectures": ["DeepseekV3ForCausalLM"],
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "first_k_dense_replace": 3,
            "hidden_act": "silu",
            "hidden_size": 7168,
            "initializer_range": 0.02,
            "intermediate_size": 18432,
            "kv_lora_rank": 512,
            "max_position_embeddings": 163840,
            "model_type": "deepseek_v3",
            "moe_intermediate_size": 2048,
            "moe_layer_freq": 1,
            "n_group": 8,
            "n_routed_experts": 256,
            "n_shared_experts": 1,
            "norm_topk_prob": True,
            "num_attention_heads": 128,
            "num_experts_per_tok": 8,
            "num_hidden_layers": 61,
            "num_key_value_heads": 128,
            "num_nextn_predict_layers": 1,
            "q_lora_rank": 1536,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "quantization_config": {
                "activation_scheme": "dynamic",
                "fmt": "e4m3",
                "quant_method": "fp8",
                "weight_block_size": [128, 128],
            },
            "rms_norm_eps": 1e-06,
            "rope_scaling": {
                "beta_fast": 32,
                "beta_slow": 1,
                "factor": 40,
                "mscale": 1.0,
                "mscale_all_dim": 1.0,
                "original_max_position_embeddings": 4096,
                "type": "yarn",
            },
            "rope_theta": 10000,
            "routed_scaling_factor": 2.5,
            "scoring_func": "sigmoid",
            "tie_word_embeddings": False,
            "topk_group": 4,
            "topk_method": "noaux_tc",
            "torch_dtype": "bfloat16",
            "use_cache": True,
            "v_head_dim": 128,
            "vocab_size": 129280,
        },
        "DeepSeek Model License; the weights of 2025-03-24 and later: MIT",
        ("en", "zh"),
        "huggingface.co/deepseek-ai/DeepSeek-V3: config.json, model card",
        "2026-11",
        tool_parser="deepseek_v3",
        checkpoint_bytes=688_586_727_753,
        note="guesses ahead by its own layer for multi-token prediction (speculation kind mtp); no smaller "
        "model has "
        "its vocabulary",
    ),
)
