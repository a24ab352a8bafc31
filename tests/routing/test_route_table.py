"""The resolved table: who may use what, in which order, at what price, and why not."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from bastide.plans.capacity.costs import replica_hourly
from bastide.plans.capacity.of_engine import deployment
from bastide.plans.routing import litellm_config, prices
from bastide.plans.routing.document import amount, document, rendered
from bastide.plans.routing.notes import notes
from bastide.plans.routing.table import Group, table
from bastide.plans.routing.text import text
from bastide.settings import Settings
from bastide.settings.data_classes import CLASSES, DataClass
from tests.routing.routing_samples import raw, sample

LOAD = {"requestsPerSecond": 2, "promptTokens": 100, "answerTokens": 50}


def group(route: str, data_class: DataClass, settings: Settings | None = None) -> Group:
    return table(settings or sample()).routes[route].groups[data_class]


def names(found: Group) -> list[str]:
    return [each.deployment.name for each in found.candidates]


def test_a_class_gets_only_what_it_may_use_in_the_order_of_the_settings() -> None:
    assert {each: names(group("chat", each)) for each in CLASSES} == {
        "public": ["chat", "near"],
        "internal": ["chat", "near"],
        "confidential": ["chat", "near"],
        "regulated": ["chat"],
    }
    assert names(group("long", "confidential")) == ["haiku"]
    assert names(group("small", "confidential")) == []


@pytest.mark.parametrize("data_class", CLASSES)
def test_no_group_has_a_deployment_that_its_class_may_not_use(data_class: DataClass) -> None:
    settings = sample()
    rule = settings.data_classes.of(data_class)
    for route in table(settings).routes.values():
        for each in route.groups[data_class].candidates:
            agreement = each.deployment.agreement
            assert each.deployment.region in (rule.regions or (settings.region,))
            if agreement is not None:
                assert rule.hosted != "never"
                assert data_class in agreement.classes
                assert agreement.zero_retention or rule.hosted != "zeroRetention"
                assert not agreement.trains_on_data


def test_fallbacks_are_groups_of_the_same_class_that_have_a_deployment() -> None:
    found = table(sample())
    with_deployment = {each.name for each in found.groups()}
    for each in found.groups():
        for others in each.fallbacks.values():
            assert set(others) <= with_deployment
            assert {name.partition("@")[2] for name in others} == {each.data_class}
    assert group("chat", "public").fallbacks["rateLimit"] == ("small@public",)
    assert "outage" not in group("chat", "confidential").fallbacks
    assert group("chat", "regulated").fallbacks == {}


@pytest.mark.parametrize(
    ("data_class", "change", "why"),
    [
        ("regulated", {}, "regulated data goes to no hosted deployment"),
        ("confidential", {"agreement": {"zeroRetention": False}}, "needs an agreement on zero retention"),
        ("internal", {"agreement": {"trainsOnData": True, "zeroRetention": False}}, "nobody trains on it"),
        ("public", {"agreement": {"classes": ["internal"]}}, "the agreement does not cover public data"),
        ("public", {"region": "eu"}, "stays in us-east-1, us, us-central1, eastus, and this is in eu"),
    ],
)
def test_a_refusal_says_why(data_class: DataClass, change: dict[str, Any], why: str) -> None:
    stack = raw()
    near = next(each for each in stack["hosted"] if each["name"] == "near")
    near |= {**change, "agreement": {**near["agreement"], **change.get("agreement", {})}}
    assert why in group("chat", data_class, Settings.load(stack)).refused["near"]


def test_an_inference_profile_is_judged_by_its_geography() -> None:
    stack = raw()
    stack["hosted"][1]["model"] = "global.anthropic.claude-haiku-4-5"
    refused = group("long", "public", Settings.load(stack)).refused
    assert "and this is in global" in refused["haiku"]


def test_a_class_that_a_route_does_not_list_is_refused_by_name() -> None:
    stack = raw()
    stack["routes"][0]["classes"] = ["public", "internal"]
    stack["teams"] = stack["teams"][:1]
    found = group("chat", "regulated", Settings.load(stack))
    assert found.candidates == ()
    assert found.why == "route 'chat' serves public, internal only"


def test_a_regressed_deployment_is_left_out_and_the_quality_fallback_answers_when_none_is_left() -> None:
    stack = raw()
    stack["routes"][0]["deployments"][0]["regressed"] = True
    assert names(group("chat", "public", Settings.load(stack))) == ["near"]
    stack["routes"][0]["deployments"][1]["regressed"] = True
    stack["routes"][0]["fallbacks"]["quality"] = ["long", "small"]
    stack["teams"] = stack["teams"][:1]
    found = Settings.load(stack)
    assert names(group("chat", "public", found)) == ["flash", "haiku", "mini", "turbo"]
    assert [each.order for each in group("chat", "public", found).candidates] == [1, 1, 2, 2]
    assert names(group("chat", "confidential", found)) == ["haiku"]
    assert names(group("chat", "regulated", found)) == []


def test_a_load_makes_the_price_what_the_gpus_cost() -> None:
    stack = raw()
    for each in stack["engines"]:
        del each["price"]
    stack["engines"][0] |= {"load": LOAD, "replicas": 2}
    settings = Settings.load(stack)
    price = prices.of_engine(settings, settings.engines[0])
    hourly = replica_hourly(deployment(settings, settings.engines[0]))
    assert hourly is not None
    sold = 2 * 3600 * (100 * price.input + 50 * price.output)
    assert float(sold) == pytest.approx(2 * hourly, rel=1e-3)
    assert "2 replicas over a load of 2 requests a second" in price.source


def test_a_load_beyond_the_replicas_does_not_make_tokens_cheaper_than_the_gpus_can() -> None:
    stack = raw()
    for each in stack["engines"]:
        del each["price"]
    plain = Settings.load(stack)
    stack["engines"][0]["load"] = {**LOAD, "requestsPerSecond": 1e9}
    crowded = Settings.load(stack)
    full = prices.of_engine(crowded, crowded.engines[0])
    assert 0 < full.output < prices.of_engine(plain, plain.engines[0]).output


def test_work_on_which_nobody_waits_is_cheaper() -> None:
    stack = raw()
    for each in stack["engines"]:
        del each["price"]
    serving = Settings.load(stack)
    stack["engines"][0]["lane"] = "batch"
    stack["routes"] = stack["routes"][-1:]
    stack["teams"] = []
    batch = Settings.load(stack)
    one, other = (prices.of_engine(each, each.engines[0]) for each in (serving, batch))
    assert other.output < one.output
    assert "8 at a time" in one.source
    assert "16 at a time" in other.source


def test_an_embedding_engine_sells_prompts_only() -> None:
    stack = raw()
    for each in stack["engines"]:
        del each["price"]
    settings = Settings.load(stack)
    price = prices.of_engine(settings, settings.engines[1])
    assert price.input > 0
    assert price.output == 0


def test_a_price_by_hand_wins_and_is_exact() -> None:
    settings = sample()
    price = prices.of_engine(settings, settings.engines[0])
    assert (price.input, price.output) == (Decimal("0.00001"), Decimal("0.00003"))
    assert price.source == "by hand, 2026-07-01"


def test_the_document_is_stable_json_without_exponents() -> None:
    assert rendered(sample()) == rendered(sample())
    found = json.loads(rendered(sample()))
    for each in found["deployments"].values():
        for key in ("inputPrice", "outputPrice"):
            assert set(each[key]) <= set("0123456789.")
    assert amount(Decimal("1.477E-12")) == "0.000000000001477"
    assert amount(Decimal("100")) == "100"


def test_the_document_says_what_the_table_says() -> None:
    found = document(sample())
    chat = found["routes"]["chat"]
    assert chat["groups"]["regulated"] == "chat@regulated"
    assert chat["candidates"]["public"] == ["chat", "near"]
    assert chat["fallbacks"]["public"]["contextTooLong"] == ["long@public"]
    assert "regulated" not in found["routes"]["small"]["groups"]
    assert found["refused"]["small"]["regulated"]["*"].startswith("regulated data goes to no hosted")
    assert found["refused"]["chat"]["regulated"] == {"near": "regulated data goes to no hosted deployment"}
    assert found["deployments"]["near"]["classes"] == ["public", "internal", "confidential"]
    assert found["deployments"]["chat"]["inputPrice"] == "0.00001"
    assert found["teams"]["clinic"] == {
        "class": "regulated",
        "routes": ["chat"],
        "maxBudgetUsd": None,
        "budgetDuration": None,
        "rpm": None,
        "tpm": None,
        "members": [],
    }
    assert found["classes"]["regulated"]["regions"] == ["us-east-1"]
    assert [each["name"] for each in found["guards"]] == ["pii"]


def test_the_gateway_reads_the_document() -> None:
    from bastide_gateway.document import parse

    found = parse(document(sample()))
    assert set(found.routes) == {"chat", "small", "long", "lenient", "embed", "night"}


def test_the_gateway_takes_litellms_configuration() -> None:
    from bastide_gateway.config_check import check
    from bastide_gateway.document import parse

    check(litellm_config.config(sample()), parse(document(sample())))


def test_the_text_names_every_deployment_refusal_and_team() -> None:
    settings = sample()
    shown = text(settings, table(settings))
    for name in ("chat", "near", "mini", "turbo", "flash", "haiku", "azure", "embed"):
        assert name in shown
    assert "confidential data: refused\n    not mini: the agreement does not cover such data" in shown
    assert "no fallback to small: the agreement does not cover such data (mini, turbo)" in shown
    assert "research             internal" in shown
    assert "1     0%  turbo" in shown


def test_one_deployment_behind_everything_is_told_and_not_refused() -> None:
    only = [{"name": "chat", "deployments": [{"name": "chat"}]}]
    settings = sample(routes=only, teams=[], hosted=[])
    said = notes(settings, table(settings))
    assert any("there is nothing to choose" in each for each in said)
    assert not any("there is nothing to choose" in each for each in notes(sample(), table(sample())))


def test_what_lets_requests_pass_is_told() -> None:
    settings = sample(
        onFailure={"redis": "pass"},
        guards=[{"name": "pii", "module": "bastide_gateway.guards.pii", "onFailure": "pass"}],
    )
    said = "\n".join(notes(settings, table(settings)))
    assert "onFailure.redis is 'pass'" in said
    assert "guard 'pii' lets requests pass unseen" in said
