"""What cannot start or fit is refused with its reason, and what would work is named, cheapest first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bastide.catalogues.models_architecture import Quantization
from bastide.catalogues.models_config import architecture
from bastide.plans.capacity.alternatives import AWQ, FP8, alternatives, works
from bastide.plans.capacity.deployment import Deployment, Draft
from bastide.plans.capacity.plan import plan, refusals
from bastide.plans.capacity.report import text
from tests.capacity.capacity_shapes import deployment, tiny

LLAMA, DEEPSEEK = "llama-3.3-70b-instruct", "deepseek-v3"


def reasons(asked: Deployment) -> str:
    return "\n".join(f"{each.field}: {each.reason}" for each in refusals(asked))


REFUSED: list[tuple[str, Deployment, str, str]] = [
    (
        "heads",
        deployment(LLAMA, "p5.48xlarge", 6),
        "tensorParallel",
        "does not divide the model's 64 attention heads",
    ),
    (
        "KV heads",
        replace(
            deployment(LLAMA, "p5.48xlarge", 4),
            model=architecture(tiny("llama", num_attention_heads=12, num_key_value_heads=6, hidden_size=384)),
        ),
        "tensorParallel",
        "6 KV heads do not divide one another",
    ),
    (
        "length",
        deployment(LLAMA, "p5.48xlarge", 8, max_model_len=262_144),
        "maxModelLen",
        "longer than the model was made for; allowed: at most 131,072",
    ),
    ("one machine", deployment(LLAMA, "p5.48xlarge", 16), "gpus", "16 is more than one p5.48xlarge has"),
    (
        "TP across machines without EFA",
        deployment(LLAMA, "p5.48xlarge", 16, nodes=2),
        "tensorParallel",
        "crosses machines, each of which gives 8 GPUs, and EFA (pools[].efa: true) is not on",
    ),
    (
        "TP across machines that have none",
        deployment(LLAMA, "g6e.xlarge", 2, nodes=2),
        "tensorParallel",
        "which a g6e.xlarge has not",
    ),
    (
        "KV type of another GPU",
        deployment(LLAMA, "p4d.24xlarge", 8, kv_dtype="fp8_per_token_head"),
        "kvCacheDtype",
        "fp8_per_token_head needs compute capability 8.9, and the A100 has 8.0",
    ),
    (
        "KV type without kernels for the model's heads",
        deployment("llama-3.2-1b-instruct", "p5.48xlarge", 1, kv_dtype="nvfp4"),
        "kvCacheDtype",
        "has kernels for heads of 128, 256, 512, and this model's have 64",
    ),
    (
        "KV type without kernels for latent attention",
        deployment(DEEPSEEK, "p5en.48xlarge", 8, kv_dtype="fp8_per_token_head"),
        "kvCacheDtype",
        "has no kernel for latent attention",
    ),
    (
        "quantization of another GPU",
        replace(
            deployment(LLAMA, "p5.48xlarge", 8),
            machine=replace(
                deployment(LLAMA, "p5.48xlarge", 8).machine,
                gpu=replace(deployment(LLAMA, "p5.48xlarge", 8).machine.gpu, capability=75),
            ),
            weights=Quantization("mxfp4", bits=4, group=32, scale_bytes=1),
        ),
        "quantization",
        "mxfp4 needs compute capability 8.0, and the H100 has 7.5",
    ),
    ("weights", deployment(LLAMA, "g6e.xlarge", 1), "gpus", "too little, and nothing for the KV cache"),
    (
        "one sequence",
        deployment(LLAMA, "g6e.12xlarge", 4, max_model_len=131_072),
        "maxModelLen",
        "one sequence of 131,072 tokens needs",
    ),
    (
        "groups of a quantization",
        deployment("qwen2.5-72b-instruct", "p5.48xlarge", 8, weights=AWQ),
        "tensorParallel",
        "into 3,696, which the quantization's groups of 128 do not divide",
    ),
    (
        "vocabulary of a draft",
        deployment(
            "qwen2.5-7b-instruct",
            "g6e.12xlarge",
            1,
            draft=Draft("draft-model", 4, architecture(tiny("qwen2")), "tiny"),
        ),
        "speculation.model",
        "has a vocabulary of 512 and the model one of 152,064",
    ),
    (
        "no layers to guess with",
        deployment(LLAMA, "p5.48xlarge", 8, draft=Draft("mtp", 1)),
        "speculation.kind",
        "mtp needs a model with layers for multi-token prediction",
    ),
    (
        "no experts",
        deployment(LLAMA, "p5.48xlarge", 8, expert_parallel=True),
        "expertParallel",
        "the model has no experts",
    ),
]


@pytest.mark.parametrize(
    ("asked", "field", "reason"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED]
)
def test_it_is_refused_by_its_own_reason(asked: Deployment, field: str, reason: str) -> None:
    found = refusals(asked)
    assert [each.reason for each in found if each.field == field and reason in each.reason], reasons(asked)


def test_the_length_that_is_named_is_the_longest_that_works() -> None:
    asked = deployment(LLAMA, "g6e.12xlarge", 4, max_model_len=131_072)
    (refusal,) = refusals(asked)
    most = int(refusal.reason.rsplit(" ", 1)[1].replace(",", ""))
    assert not refusals(replace(asked, max_model_len=most))
    assert refusals(replace(asked, max_model_len=most + 16))


SHOWN: list[tuple[str, Deployment, bool, str]] = [
    ("Llama on a p4d", deployment(LLAMA, "p4d.24xlarge", 8), True, ""),
    ("Llama on a g6e.12xlarge", deployment(LLAMA, "g6e.12xlarge", 4), True, ""),
    ("Llama on a p5, TP 8", deployment(LLAMA, "p5.48xlarge", 8), True, ""),
    ("Llama on a p5, TP 16", deployment(LLAMA, "p5.48xlarge", 16), False, "p5.48xlarge"),
    (
        "Llama on two p5, TP 16",
        deployment(LLAMA, "p5.48xlarge", 16, nodes=2, rdma=True),
        True,
        "takes as much of each as at TP 8",
    ),
    ("DeepSeek-V3 on a p5", deployment(DEEPSEEK, "p5.48xlarge", 8), False, "p5en.48xlarge"),
    (
        "DeepSeek-V3 on two p5",
        deployment(DEEPSEEK, "p5.48xlarge", 16, nodes=2, rdma=True),
        True,
        "each of the 16 GPUs holds all of the KV cache",
    ),
]


@pytest.mark.parametrize(
    ("asked", "expected", "said"), [each[1:] for each in SHOWN], ids=[each[0] for each in SHOWN]
)
def test_what_must_be_shown(asked: Deployment, expected: bool, said: str) -> None:
    found = plan(asked)
    assert found.works == expected
    assert said in text(found)
    if not expected:
        assert found.alternatives
        prices = [each.hourly for each in found.alternatives if each.hourly is not None]
        assert prices == sorted(prices)


def test_tensor_parallelism_beyond_the_kv_heads_gives_no_more_room_to_a_token() -> None:
    eight, sixteen = (
        plan(deployment(LLAMA, "p5.48xlarge", tensor, nodes=tensor // 8, rdma=True)) for tensor in (8, 16)
    )
    assert eight.kv_token_bytes == sixteen.kv_token_bytes == 40_960


@pytest.mark.parametrize("asked", [each[1] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_every_alternative_works_and_says_all_that_it_changes(asked: Deployment) -> None:
    for each in alternatives(asked):
        assert works(each.deployment) is not None
        assert 0 < len(each.kinds) <= 3
        assert each.changes
        for name, kind in (("kv_dtype", "kv"), ("max_model_len", "length"), ("weights", "quantization")):
            if kind not in each.kinds:
                assert getattr(each.deployment, name) == getattr(asked, name)
        assert ("machine" in each.kinds) == (each.deployment.machine.name != asked.machine.name)


def test_a_quantized_alternative_says_whether_another_checkpoint_is_needed() -> None:
    changes = {
        text
        for each in alternatives(deployment(LLAMA, "g6e.12xlarge", 2))
        for text in each.changes
        if "weights" in text
    }
    assert changes <= {"weights fp8 (made at start)", "weights awq (another checkpoint)"}
    assert changes


def test_fp8_weights_on_a_gpu_without_fp8_units_save_memory_and_not_time() -> None:
    plain, small = (
        plan(deployment(LLAMA, "p4d.24xlarge", 8, weights=each), search=False) for each in (None, FP8)
    )
    assert small.memory is not None
    assert plain.memory is not None
    assert small.memory.weights < 0.55 * plain.memory.weights
    assert small.times is not None
    assert plain.times is not None
    assert small.times.first.compute == plain.times.first.compute
    assert any("has no FP8 units" in each for each in small.notes)


def test_a_plan_that_fits_by_less_than_the_estimates_says_so() -> None:
    asked = deployment(LLAMA, "g6e.12xlarge", 4)
    (reason,) = [each.reason for each in refusals(replace(asked, max_model_len=131_072))]
    most = int(reason.rsplit(" ", 1)[1].replace(",", ""))
    tight = plan(replace(asked, max_model_len=most), search=False)
    assert tight.works
    assert any("fits by less than what is estimated" in each for each in tight.notes)
    assert not any(
        "fits by less" in each for each in plan(deployment(LLAMA, "p5.48xlarge", 8), search=False).notes
    )
