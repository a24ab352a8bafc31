"""What is named instead is held to the load and the promise that it is named for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bastide.plans.capacity.alternatives import Alternative, keeps
from bastide.plans.capacity.deployment import Deployment, Load
from bastide.plans.capacity.documents import document
from bastide.plans.capacity.memory import memory
from bastide.plans.capacity.plan import plan
from bastide.plans.capacity.queueing import Sizing, machines
from bastide.plans.capacity.report import nearest, text
from tests.capacity.capacity_shapes import deployment

LARGE = "llama-3.3-70b-instruct"
LOAD = Load(20, 1000, 250)


def asked(machine: str = "p5.48xlarge", tensor: int = 8, load: Load = LOAD, **more: Any) -> Deployment:
    return replace(deployment(LARGE, machine, tensor, **more), load=load)


def kept(each: Alternative, load: Load) -> bool:
    """By the queueing model, asked again."""
    found = keeps(each.deployment, memory(each.deployment))
    return isinstance(found, Sizing) and found.ttft <= load.ttft_seconds and found.itl <= load.itl_seconds


def test_cheaper_places_keep_the_promise_and_their_price_is_that_of_all_replicas() -> None:
    found = plan(asked())
    free = plan(replace(asked(), load=None))
    assert found.alternatives
    assert isinstance(found.sizing, Sizing)
    paid = 55.04 * found.sizing.replicas
    for each in found.alternatives:
        assert kept(each, LOAD)
        assert each.sizing is not None
        hourly = each.deployment.machine.hourly
        assert hourly is not None
        assert each.hourly == pytest.approx(hourly * machines(each.deployment, each.sizing.replicas))
        assert hourly * machines(each.deployment, each.sizing.replicas) < paid
    # Without a load the cheapest place is one whose prompts alone would break this promise.
    cheapest = free.alternatives[0].deployment
    assert isinstance(keeps(replace(cheapest, load=LOAD), memory(cheapest)), str)
    assert cheapest not in [replace(each.deployment, load=None) for each in found.alternatives]


def test_a_promise_that_the_deployment_breaks_is_kept_by_what_is_named() -> None:
    fast = replace(LOAD, requests_per_second=3, itl_seconds=0.03)
    found = plan(asked("g6e.12xlarge", 4, fast))
    assert isinstance(found.sizing, str)
    assert found.alternatives
    assert all(kept(each, fast) for each in found.alternatives)
    assert "would keep the promise, for the same model and length" in text(found)


def test_a_refused_deployment_names_only_what_keeps_its_load() -> None:
    refused = asked(tensor=16)
    found = plan(refused)
    assert not found.works
    assert found.alternatives
    assert all(kept(each, LOAD) for each in found.alternatives)
    assert "would work and keep the promise, cheapest first:" in text(found)
    assert "replica" in nearest(refused)
    assert all(each["replicas"] >= 1 for each in document(found)["alternatives"])


def test_a_load_that_nothing_keeps_is_said() -> None:
    never = replace(LOAD, itl_seconds=0.0005)
    assert nearest(asked(tensor=16, load=never)).startswith("; nothing near it works at this load either")
    assert plan(asked(load=never)).alternatives == ()


def test_a_shorter_length_does_not_keep_longer_requests() -> None:
    short = asked(load=replace(LOAD, prompt_tokens=8000), max_model_len=4096)
    found = keeps(short, memory(short))
    assert found == "its requests of 8,250 tokens are longer than 4,096"
