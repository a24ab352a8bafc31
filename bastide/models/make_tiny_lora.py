"""A tiny LoRA adapter for the tiny model of shape `qwen2`."""

from __future__ import annotations

from typing import Final

from bastide.models.make_tiny_shapes import HEAD_DIM, HEADS, HIDDEN, KV_HEADS, LAYERS, Tensors
from bastide.models.make_tiny_tokenizer import as_json
from bastide.models.make_tiny_weights import safetensors

LORA: Final = "lora"
LORA_ABOUT: Final = "an adapter of rank 8 for qwen2, which changes what it answers"

RANK: Final = 8
"""The smallest rank for which vLLM 0.32 makes room (`--max-lora-rank` takes 1, 8, 16 and up)."""

ALPHA: Final = 2048
"""So large because the weights are so small: the adapter has to be seen in the answers."""

LORA_FILES: Final = ("adapter_config.json", "adapter_model.safetensors")

_OUT: Final = {"k_proj": KV_HEADS * HEAD_DIM, "q_proj": HEADS * HEAD_DIM, "v_proj": KV_HEADS * HEAD_DIM}


def lora_files() -> dict[str, bytes]:
    """Content of every file, by name, as the peft library would save the adapter."""
    return {
        "adapter_config.json": as_json(
            {
                "base_model_name_or_path": "tiny-qwen2",
                "bias": "none",
                "fan_in_fan_out": False,
                "inference_mode": True,
                "lora_alpha": ALPHA,
                "lora_dropout": 0.0,
                "modules_to_save": None,
                "peft_type": "LORA",
                "r": RANK,
                "target_modules": ["k_proj", "o_proj", "q_proj", "v_proj"],
                "task_type": "CAUSAL_LM",
                "use_dora": False,
                "use_rslora": False,
            }
        ),
        "adapter_model.safetensors": safetensors(_tensors()),
    }


def _tensors() -> Tensors:
    for layer in range(LAYERS):
        at = f"base_model.model.model.layers.{layer}.self_attn"
        for part, out in (*_OUT.items(), ("o_proj", HIDDEN)):
            inner = HEADS * HEAD_DIM if part == "o_proj" else HIDDEN
            yield f"{at}.{part}.lora_A.weight", (RANK, inner)
            yield f"{at}.{part}.lora_B.weight", (out, RANK)
