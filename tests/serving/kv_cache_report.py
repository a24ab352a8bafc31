"""Run by vLLM's own interpreter: starts its engine for each case in this one process and says what KV cache it got.

A list of cases comes as JSON by the standard input; one line of JSON a case goes to the file named as argument.
Starting a server costs half a minute, another engine in a running process about one second."""

import contextlib
import gc
import json
import os
import sys
from typing import Any

os.environ.update(
    {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # in this process
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_NO_USAGE_STATS": "1",
    }
)
os.environ.pop("VLLM_CPU_KVCACHE_SPACE", None)  # it would override each case's bytes

WORDS = "one two three four five six seven eight nine ten "


def report(case: dict[str, Any]) -> dict[str, Any]:
    """Starts the engine, lets it work once, and returns its numbers."""
    from vllm import LLM, SamplingParams

    llm = LLM(enforce_eager=True, **case)
    try:
        cache = llm.llm_engine.vllm_config.cache_config
        if case.get("runner") == "pooling":
            worked = len(llm.embed([WORDS], use_tqdm=False)[0].outputs.embedding)
        else:
            sampling = SamplingParams(max_tokens=8, temperature=0, ignore_eos=True)
            worked = len(llm.generate([WORDS], sampling, use_tqdm=False)[0].outputs[0].token_ids)
        return {
            "blocks": cache.num_gpu_blocks,
            "block_size": cache.block_size,
            "tokens": cache.kv_cache_size_tokens,
            "concurrency": cache.kv_cache_max_concurrency,
            "worked": worked,
        }
    finally:
        with contextlib.suppress(Exception):
            llm.llm_engine.engine_core.shutdown()


def main() -> None:
    """Every case; one that fails says so and the others go on."""
    from vllm.distributed import cleanup_dist_env_and_memory
    from vllm.model_executor.models import registry

    # Each model class would be looked at in a process of its own first, which imports all of vLLM again.
    registry._run_in_subprocess = lambda function: function()
    with open(sys.argv[1], "w") as results:
        for case in json.load(sys.stdin):
            try:
                result = report(case)
            except Exception as error:
                result = {"error": f"{type(error).__name__}: {error}"}
            gc.collect()
            cleanup_dist_env_and_memory()
            results.write(json.dumps(result) + "\n")
            results.flush()


if __name__ == "__main__":
    main()
