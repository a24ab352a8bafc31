"""Times, replicas, speculation and cost against sums done by hand and against a simulation."""

from __future__ import annotations

import heapq
import random
from dataclasses import replace

import pytest

from bastide.catalogues import models
from bastide.plans.capacity.costs import answers, replica_hourly
from bastide.plans.capacity.deployment import Draft, Load
from bastide.plans.capacity.latency import EFFICIENCY, decode, kv_ridge, prefill, ridge, weights_read
from bastide.plans.capacity.plan import plan
from bastide.plans.capacity.queueing import Sizing, _tail_wait, erlang_c, machines, replicas
from bastide.plans.capacity.speculation import break_even, tokens_a_step
from bastide.plans.capacity.weights import Cutting, weights
from tests.capacity.capacity_shapes import deployment

SMALL = "llama-3.1-8b-instruct"


def test_the_floor_of_a_step_is_weights_and_cache_over_bandwidth() -> None:
    asked = deployment(SMALL, "p5.48xlarge", 1)
    # All but the look-up of words is read, and 1,000 tokens of cache for each of 4 sequences.
    read = 16_060_522_496 - 128_256 * 4096 * 2 + 4 * 1000 * 131_072
    assert decode(asked, 4, 1000).memory == pytest.approx(read / 3.35e12)
    assert decode(asked, 4, 1000).links == 0


def test_the_floor_of_a_prompt_is_two_operations_for_each_parameter_and_token_and_attention() -> None:
    asked = deployment(SMALL, "p5.48xlarge", 1)
    linear = 2 * 7_504_924_672 * 1000
    # Each token looks at half of the prompt on average: 2 products of 32 heads x 128 in each of 32 layers.
    attention = 1000 * 2 * 2 * 32 * 128 * 500 * 32
    assert prefill(asked, 1000).compute == pytest.approx((linear + attention) / 989.4e12)


def test_all_reduces_cross_the_slowest_link() -> None:
    inside = deployment("llama-3.3-70b-instruct", "p5.48xlarge", 8)
    across = deployment("llama-3.3-70b-instruct", "p5.48xlarge", 16, nodes=2, rdma=True)
    tokens = 100_000
    moved = 160 * 2 * tokens * 8192 * 2
    assert decode(inside, tokens, 1).links == pytest.approx(160 * 10e-6 + moved * 7 / 8 / 450e9)
    assert decode(across, tokens, 1).links == pytest.approx(160 * 40e-6 + moved * 15 / 16 / 400e9)


def test_a_larger_batch_stops_paying_where_arithmetic_takes_as_long_as_the_weights() -> None:
    asked = deployment(SMALL, "p5.48xlarge", 1)
    knee = ridge(asked)
    # H100: 989.4e12 operations over 3.35e12 bytes, one operation for each byte of bf16.
    assert knee == pytest.approx(989.4 / 3.35, rel=0.01)
    assert decode(asked, knee * 2, 0).seconds > 1.5 * decode(asked, knee / 2, 0).seconds
    assert decode(asked, knee / 2, 0).seconds == pytest.approx(decode(asked, 1, 0).seconds)
    assert kv_ridge(asked, 1000) == pytest.approx((16_060_522_496 - 128_256 * 4096 * 2) / 131_072_000)


def test_a_token_passes_every_pipeline_stage_with_its_own_group_alone() -> None:
    alone = deployment(SMALL, "p4d.24xlarge", 1)
    piped = replace(alone, gpus=4, pipeline_parallel=4)
    one, full = decode(piped, 1, 1000), decode(piped, 400, 1000)
    # One sequence reads all the weights and its own cache, wherever they lie.
    assert one.memory == pytest.approx(decode(alone, 1, 1000).memory)
    # Of 400 sequences 100 are in each stage: their cache is read on the way, and not that of the other 300.
    assert full.memory == pytest.approx(decode(alone, 100, 1000).memory)
    assert full.compute == pytest.approx(decode(alone, 100, 1000).compute)
    # No way to group 400 sequences gives a shorter mean: each stage takes its group's weights and cache.
    for groups in ((400,), (200, 200), (250, 50, 50, 50), (100, 100, 100, 100), (50,) * 8):
        stage = [decode(alone, each, 1000).memory / 4 for each in groups]
        waits = [sum(stage) if len(groups) > 4 else max(4 * each, sum(stage)) for each in stage]
        mean = sum(each * wait for each, wait in zip(groups, waits, strict=True)) / 400
        assert full.memory <= mean * (1 + 1e-9)
    assert ridge(piped) == pytest.approx(4 * ridge(alone))
    assert kv_ridge(piped, 1000) == pytest.approx(4 * kv_ridge(alone, 1000))


def test_uneven_stages_still_have_a_floor_below_what_they_read() -> None:
    # 61 layers in 4 stages: the fullest has 16, and 4 x 16 would be more than there are.
    asked = deployment("deepseek-v3", "p5en.48xlarge", 8, nodes=4, pipeline_parallel=4)
    held = weights(asked.model, Cutting(tensor=8)).gpu
    assert held < 4 * weights(asked.model, asked.cutting).gpu
    assert weights_read(asked, 1e6) < held


def test_expected_tokens_of_a_step_are_what_drawing_them_gives() -> None:
    drawn = random.Random(1)  # noqa: S311 - samples, no secret
    total = 0
    for _ in range(100_000):
        total += 1
        for _ in range(4):
            if drawn.random() >= 0.7:
                break
            total += 1
    assert tokens_a_step(0.7, 4) == pytest.approx(total / 100_000, rel=0.01)
    assert tokens_a_step(1.0, 4) == 5


def test_speculation_pays_early_for_one_user_and_late_for_a_full_batch() -> None:
    draft = Draft("draft-model", 4, models.architecture("llama-3.2-1b-instruct"), "llama-3.2-1b-instruct")
    asked = deployment("llama-3.3-70b-instruct", "p5.48xlarge", 8, draft=draft)
    one, full = break_even(asked, 1, 2000), break_even(asked, 400, 2000)
    assert one is not None
    assert full is not None
    assert one.acceptance is not None
    assert one.acceptance < 0.3
    assert full.acceptance is None or full.acceptance > 2 * one.acceptance
    gained = tokens_a_step(one.acceptance, 4) * one.plain / one.guessing
    assert gained == pytest.approx(1, abs=1e-6)
    assert break_even(replace(asked, draft=None), 1, 2000) is None


def test_guessing_from_the_prompt_costs_nothing_but_the_check() -> None:
    asked = deployment(SMALL, "p5.48xlarge", 1, draft=Draft("ngram", 4))
    found = break_even(asked, 1, 1000)
    assert found is not None
    assert found.acceptance is not None
    assert found.acceptance < 0.05


@pytest.mark.parametrize(
    ("servers", "offered", "expected"), [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (10, 8.0, 0.4092)]
)
def test_erlangs_formula_gives_its_tables_values(servers: int, offered: float, expected: float) -> None:
    assert erlang_c(servers, offered) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("servers", "offered"), [(1, 0.8), (8, 7.2)])
def test_the_wait_that_95_of_100_stay_under_is_that_of_a_simulated_queue(
    servers: int, offered: float
) -> None:
    drawn = random.Random(7)  # noqa: S311 - samples, no secret
    free = [0.0] * servers
    now, waits = 0.0, []
    for _ in range(300_000):
        now += drawn.expovariate(offered)
        start = max(now, heapq.heappop(free))
        heapq.heappush(free, start + drawn.expovariate(1.0))
        waits.append(start - now)
    waits.sort()
    assert _tail_wait(servers, offered, 1.0) == pytest.approx(waits[int(len(waits) * 0.95)], rel=0.06)


def test_replicas_keep_the_promise_and_one_fewer_does_not() -> None:
    asked = deployment("llama-3.3-70b-instruct", "p5.48xlarge", 8)
    load = Load(20, 2000, 300)
    found = plan(replace(asked, load=load), search=False).sizing
    assert isinstance(found, Sizing)
    assert found.replicas > 1
    assert found.ttft <= load.ttft_seconds
    assert found.itl <= load.itl_seconds
    assert found.limit.startswith(f"with {found.replicas - 1}")
    # Each machine holds one; of a smaller engine it holds several.
    assert machines(asked, found.replicas) == found.replicas
    assert machines(deployment(SMALL, "p5.48xlarge", 1), 9) == 2


@pytest.mark.parametrize(
    ("load", "why"),
    [
        (Load(1, 100_000, 10, ttft_seconds=0.5), "a prompt of 100,000 tokens alone takes"),
        (Load(1, 1000, 10, itl_seconds=0.001), "a step alone takes"),
    ],
)
def test_a_promise_that_no_number_of_replicas_keeps_says_why(load: Load, why: str) -> None:
    found = replicas(deployment(SMALL, "p5.48xlarge", 1), load, 100)
    assert isinstance(found, str)
    assert why in found


def test_a_token_costs_the_replicas_price_over_its_tokens() -> None:
    asked = deployment(SMALL, "p5.48xlarge", 1)
    hourly = replica_hourly(asked)
    assert hourly is not None
    assert hourly == pytest.approx(55.04 / 8)
    (first, *_) = answers(asked, {4096: 100})
    assert first.usd == pytest.approx(hourly / 3600 * decode(asked, 1, 4096).seconds / EFFICIENCY * 1e6)
    found = {(each.context, each.concurrency): each.usd for each in plan(asked, search=False).costs}
    shown = sorted(context for context, _ in found)
    short, long = found[(shown[0], 8)], found[(shown[-1], 8)]
    assert short is not None
    assert long is not None
    assert short < long


def test_without_a_dated_price_there_is_no_cost() -> None:
    found = plan(deployment(SMALL, "p5e.48xlarge", 1), search=False)
    assert found.hourly is None
    assert found.costs == ()
