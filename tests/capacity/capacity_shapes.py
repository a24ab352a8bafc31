"""Configurations and cases that several tests share."""

from __future__ import annotations

import random
from typing import Any

from bastide.catalogues import models
from bastide.catalogues.instances_machines import CATALOGUE
from bastide.catalogues.models_config import DECODERS
from bastide.plans import engine_defaults
from bastide.plans.capacity.deployment import Deployment


def tiny(family: str, **more: Any) -> dict[str, Any]:
    """A small config.json of a family of decoders."""
    return {
        "architectures": [DECODERS[family]],
        "model_type": family,
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 4096,
        "vocab_size": 512,
        "torch_dtype": "bfloat16",
        "tie_word_embeddings": False,
        "rms_norm_eps": 1e-06,
        **more,
    }


MLA = {
    "kv_lora_rank": 64,
    "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 32,
    "v_head_dim": 32,
    "num_key_value_heads": 8,
    "n_routed_experts": 8,
    "n_shared_experts": 2,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 128,
    "first_k_dense_replace": 2,
    "n_group": 2,
    "topk_group": 1,
}
BERT = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "max_position_embeddings": 514,
    "vocab_size": 600,
    "type_vocab_size": 2,
    "pad_token_id": 1,
    "position_embedding_type": "absolute",
    "torch_dtype": "float32",
}

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": tiny("llama"),
    "llama with biases": tiny("llama", attention_bias=True, mlp_bias=True),
    "llama tied": tiny("llama", tie_word_embeddings=True),
    "mistral with its default window": tiny("mistral"),
    "mistral without a window": tiny("mistral", sliding_window=None),
    "qwen2": tiny("qwen2", sliding_window=128),
    "qwen2 with a window in some layers": tiny(
        "qwen2", use_sliding_window=True, sliding_window=128, max_window_layers=2
    ),
    "qwen3": tiny("qwen3"),
    "qwen3_moe": tiny("qwen3_moe", num_experts=8, num_experts_per_tok=2, moe_intermediate_size=128),
    "mixtral": tiny("mixtral", num_local_experts=4, num_experts_per_tok=2),
    "gemma2": tiny("gemma2", sliding_window=128, tie_word_embeddings=True),
    "gemma3_text": tiny("gemma3_text", sliding_window=128, tie_word_embeddings=True),
    "phi3": tiny("phi3", pad_token_id=0, sliding_window=None),
    "deepseek_v2": tiny("deepseek_v2", **{**MLA, "head_dim": None}, q_lora_rank=None),
    "deepseek_v3": tiny("deepseek_v3", **{**MLA, "head_dim": None}, q_lora_rank=96),
    "rope factor": tiny("llama", rope_scaling={"rope_type": "linear", "factor": 2.0}, rope_theta=10000.0),
    "bert": {"architectures": ["BertModel"], "model_type": "bert", **BERT},
    "xlm-roberta": {"architectures": ["XLMRobertaModel"], "model_type": "xlm-roberta", **BERT},
}
"""One for each way in which families differ."""


def cache_cases(count: int) -> list[dict[str, Any]]:
    """Caches of random shapes, the same each time; some too small for one sequence."""
    chosen = random.Random(20261121)  # noqa: S311 - samples, no secret
    return [_cache_case(chosen) for _ in range(count)]


def _cache_case(chosen: random.Random) -> dict[str, Any]:
    family = chosen.choice(
        ["llama", "qwen2", "qwen2", "qwen3", "mistral", "gemma2", "gemma3_text", "deepseek_v3"]
    )
    heads = chosen.choice([4, 8, 12])
    layers = chosen.choice([2, 3, 6, 7, 12, 13])
    size = chosen.choice([32, 64, 128])
    more: dict[str, Any] = {
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": chosen.choice([each for each in (1, 2, 3, 4, 8, 12) if heads % each == 0]),
        "hidden_size": heads * size,
        "head_dim": size,
    }
    if family == "qwen2":
        more |= {
            "use_sliding_window": chosen.random() < 0.6,
            "sliding_window": chosen.choice([256, 300, 4096]),
            "max_window_layers": chosen.randint(0, layers),
        }
    elif family == "deepseek_v3":
        more |= {**MLA, "head_dim": None, "num_key_value_heads": heads, "q_lora_rank": 96}
    elif family in ("mistral", "gemma2", "gemma3_text"):
        more["sliding_window"] = chosen.choice([200, 512])
    tensor = chosen.choice([each for each in (1, 2, 4) if heads % each == 0])
    return {
        "config": tiny(family, **more),
        "kv_bytes": int(10 ** chosen.uniform(4.5, 9)),
        "max_model_len": chosen.choice([4096, 1024, 1000, 77, 513]),
        "max_num_batched_tokens": chosen.choice([64, 100, 2048]),
        "block_size": chosen.choice([16, 32, 48, 64, 128, 160]),
        "kv_dtype": chosen.choice(["auto", "fp8"]),
        "kernel_block": chosen.choice([16, 32]),
        "tensor_parallel": tensor,
        "pipeline_parallel": chosen.choice([each for each in (1, 1, 2, 3) if each <= layers]),
        "batches": chosen.choice([1, 2]),
    }


def deployment(model: str, machine: str, tensor: int, *, nodes: int = 1, **more: Any) -> Deployment:
    """One as the command makes it."""
    kind = CATALOGUE[machine]
    length = more.pop("max_model_len", min(16_384, models.architecture(model).max_len))
    sequences, _ = engine_defaults.batch(kind.gpu.memory_mib, kind.gpu.model)
    tokens = engine_defaults.batched_tokens(kind.gpu.memory_mib, kind.gpu.model, sequences, length)
    return Deployment(
        model_name=model,
        model=models.architecture(model),
        machine=kind,
        gpus=tensor * more.get("pipeline_parallel", 1) * more.get("data_parallel", 1) // nodes,
        nodes=nodes,
        max_model_len=length,
        tensor_parallel=tensor,
        **{"max_num_seqs": sequences, "max_num_batched_tokens": tokens, **more},
    )
