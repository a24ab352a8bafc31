"""Run by vLLM's own interpreter: what vLLM and transformers say of configurations, for tests to compare with.

Reads a JSON list of cases from stdin, and writes a list of answers to the file that is its argument. No
engine starts and no weights exist: vLLM's model configuration, its KV cache specifications and its grouping
are called directly."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM
from vllm.config import ModelConfig
from vllm.model_executor.layers.attention.attention import _largest_kernel_block_within
from vllm.model_executor.layers.quantization import get_quantization_config
from vllm.model_executor.models import registry
from vllm.utils.torch_utils import kv_cache_dtype_str_to_dtype
from vllm.v1.attention.backend import MultipleOf
from vllm.v1.core import kv_cache_utils
from vllm.v1.kv_cache_interface import (
    FullAttentionSpec,
    KVCacheSpec,
    MLAAttentionSpec,
    SlidingWindowSpec,
    get_kv_quant_mode,
)
from vllm.v1.kv_cache_layout import KVCacheLayout


def main() -> None:
    """Answers every case."""
    # Each model class would be looked at in a process of its own, which imports all of vLLM again.
    registry._run_in_subprocess = lambda function: function()
    questions: dict[str, Callable[..., Any]] = {
        "parameters": answer_parameters,
        "config": answer_config,
        "cache": answer_cache,
        "capability": answer_capability,
    }
    answers = [questions[case.pop("ask")](**case) for case in json.load(sys.stdin)]
    # Not to stdout, where vLLM logs.
    Path(sys.argv[1]).write_text(json.dumps(answers))


def answer_parameters(config: dict[str, Any]) -> int:
    """Parameters of transformers' model, made without storage."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(config))
        found = AutoConfig.from_pretrained(folder)
    if hasattr(found, "quantization_config"):
        del found.quantization_config
    with torch.device("meta"):
        if any("CausalLM" in each for each in found.architectures):
            model = AutoModelForCausalLM.from_config(found)
        else:
            # vLLM takes the last layer's states, and builds no pooler.
            model = AutoModel.from_config(found, add_pooling_layer=False)
    # DeepSeek's router bias stands in checkpoints, and is a buffer in transformers.
    extra = [each for name, each in model.named_buffers() if name.endswith("e_score_correction_bias")]
    return sum(each.numel() for each in (*model.parameters(), *extra))


def answer_capability(method: str) -> int:
    """Oldest compute capability, x 10, of a quantization."""
    return int(get_quantization_config(method).get_min_capability())


def answer_config(config: dict[str, Any], tensor_parallel: int = 1) -> dict[str, Any]:
    """What vLLM makes of a config.json."""
    found = _model(config)
    parallel = SimpleNamespace(tensor_parallel_size=tensor_parallel)
    hf = found.hf_text_config
    return {
        "architecture": found.architectures[0],
        "layers": found.get_total_num_hidden_layers(),
        "hidden": found.get_hidden_size(),
        "heads": found.model_arch_config.total_num_attention_heads,
        "kv_heads": found.get_num_kv_heads(parallel),
        "head_dim": found.get_head_size(),
        "vocab": found.get_vocab_size(),
        "max_len": found.max_model_len,
        "mla": found.use_mla,
        "experts": found.get_num_experts(),
        "tied": bool(getattr(hf, "tie_word_embeddings", False)),
        "windows": _windows(found),
        "dtype": str(found.dtype).removeprefix("torch."),
    }


def answer_cache(
    config: dict[str, Any],
    kv_bytes: int,
    max_model_len: int,
    max_num_batched_tokens: int,
    block_size: int,
    kv_dtype: str,
    kernel_block: int,
    tensor_parallel: int = 1,
    pipeline_parallel: int = 1,
    batches: int = 1,
) -> dict[str, Any]:
    """Blocks, tokens and concurrency of a cache, and whether vLLM would start with it."""
    found = _model(config)
    specs = _specs(found, block_size, kv_dtype, kernel_block, tensor_parallel)
    parallel = SimpleNamespace(
        tensor_parallel_size=tensor_parallel,
        pipeline_parallel_size=pipeline_parallel,
        decode_context_parallel_size=1,
    )
    engine = SimpleNamespace(
        model_config=SimpleNamespace(max_model_len=max_model_len, original_max_model_len=max_model_len),
        parallel_config=parallel,
        scheduler_config=SimpleNamespace(disable_hybrid_kv_cache_manager=False),
        cache_config=SimpleNamespace(
            num_gpu_blocks_override=None,
            prefix_cache_retention_interval=None,
            get_resolved_kv_cache_layout=lambda: KVCacheLayout.LBHNC,
        ),
        attention_config=SimpleNamespace(hisparse_config=None),
        speculative_config=None,
        num_prefill_lookahead_tokens=0,
        max_in_flight_tokens=batches * max_num_batched_tokens,
    )
    workers = []
    for rank in range(pipeline_parallel):
        parallel.rank = rank * tensor_parallel
        start, end = found.get_layers_start_end_indices(parallel)
        workers.append({f"layers.{index}.attn": specs[index] for index in range(start, end)})
    try:
        configs = kv_cache_utils.get_kv_cache_configs(engine, workers, [kv_bytes] * pipeline_parallel)
    except ValueError as error:
        return {"refused": str(error)[:200]}
    tokens, concurrency = kv_cache_utils.get_kv_cache_capacity(
        engine, kv_cache_utils.generate_scheduler_kv_cache_config(configs)
    )
    return {"blocks": configs[0].num_blocks, "tokens": tokens, "concurrency": concurrency}


def _model(config: dict[str, Any]) -> ModelConfig:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(config))
        encoder = not any("CausalLM" in each for each in config["architectures"])
        return ModelConfig(
            model=folder,
            skip_tokenizer_init=True,
            runner="pooling" if encoder else "auto",
        )


def _windows(found: ModelConfig) -> list[int | None]:
    """Each layer's window, as vLLM's EngineArgs and attention layers decide it."""
    layers = found.get_total_num_hidden_layers()
    types = getattr(found.hf_text_config, "layer_types", None)
    window = found.get_sliding_window()
    if types is None:
        return [window] * layers
    return [window if each == "sliding_attention" else None for each in types]


def _specs(
    found: ModelConfig, block_size: int, kv_dtype: str, kernel_block: int, tensor_parallel: int
) -> list[KVCacheSpec]:
    heads = found.get_num_kv_heads(SimpleNamespace(tensor_parallel_size=tensor_parallel))
    dtype = kv_cache_dtype_str_to_dtype(kv_dtype, found)
    mode = get_kv_quant_mode(kv_dtype)
    size = found.get_head_size()
    if found.use_mla:
        spec = MLAAttentionSpec(
            block_size=block_size, num_kv_heads=1, head_size=size, dtype=dtype, cache_dtype_str=kv_dtype
        )
        return [spec] * found.get_total_num_hidden_layers()
    backend = SimpleNamespace(get_supported_kernel_block_sizes=lambda spec=None: [MultipleOf(kernel_block)])
    specs: list[KVCacheSpec] = []
    for window in _windows(found):
        if window is None:
            specs.append(
                FullAttentionSpec(
                    block_size=block_size, num_kv_heads=heads, head_size=size, dtype=dtype, kv_quant_mode=mode
                )
            )
            continue
        one = SlidingWindowSpec(
            block_size=1, num_kv_heads=heads, head_size=size, dtype=dtype, sliding_window=window
        ).real_page_size_bytes
        own = _largest_kernel_block_within(backend, one, one * block_size, block_size)
        specs.append(
            SlidingWindowSpec(
                block_size=own,
                num_kv_heads=heads,
                head_size=size,
                dtype=dtype,
                kv_quant_mode=mode,
                sliding_window=window,
                dcp_sharded=False,
            )
        )
    return specs


if __name__ == "__main__":
    main()
