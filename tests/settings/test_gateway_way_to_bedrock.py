"""A route that asks Bedrock has a way to it, or the stack is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bastide.plans import gateway_surroundings
from bastide.plans.endpoints import BEDROCK, DEFAULT_SERVICES, policy
from bastide.settings import Settings, SettingsError, read_stack_file

SANDBOX = read_stack_file(Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml")
ENDPOINTS = "network.interfaceEndpoints"


def hosted(name: str, kind: str, region: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "model": "amazon.nova-lite-v1:0",
        "region": region,
        "contextTokens": 8192,
        "agreement": {
            "zeroRetention": True,
            "trainsOnData": False,
            "classes": ["public"],
            "document": "a test",
            "date": "2026-11-21",
        },
        "price": {"inputPerMillion": 1, "outputPerMillion": 2, "source": "a test", "read": "2026-11-21"},
        **more,
    }


NEAR = hosted("near", "bedrock", "us-east-1")
FAR = hosted("far", "bedrock", "us-west-2")
GPT = hosted("gpt", "openAi", "us")
ODD = hosted("odd", "openAiCompatible", "us", url="https://llm.example.com:8443/v1")


def raw(*given: dict[str, Any], routes: bool = True, **network: Any) -> dict[str, Any]:
    asked = [{"name": "chat"}, *({"name": each["name"], "order": 2} for each in given if routes)]
    return {
        **SANDBOX,
        "network": {**SANDBOX["network"], **network},
        "hosted": list(given),
        "routes": [{"name": "chat", "deployments": asked}],
        "dataClasses": {"public": {"regions": ["us-east-1", "us-west-2", "us"], "hosted": "any"}},
        "gateway": {"enabled": True},
    }


def told(given: dict[str, Any]) -> dict[str, str]:
    try:
        Settings.load(given)
    except SettingsError as refused:
        return {each.path: each.message for each in refused.problems}
    return {}


@pytest.mark.parametrize("given", [[NEAR], [NEAR, ODD]], ids=["alone", "another port is open"])
def test_without_an_endpoint_and_with_the_internet_closed_it_is_refused(given: list[dict[str, Any]]) -> None:
    said = told(raw(*given))
    assert said.keys() == {ENDPOINTS}
    assert "has no 'bedrock-runtime' while a route asks 'near'" in said[ENDPOINTS]
    assert "secretsmanager" in said[ENDPOINTS]


@pytest.mark.parametrize(
    "given",
    [
        raw(NEAR, interfaceEndpoints=[*DEFAULT_SERVICES, BEDROCK]),
        raw(NEAR, GPT),
        raw(NEAR, FAR),
        raw(NEAR, routes=False),
        {**raw(NEAR), "gateway": {"enabled": False}},
    ],
    ids=["endpoint", "the internet is open", "open for another region", "nobody asks it", "no gateway"],
)
def test_with_a_way_it_is_taken(given: dict[str, Any]) -> None:
    assert told(given) == {}


def test_without_a_nat_the_endpoint_is_the_only_way_and_to_another_region_there_is_none() -> None:
    said = told(raw(NEAR, FAR, GPT, nat="none"))
    assert "has no 'bedrock-runtime'" in said[ENDPOINTS]
    assert "'us-west-2' while network.nat is 'none'; allowed: 'us-east-1'" in said["hosted[1].region"]
    inside = told(raw(NEAR, nat="none", interfaceEndpoints=[*DEFAULT_SERVICES, BEDROCK]))
    assert not {ENDPOINTS, "hosted[0].region"} & inside.keys()


def test_bedrock_of_another_region_opens_the_internet_and_that_of_ones_own_does_not() -> None:
    inside = raw(NEAR, interfaceEndpoints=[*DEFAULT_SERVICES, BEDROCK])
    assert gateway_surroundings.provider_ports(Settings.load(inside)) == []
    assert gateway_surroundings.provider_ports(Settings.load(raw(FAR))) == [443]


def test_its_endpoint_admits_the_account_alone() -> None:
    assert "aws:PrincipalAccount" in (policy(BEDROCK, "us-east-1", "123456789012") or "")
