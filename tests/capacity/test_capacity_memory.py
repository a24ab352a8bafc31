"""Bytes: of weights, of the KV cache, and what is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from bastide.catalogues import gpus, instances, instances_network, models, vllm_parsers
from bastide.catalogues.instances_machines import CATALOGUE
from bastide.catalogues.models_architecture import pipeline_stages
from bastide.catalogues.models_config import architecture
from bastide.plans.capacity.alternatives import AWQ, FP8
from bastide.plans.capacity.kv_cache import kv_tokens, token_bytes
from bastide.plans.capacity.memory import GIB, memory
from bastide.plans.capacity.weights import Cutting, active_parameters, parameters, weights
from tests.capacity.capacity_shapes import deployment, tiny

LLAMA = "llama-3.3-70b-instruct"


def test_the_literatures_case_has_the_models_8_kv_heads_and_not_its_64_attention_heads() -> None:
    model = models.architecture(LLAMA)
    formula = 2 * 80 * 8 * 128 * 2
    assert token_bytes(model) == formula == 327_680
    assert round(token_bytes(model) * 32_768 / 1e9, 1) == 10.7
    every_head = replace(model, kv_heads=model.heads)
    assert round(token_bytes(every_head) * 32_768 / 1e9, 1) == 85.9


@pytest.mark.parametrize(
    ("name", "tensor", "expected"),
    [
        ("llama-3.1-8b-instruct", 1, 131_072),
        (LLAMA, 1, 327_680),
        (LLAMA, 8, 40_960),
        (LLAMA, 16, 40_960),
        ("llama-3.1-405b-instruct", 1, 516_096),
        ("deepseek-v3", 1, 70_272),
        ("deepseek-v3", 16, 70_272),
    ],
)
def test_kv_bytes_a_token_stop_to_fall_at_the_models_kv_heads(name: str, tensor: int, expected: int) -> None:
    assert token_bytes(models.architecture(name), tensor_parallel=tensor) == expected


def test_an_fp8_cache_takes_half_and_scales_for_each_token_and_head_are_counted() -> None:
    model = models.architecture(LLAMA)
    assert token_bytes(model, "fp8") == 327_680 // 2
    assert token_bytes(model, "fp8_per_token_head") == 2 * 80 * 8 * (128 + 4)
    assert token_bytes(model, "int4_per_token_head") == 2 * 80 * 8 * (64 + 4)


def test_kv_tokens_are_those_that_real_vllm_was_measured_to_report() -> None:
    # A run of vLLM 0.32 on a CPU, 1 GiB of cache in blocks of 128, reported these.
    small = tiny("qwen2", num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, hidden_size=64)
    three = tiny(
        "qwen2",
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        hidden_size=256,
        head_dim=64,
    )

    def tokens(config: dict[str, object], kv_dtype: str = "auto", dtype: str = "auto") -> int:
        return kv_tokens(
            config, GIB, max_model_len=1024, max_num_batched_tokens=2048, kv_dtype=kv_dtype, dtype=dtype
        )

    assert tokens(small) == 4_194_304
    assert tokens(three) == 699_008
    assert tokens(three, "fp8") == 1_398_016
    assert tokens(three, dtype="float32") == 349_440


def test_a_length_that_is_no_multiple_of_a_block_costs_the_rest_of_its_last_block() -> None:
    config = tiny("llama")
    even = kv_tokens(config, GIB, max_model_len=1024, max_num_batched_tokens=2048)
    odd = kv_tokens(config, GIB, max_model_len=1025, max_num_batched_tokens=2048)
    assert odd == int(even / 128 / 9 * 1025)


@pytest.mark.parametrize("name", [name for name, each in models.CATALOGUE.items() if each.checkpoint_bytes])
def test_weight_bytes_are_those_of_the_published_checkpoints(name: str) -> None:
    stated = models.CATALOGUE[name].checkpoint_bytes
    assert stated is not None
    ours = weights(models.architecture(name), Cutting()).total
    # DeepSeek-V3's checkpoint also has the layer for multi-token prediction with copies of both word
    # matrices.
    assert ours == stated or (name == "deepseek-v3" and 0.97 < ours / stated < 1)


def test_weights_of_all_gpus_together_are_the_model_and_what_is_held_several_times() -> None:
    model = models.architecture(LLAMA)
    whole = weights(model, Cutting()).total
    assert weights(model, Cutting(tensor=8)).gpu * 8 == pytest.approx(whole, rel=1e-3)
    keys = 2 * 80 * 8 * 128 * 8192 * 2
    more = weights(model, Cutting(tensor=16)).gpu * 16 - weights(model, Cutting(tensor=8)).gpu * 8
    # At 16 each KV head lies on two GPUs; norms on twice as many.
    assert more == pytest.approx(keys + 8 * (161 * 8192) * 2, rel=1e-6)


def test_quantized_linear_layers_have_scales_and_words_stay_as_they_are() -> None:
    model = models.architecture(LLAMA)
    linear = parameters(model) - 2 * model.vocab * model.hidden - 161 * model.hidden
    rest = 2 * (parameters(model) - linear)
    assert weights(model, Cutting(), FP8).total == linear + 80 * 7 * 4 + rest
    assert weights(model, Cutting(), AWQ).total == linear * (0.5 + 2.5 / 128) + rest


def test_a_mixture_computes_with_the_chosen_experts_only() -> None:
    model = models.architecture("deepseek-v3")
    assert parameters(model) == 671_026_419_200
    # The report says 37B with both word matrices.
    assert round((active_parameters(model) + model.vocab * model.hidden) / 1e9) in (37, 38)


def test_the_fullest_stage_is_the_one_with_words() -> None:
    model = models.architecture(LLAMA)
    two = weights(model, Cutting(pipeline=2))
    assert two.gpu == pytest.approx(weights(model, Cutting()).total / 2, rel=0.01)
    assert pipeline_stages(10, 4) == [range(2), range(2, 5), range(5, 8), range(8, 10)]


def test_what_is_taken_is_the_sum_of_the_parts() -> None:
    found = memory(deployment(LLAMA, "p5.48xlarge", 8))
    parts = found.weights + found.draft_weights + found.activations + found.graphs + found.context
    assert found.taken == pytest.approx(parts + found.kv_bytes)
    assert found.cache is not None
    assert found.cache.blocks * found.cache.block_bytes <= found.kv_bytes


def test_adapters_take_memory_by_rank_and_number() -> None:
    base = deployment(LLAMA, "p5.48xlarge", 8)
    none, one, two = (memory(replace(base, adapters=count)).weights for count in (0, 1, 2))
    assert two - one == pytest.approx(one - none)
    assert one > none
    assert memory(replace(base, adapters=1, adapter_rank=64)).weights - none == pytest.approx(
        4 * (one - none)
    )


def test_every_gpu_instance_type_has_its_network_and_gpu() -> None:
    for kind in instances.CATALOGUE.values():
        if not kind.gpus:
            continue
        said = INSTANCE_TYPES[kind.name]["NetworkInfo"]["NetworkPerformance"].removeprefix("Up to ").split()
        # `4x 100 Gigabit` is four cards.
        gbps = int(said[0].removesuffix("x")) * int(said[1]) if said[0].endswith("x") else int(said[0])
        assert instances_network.GBPS[kind.name] == gbps, kind.name
        gpu = CATALOGUE[kind.name].gpu
        assert gpu.usable_mib < gpu.memory_mib
        assert f"{gpu.capability // 10}.{gpu.capability % 10}" == kind.compute_capability


def test_the_page_names_who_measured_each_gpus_memory_or_says_that_nobody_did() -> None:
    page = (Path(__file__).parents[2] / "docs/capacity.md").read_text()
    for each in gpus.CATALOGUE.values():
        assert "datasheet" in each.source
        assert each.usable_source
        assert f"| {each.name} | {each.usable_mib:,} | {each.usable_source} |\n" in page
        # What is called measured holds the number that the source prints, in MiB or GiB.
        if each.usable_verified:
            said = {f"{each.usable_mib:,} MBytes", f"{each.usable_mib / 1024:.2f} GiB"}
            assert any(number in each.usable_source for number in said), each
    assert {each.name for each in gpus.CATALOGUE.values() if not each.usable_verified} == {
        "A100 80 GiB",
        "H200 141 GiB",
        "L4 22 GiB",
    }


def test_a_window_bounds_what_a_sequence_holds() -> None:
    from bastide.plans.capacity.kv_cache import Rules, cache

    windowed = architecture(tiny("mistral", sliding_window=512))
    whole = architecture(tiny("mistral", sliding_window=None))
    rules = Rules(max_model_len=4096, in_flight=512)
    assert cache([windowed], 10**8, rules).concurrency > 3 * cache([whole], 10**8, rules).concurrency


def test_parsers_of_the_catalogue_are_vllms() -> None:
    for each in models.CATALOGUE.values():
        assert each.tool_parser in (None, *vllm_parsers.TOOLS)
        assert each.reasoning_parser in (None, *vllm_parsers.REASONING)


def test_a_draft_of_the_catalogue_has_the_models_vocabulary() -> None:
    for each in models.CATALOGUE.values():
        if each.draft is not None:
            assert models.architecture(each.draft).vocab == models.architecture(each.name).vocab
