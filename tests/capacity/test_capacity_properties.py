"""What must hold whatever is asked."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from bastide.catalogues import models
from bastide.catalogues.instances_machines import CATALOGUE
from bastide.plans.capacity.costs import answers
from bastide.plans.capacity.deployment import Deployment, Load
from bastide.plans.capacity.kv_cache import KV_DTYPES, token_bytes
from bastide.plans.capacity.latency import decode, prefill
from bastide.plans.capacity.memory import memory
from bastide.plans.capacity.plan import refusals
from bastide.plans.capacity.queueing import Sizing, erlang_c, replicas
from bastide.plans.capacity.speculation import speedup, tokens_a_step
from tests.capacity.capacity_shapes import deployment

NAMES = st.sampled_from([name for name, each in models.CATALOGUE.items() if each.purpose == "generate"])
MACHINES = st.sampled_from(sorted(CATALOGUE))
TENSOR = st.sampled_from([1, 2, 4, 8])
LENGTHS = st.integers(1, 32_768)
DEPLOYMENTS = st.builds(
    lambda name, machine, tensor, length: deployment(name, machine, tensor, max_model_len=length),
    NAMES,
    MACHINES,
    TENSOR,
    LENGTHS,
)


def tokens(asked: Deployment) -> int:
    found = memory(asked)
    return found.cache.tokens if found.cache else 0


@given(DEPLOYMENTS, st.floats(0.1, 0.5), st.floats(0.51, 1.0))
def test_a_larger_share_of_memory_holds_no_fewer_tokens(asked: Deployment, less: float, more: float) -> None:
    assert tokens(replace(asked, utilization=less)) <= tokens(replace(asked, utilization=more))


@given(DEPLOYMENTS, st.integers(1, 8_192), st.integers(1, 8_192))
def test_a_larger_batch_leaves_no_more_for_the_cache(asked: Deployment, one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert (
        memory(replace(asked, max_num_batched_tokens=large)).kv_bytes
        <= memory(replace(asked, max_num_batched_tokens=small)).kv_bytes
    )


@given(DEPLOYMENTS, LENGTHS)
def test_what_works_also_works_with_a_shorter_length(asked: Deployment, length: int) -> None:
    if not refusals(asked):
        assert not refusals(replace(asked, max_model_len=min(length, asked.max_model_len)))


@given(NAMES, st.sampled_from(KV_DTYPES), TENSOR)
def test_no_cut_and_no_type_takes_more_for_a_token_than_the_whole_in_16_bits(
    name: str, kv_dtype: str, tensor: int
) -> None:
    model = models.architecture(name)
    assert 0 < token_bytes(model, kv_dtype, tensor) <= token_bytes(model)
    assert token_bytes(model, kv_dtype, 2 * tensor) <= token_bytes(model, kv_dtype, tensor)


@given(DEPLOYMENTS, st.integers(1, 256), st.integers(1, 256), LENGTHS, LENGTHS)
def test_steps_grow_with_sequences_and_context(asked: Deployment, a: int, b: int, c: int, d: int) -> None:
    (few, many), (short, long) = sorted((a, b)), sorted((c, d))
    assert decode(asked, few, short).seconds <= decode(asked, many, long).seconds
    assert prefill(asked, short).compute <= prefill(asked, long).compute


@given(DEPLOYMENTS, st.integers(1, 200))
def test_more_sequences_at_a_time_cost_no_more_for_a_token(asked: Deployment, context: int) -> None:
    row = [each.usd for each in answers(asked, {context: 10**6}) if each.usd is not None]
    assert row == sorted(row, reverse=True)


@settings(deadline=None, max_examples=40)
@given(st.floats(0.1, 20), st.floats(1.05, 4))
def test_a_larger_load_takes_no_fewer_replicas_and_a_longer_promise_no_more(
    rate: float, factor: float
) -> None:
    asked = deployment("llama-3.1-8b-instruct", "p5.48xlarge", 1)
    load = Load(rate, 1000, 200, ttft_seconds=0.5, itl_seconds=0.05)
    few = replicas(asked, load, 200)
    many = replicas(asked, replace(load, requests_per_second=rate * factor), 200)
    patient = replicas(asked, replace(load, ttft_seconds=load.ttft_seconds * factor), 200)
    assert isinstance(few, Sizing)
    assert isinstance(many, Sizing)
    assert isinstance(patient, Sizing)
    assert patient.replicas <= few.replicas <= many.replicas
    assert few.ttft <= load.ttft_seconds
    assert few.itl <= load.itl_seconds


@given(st.integers(1, 300), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_waiting_gets_likelier_with_load_and_rarer_with_servers(
    servers: int, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert 0 <= erlang_c(servers, servers * low) <= erlang_c(servers, servers * high) <= 1
    assert erlang_c(servers + 1, servers * low) <= erlang_c(servers, servers * low)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 16))
def test_more_accepted_guesses_give_no_fewer_tokens(one: float, other: float, guesses: int) -> None:
    low, high = sorted((one, other))
    assert 1 <= tokens_a_step(low, guesses) <= tokens_a_step(high, guesses) <= guesses + 1
    assert speedup(low, guesses, 1.0, 1.5) <= speedup(high, guesses, 1.0, 1.5)
