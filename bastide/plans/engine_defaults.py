"""vLLM's own defaults that depend on the GPU, so that they stand in the arguments and in the plan. Pure.

Source: vLLM 0.32.0, `EngineArgs.get_batch_defaults` and `_set_default_max_num_seqs_and_batched_tokens_args`
(vllm/engine/arg_utils.py), for its HTTP server."""

from __future__ import annotations

import re
from typing import Final

from bastide.plans import pool_plan
from bastide.settings import EngineSettings, Settings
from bastide.settings.pools import PoolSettings
from bastide.settings.sharing import Mig

_LARGE_MIB: Final = 160 * 1024
_MEDIUM_MIB: Final = 70 * 1024


def batch(gpu_memory_mib: int, gpu_model: str) -> tuple[int, int]:
    """Most sequences, and most tokens in one step, where neither is given, for a GPU of that memory in MiB. An A100 is
    slower with large batches (vLLM pull request 17885)."""
    if gpu_memory_mib >= _LARGE_MIB:
        return 1024, 16384
    if gpu_memory_mib >= _MEDIUM_MIB and "a100" not in gpu_model.lower():
        return 1024, 8192
    return 256, 2048


def batched_tokens(
    gpu_memory_mib: int,
    gpu_model: str,
    max_num_seqs: int,
    max_model_len: int,
    *,
    chunked_prefill: bool = True,
) -> int:
    """Most tokens in one step where none are given."""
    _, tokens = batch(gpu_memory_mib, gpu_model)
    if not chunked_prefill:
        # A prompt that is not cut has to fit into one step.
        tokens = max(tokens, max_model_len)
    return min(tokens, max_num_seqs * max_model_len)


def gpu_memory_mib(pool: PoolSettings) -> int:
    """Memory of what a pod of this pool sees as one GPU, in MiB: with MIG a part's. NVIDIA names parts by GB, rounded,
    such as 1g.10gb; the thresholds are far from every part's size."""
    if isinstance(pool.sharing, Mig):
        found = re.search(r"\.(\d+)gb", pool.sharing.profile)
        if found is not None:
            return int(found[1]) * 1024
    return pool_plan.kind_of(pool).gpu_memory_mib


def max_num_batched_tokens(settings: Settings, engine: EngineSettings) -> int:
    """Most tokens in one step of an engine: its setting, or vLLM's rule for its pool's GPU."""
    if engine.max_num_batched_tokens is not None:
        return engine.max_num_batched_tokens
    pool = settings.pool(engine.pool)
    return batched_tokens(
        gpu_memory_mib(pool),
        pool_plan.kind_of(pool).gpu_model,
        engine.max_num_seqs,
        engine.max_model_len,
        # What embeds may read a text whole: encoders do, and decoders whose vector is a mean, which only a file
        # beside the weights says. vLLM does not start with a step that is too small for that.
        chunked_prefill=engine.chunked_prefill is not False and engine.runner == "generate",
    )


def max_queued_requests(engine: EngineSettings) -> int:
    """Most requests that wait in one replica: four batches' worth. A choice: what waits longer than that has mostly
    been given up by its client, and is served sooner elsewhere."""
    return engine.queue.max_requests or 4 * engine.max_num_seqs
