"""What the planner says of models and caches is what vLLM 0.32 and transformers say, called directly:
parameters, shapes, lengths, windows, blocks, tokens, and what does not start."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bastide.catalogues import gpus, models
from bastide.catalogues.models_config import ENCODERS, architecture
from bastide.plans.capacity.kv_cache import Rules, cache, heads_per_gpu
from bastide.plans.capacity.weights import parameters
from sandbox.toolchain import environments
from tests.capacity.capacity_shapes import FAMILIES, cache_cases

pytestmark = pytest.mark.xdist_group("vllm")

CONFIGS = {**{name: models.config_json(name) for name in models.CATALOGUE}, **FAMILIES}
CASES = cache_cases(200)
METHODS = list(gpus.MIN_CAPABILITY)


def _questions() -> list[dict[str, Any]]:
    return [
        *({"ask": "parameters", "config": each} for each in CONFIGS.values()),
        *({"ask": "config", "config": each, "tensor_parallel": 4} for each in CONFIGS.values()),
        *({"ask": "cache", **each} for each in CASES),
        *({"ask": "capability", "method": each} for each in METHODS),
    ]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Every answer of one run, in the order of the questions."""
    folder = tmp_path_factory.mktemp("vllm")
    out = folder / "answers.json"
    done = subprocess.run(
        [
            str(environments.ensure(environments.VLLM)),
            str(Path(__file__).with_name("vllm_judge.py")),
            str(out),
        ],
        input=json.dumps(_questions()),
        capture_output=True,
        text=True,
        timeout=600,
        env={
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_LOGGING_LEVEL": "ERROR",
        },
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return iter(json.loads(out.read_text()))


def test_the_planner_agrees_with_vllm(answers: Iterator[Any]) -> None:
    """One test, because one run answers all of it."""
    wrong: list[str] = []

    def compare(what: str, ours: Any, theirs: Any) -> None:
        if ours != theirs:
            wrong.append(f"{what}: {ours} here, {theirs} there")

    shapes = {name: architecture(config) for name, config in CONFIGS.items()}
    for name, shape in shapes.items():
        compare(f"parameters of {name}", parameters(shape), next(answers))
    for name, shape in shapes.items():
        theirs = next(answers)
        compare(f"architecture of {name}", shape.name, theirs["architecture"])
        for field in ("layers", "hidden", "heads", "vocab", "head_dim", "dtype"):
            compare(f"{field} of {name}", getattr(shape, field), theirs[field])
        compare(f"KV heads of {name} at TP 4", heads_per_gpu(shape, 4), theirs["kv_heads"])
        compare(f"experts of {name}", shape.moe.experts if shape.moe else 0, theirs["experts"])
        compare(f"MLA of {name}", shape.mla is not None, theirs["mla"])
        compare(f"windows of {name}", list(shape.windows), theirs["windows"])
        # RoBERTa starts to count positions behind its padding index, which vLLM leaves to the tokenizer's
        # length.
        behind = 2 if shape.model_type in ENCODERS and shape.model_type != "bert" else 0
        compare(f"longest sequence of {name}", shape.max_len + behind, theirs["max_len"])
    started = 0
    for case in CASES:
        theirs, ours = next(answers), _cache(case)
        compare(f"whether it starts: {case}", ours.fits_one, "refused" not in theirs)
        if "refused" not in theirs:
            started += 1
            compare(f"cache of {case}", (ours.blocks, ours.tokens), (theirs["blocks"], theirs["tokens"]))
            compare(f"concurrency of {case}", ours.concurrency, theirs["concurrency"])
    for method in METHODS:
        compare(f"capability of {method}", gpus.MIN_CAPABILITY[method], next(answers))
    assert not wrong, "\n".join(wrong)
    # Both kinds were there, and hybrids among them.
    assert 100 < started < len(CASES)
    assert sum(len(set(architecture(case["config"]).windows)) > 1 for case in CASES) > 40


def _cache(case: dict[str, Any]) -> Any:
    rules = Rules(
        max_model_len=case["max_model_len"],
        in_flight=case["batches"] * case["max_num_batched_tokens"],
        **{
            name: case[name]
            for name in ("block_size", "kv_dtype", "kernel_block", "tensor_parallel", "pipeline_parallel")
        },
    )
    return cache([architecture(case["config"])], case["kv_bytes"], rules)
