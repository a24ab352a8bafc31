"""A stack with every kind of hosted deployment and route, for the tests of the route table."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from bastide.settings import Settings, read_stack_file

STACKS = Path(__file__).parents[2] / "stacks"
PRICE = {"inputPerMillion": 0.15, "outputPerMillion": 0.6, "source": "a price page", "read": "2026-07-01"}
OWN = {"inputPerMillion": 10, "outputPerMillion": 30, "source": "by hand", "read": "2026-07-01"}
LOOSE = {
    "trainsOnData": False,
    "classes": ["public", "internal"],
    "document": "terms 1",
    "date": "2026-01-01",
}
TIGHT = {
    "zeroRetention": True,
    "trainsOnData": False,
    "classes": ["public", "internal", "confidential"],
    "document": "contract 2",
    "date": "2026-01-01",
}

Raw = dict[str, Any]


def hosted(name: str, kind: str = "openAiCompatible", **more: Any) -> Raw:
    found: Raw = {
        "kind": kind,
        "name": name,
        "model": "some-model",
        "region": "us",
        "contextTokens": 128_000,
        "agreement": LOOSE,
        "price": PRICE,
    }
    if kind == "openAiCompatible":
        found |= {"url": "https://llm.example.com/v1"}
    return found | more


HOSTED = [
    hosted("mini", "openAi", model="gpt-4o-mini"),
    hosted("haiku", "bedrock", model="us.anthropic.claude-haiku-4-5", region="us-east-1", agreement=TIGHT),
    hosted("flash", "vertex", model="gemini-2.5-flash", region="us-central1", project="some-project"),
    hosted(
        "azure",
        "azureOpenAi",
        region="eastus",
        endpoint="https://mine.openai.azure.com",
        apiVersion="2024-10-21",
        agreement=TIGHT,
    ),
    hosted("turbo", "together", model="meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    hosted("near", url="https://llm.example.com/v1", agreement=TIGHT),
    hosted("vectors", "openAi", model="text-embedding-3-small", runner="embed", contextTokens=8192),
]
OPEN = ["us-east-1", "us", "us-central1", "eastus"]

ROUTES: list[Raw] = [
    {
        "name": "chat",
        "deployments": [{"name": "chat"}, {"name": "near", "order": 2}],
        "timeoutSeconds": 4,
        "fallbacks": {
            "outage": ["small"],
            "contextTooLong": ["long"],
            "contentPolicy": ["lenient"],
        },
        "limits": {"maxOutputTokens": 256, "maxN": 2},
        "cache": {"enabled": True},
    },
    {
        "name": "small",
        "deployments": [{"name": "mini"}, {"name": "turbo", "weight": 0}],
        "timeoutSeconds": 5,
    },
    {"name": "long", "deployments": [{"name": "flash"}, {"name": "haiku"}], "retries": {"attempts": 0}},
    {"name": "lenient", "deployments": [{"name": "azure"}], "retries": {"attempts": 1}},
    {"name": "embed", "kind": "embedding", "deployments": [{"name": "embed"}]},
    {
        "name": "night",
        "kind": "batch",
        "deployments": [{"name": "chat"}],
        "queue": {"whenFull": "wait", "maxParallel": 4, "maxWaitSeconds": 300},
    },
]
TEAMS: list[Raw] = [
    {
        "name": "research",
        "dataClass": "internal",
        "routes": ["chat", "embed", "night"],
        "budget": {"usd": 100},
        "rpm": 600,
        "tpm": 100_000,
    },
    {"name": "clinic", "routes": ["chat"]},
]


def raw(**changes: Any) -> Raw:
    """The live sandbox's stack with routes, and changes to whole settings."""
    found = copy.deepcopy(read_stack_file(STACKS / "Pulumi.sandbox-live.yaml"))
    found["engines"] = [{**each, "price": OWN} for each in found["engines"]]
    own: Raw = {
        "hosted": HOSTED,
        "routes": ROUTES,
        "teams": TEAMS,
        "dataClasses": {
            "public": {"regions": OPEN},
            "internal": {"regions": OPEN},
            "confidential": {"regions": OPEN},
        },
    }
    return {**found, **copy.deepcopy({**own, **changes})}


def sample(**changes: Any) -> Settings:
    return Settings.load(raw(**changes))
