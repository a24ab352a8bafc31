"""One engine, started and measured in this process, beside what the planner says of it (benchmarks/serving.py)."""

from __future__ import annotations

import json
import os
import random
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bastide.catalogues import gpus
from bastide.catalogues.instances_machines import Machine
from bastide.catalogues.models_config import architecture as parse
from bastide.plans.capacity.deployment import Deployment
from bastide.plans.capacity.kv_cache import kv_tokens
from bastide.plans.capacity.latency import decode, prefill
from bastide.plans.capacity.plan import plan


@dataclass(frozen=True)
class Case:
    """One engine that is started and measured."""

    name: str
    folder: str
    kv_dtype: str
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    prompt: int
    answer: int
    concurrency: tuple[int, ...]
    utilization: float
    kv_bytes: int | None = None
    """Given on a CPU, where vLLM's share of the memory depends on what else runs."""
    eager: bool = False


@dataclass
class Result:
    """What was planned and what was seen; times in seconds, medians of all requests."""

    case: Case
    planned_tokens: int
    reported_tokens: int
    reported_blocks: int
    block_size: int
    weights_planned: float | None
    weights_reported: float | None
    start_seconds: float
    times: list[dict[str, Any]] = field(default_factory=list)

    @property
    def error(self) -> float:
        """Planned over reported, less 1: above 0 the plan promised what is not there."""
        return self.planned_tokens / self.reported_tokens - 1 if self.reported_tokens else float("nan")


def deployment(case: Case, gpu: gpus.Gpu) -> Deployment:
    """What the planner is asked."""
    return Deployment(
        case.name,
        parse(json.loads((Path(case.folder) / "config.json").read_text())),
        Machine("this machine", "none", gpu, 1, False, 0.0, None),
        1,
        case.max_model_len,
        utilization=case.utilization,
        max_num_seqs=case.max_num_seqs,
        max_num_batched_tokens=case.max_num_batched_tokens,
        kv_dtype=case.kv_dtype,
    )


def measure(case: Case, gpu: gpus.Gpu | None) -> Result:
    """Starts the engine in this process, reads what it got and lets it work."""
    os.environ.update(
        {
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "VLLM_HOST_IP": "127.0.0.1",
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
        }
    )
    from vllm import LLM

    began = time.perf_counter()
    more: dict[str, Any] = {} if case.kv_bytes is None else {"kv_cache_memory_bytes": case.kv_bytes}
    llm = LLM(
        case.folder,
        load_format="dummy",
        skip_tokenizer_init=True,
        kv_cache_dtype=case.kv_dtype,
        max_model_len=case.max_model_len,
        max_num_seqs=case.max_num_seqs,
        max_num_batched_tokens=case.max_num_batched_tokens,
        gpu_memory_utilization=case.utilization,
        enable_prefix_caching=False,
        enforce_eager=case.eager,
        disable_log_stats=True,
        **more,
    )
    started = time.perf_counter() - began
    engine = llm.llm_engine
    cache = engine.vllm_config.cache_config
    asked = None if gpu is None else deployment(case, gpu)
    if case.kv_bytes is not None:
        config = json.loads((Path(case.folder) / "config.json").read_text())
        planned = kv_tokens(
            config,
            case.kv_bytes,
            max_model_len=case.max_model_len,
            max_num_batched_tokens=case.max_num_batched_tokens,
            block_size=cache.block_size,
            kv_dtype=case.kv_dtype,
        )
    else:
        planned = 0 if asked is None else plan(asked, search=False).kv_tokens
    space = None if asked is None else plan(asked, search=False).memory
    result = Result(
        case,
        planned,
        cache.kv_cache_size_tokens,
        cache.num_gpu_blocks,
        cache.block_size,
        None if space is None else space.weights,
        _weights(engine),
        round(started, 1),
    )
    vocabulary = engine.vllm_config.model_config.get_vocab_size()
    _batch(engine, case, 1, vocabulary)  # kernels are compiled and chosen at first use
    for count in case.concurrency:
        result.times.append(_batch(engine, case, count, vocabulary) | _floors(asked, case, count))
    return result


def _weights(engine: Any) -> float | None:
    """Bytes that vLLM counted while it loaded the weights; None where it does not say (on a CPU)."""
    try:
        runner = engine.engine_core.engine_core.model_executor.driver_worker.worker.model_runner
        return float(runner.model_memory_usage)
    except AttributeError:
        return None


def _batch(engine: Any, case: Case, count: int, vocabulary: int) -> dict[str, Any]:
    """So many requests at once, each with a prompt of its own, stepped until all are done."""
    from vllm import SamplingParams

    source = random.Random(count)  # noqa: S311 - reproducible, no secret
    sampling = SamplingParams(max_tokens=case.answer, temperature=0, ignore_eos=True, detokenize=False)
    sent: dict[str, float] = {}
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for index in range(count):
        name = f"{count}-{index}"
        ids = [source.randrange(3, vocabulary) for _ in range(case.prompt)]
        sent[engine.add_request(name, {"prompt_token_ids": ids}, sampling).split("/")[0]] = (
            time.perf_counter()
        )
    began = min(sent.values())
    while engine.has_unfinished_requests():
        outputs = engine.step()
        now = time.perf_counter()
        for each in outputs:
            first.setdefault(each.request_id, now)
            last[each.request_id] = now
    took = max(last.values()) - began
    waits = [seen - began for seen in first.values()]
    gaps = [(last[name] - first[name]) / (case.answer - 1) for name in first]
    return {
        "concurrency": count,
        "ttftSeconds": statistics.median(waits),
        "itlSeconds": statistics.median(gaps),
        "tokensPerSecond": count * case.answer / took,
    }


def _floors(asked: Deployment | None, case: Case, count: int) -> dict[str, Any]:
    if asked is None:
        return {"ttftFloorSeconds": None, "itlFloorSeconds": None}
    return {
        "ttftFloorSeconds": prefill(asked, case.prompt).seconds * (count + 1) / 2,
        "itlFloorSeconds": decode(asked, count, case.prompt + case.answer / 2).seconds,
    }
