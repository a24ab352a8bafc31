"""No setting of routes, hosted deployments, data classes, teams and guards is read by nothing: each, changed alone,
changes what the gateway gets, or what is refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from bastide.plans.routing.document import document
from bastide.plans.routing.litellm_config import config
from bastide.plans.routing.table import table
from bastide.plans.routing.text import text
from bastide.settings import Settings, SettingsError
from bastide.settings.base import Strict
from bastide.settings.data_classes import CLASSES, DataClassesSettings
from bastide.settings.route_guards import GuardSettings, OnFailureSettings
from bastide.settings.route_hosted import HostedSettings
from bastide.settings.routes import RouteSettings
from bastide.settings.teams import TeamSettings
from bastide.settings.variants import variants
from tests.routing.routing_samples import PRICE, TIGHT, Raw, raw

GUARD = {"name": "pii", "module": "bastide_gateway.guards.pii"}
BASE = raw(guards=[GUARD, {**GUARD, "name": "other"}])
NEAR = 5
"""The hosted deployment that is OpenAI-compatible."""

CHANGES: dict[str, tuple[str, Any]] = {
    "route.name": ("routes.1.name", None),
    "route.kind": ("routes.4", {"name": "embed", "deployments": [{"name": "chat"}]}),
    "route.lane": ("routes.3.lane", "batch"),
    "route.deployments": ("routes.3.deployments", [{"name": "haiku"}]),
    "route.classes": ("routes.3.classes", ["public", "internal"]),
    **{f"route.fallbacks.{each}": (f"routes.0.fallbacks.{each}", ["long"]) for each in ("outage", "rateLimit")},
    "route.fallbacks.contextTooLong": ("routes.0.fallbacks.contextTooLong", ["small"]),
    "route.fallbacks.contentPolicy": ("routes.0.fallbacks.contentPolicy", ["small"]),
    "route.fallbacks.quality": ("routes.0.fallbacks.quality", ["small"]),
    "route.timeoutSeconds": ("routes.0.timeoutSeconds", 3),
    "route.firstTokenSeconds": ("routes.0.firstTokenSeconds", 1),
    "route.clientTimeoutSeconds": ("routes.0.clientTimeoutSeconds", 500),
    "route.retries.attempts": ("routes.0.retries", {"attempts": 1}),
    "route.cooldown.failures": ("routes.0.cooldown", {"failures": 2}),
    "route.cooldown.seconds": ("routes.0.cooldown", {"seconds": 16}),
    "route.queue.maxParallel": ("routes.0.queue", {"maxParallel": 9}),
    "route.queue.whenFull": ("routes.0.queue", {"maxParallel": 9, "whenFull": "wait"}),
    "route.queue.maxWaitSeconds": ("routes.5.queue.maxWaitSeconds", 299),
    "route.cache.enabled": ("routes.0.cache.enabled", False),
    "route.cache.ttlSeconds": ("routes.0.cache.ttlSeconds", 301),
    "route.limits.maxBodyBytes": ("routes.0.limits.maxBodyBytes", 2048),
    "route.limits.maxInputTokens": ("routes.0.limits.maxInputTokens", 100),
    "route.limits.maxOutputTokens": ("routes.0.limits.maxOutputTokens", 100),
    "route.limits.maxN": ("routes.0.limits.maxN", 3),
    "route.guards": ("routes.0.guards", ["other"]),
    "class.regions": ("dataClasses.public.regions", ["us-east-1", "us", "us-central1", "eastus", "eu"]),
    "class.hosted": ("dataClasses.public.hosted", "any"),
    "class.cache": ("dataClasses.public.cache", False),
    "class.log": ("dataClasses.public.log", "none"),
    "class.retentionDays": ("dataClasses.public.retentionDays", 31),
    "class.guards": ("dataClasses.public.guards", ["pii"]),
    "team.name": ("teams.0.name", "other"),
    "team.dataClass": ("teams.0.dataClass", "public"),
    "team.routes": ("teams.0.routes", ["chat"]),
    "team.budget.usd": ("teams.0.budget.usd", 101),
    "team.budget.duration": ("teams.0.budget.duration", "7d"),
    "team.rpm": ("teams.0.rpm", 601),
    "team.tpm": ("teams.0.tpm", 100_001),
    "team.members": ("teams.0.members", ["ann@example.com"]),
    "guard.name": ("guards.1.name", "third"),
    "guard.module": ("guards.1.module", "bastide_gateway.guards.other"),
    "guard.timeoutMs": ("guards.0.timeoutMs", 100),
    "guard.onFailure": ("guards.0.onFailure", "pass"),
    "guard.settings": ("guards.0.settings", {"url": "http://127.0.0.1:1"}),
    **{f"onFailure.{each}": (f"onFailure.{each}", "pass") for each in ("redis", "database", "log")},
    "hosted.name": ("hosted.0.name", None),
    "hosted.model": (f"hosted.{NEAR}.model", "other"),
    "hosted.region": (f"hosted.{NEAR}.region", "us-central1"),
    "hosted.agreement.zeroRetention": (f"hosted.{NEAR}.agreement", {**TIGHT, "zeroRetention": False}),
    "hosted.agreement.trainsOnData": (f"hosted.{NEAR}.agreement", {**TIGHT, "trainsOnData": True}),
    "hosted.agreement.classes": (f"hosted.{NEAR}.agreement.classes", ["public"]),
    "hosted.agreement.document": (f"hosted.{NEAR}.agreement.document", "another contract"),
    "hosted.agreement.date": (f"hosted.{NEAR}.agreement.date", "2026-01-02"),
    "hosted.price.inputPerMillion": (f"hosted.{NEAR}.price", {**PRICE, "inputPerMillion": 1}),
    "hosted.price.outputPerMillion": (f"hosted.{NEAR}.price", {**PRICE, "outputPerMillion": 1}),
    "hosted.price.source": (f"hosted.{NEAR}.price.source", "another page"),
    "hosted.price.read": (f"hosted.{NEAR}.price.read", "2026-07-02"),
    "hosted.contextTokens": (f"hosted.{NEAR}.contextTokens", 1000),
    "hosted.runner": (f"hosted.{NEAR}.runner", "embed"),
    "hosted.limits.rpm": (f"hosted.{NEAR}.limits", {"rpm": 5}),
    "hosted.limits.tpm": (f"hosted.{NEAR}.limits", {"tpm": 5}),
    "hosted.kind": ("hosted.4.kind", "openAi"),
    "hosted.secret": (f"hosted.{NEAR}.secret", "shared"),
    "hosted.url": (f"hosted.{NEAR}.url", "https://other.example.com/v1"),
    "hosted.needsKey": (f"hosted.{NEAR}.needsKey", False),
    "hosted.project": ("hosted.2.project", "another-project"),
    "hosted.endpoint": ("hosted.3.endpoint", "https://other.openai.azure.com"),
    "hosted.apiVersion": ("hosted.3.apiVersion", "v1"),
    "hosted.organization": ("hosted.0.organization", "org"),
}  # fmt: skip
"""By setting: where in the stack, and the other value; None for a name, whose change is refused where it is used."""


def leaves(model: type[Strict], before: str) -> set[str]:
    found: set[str] = set()
    for key, info in model.model_fields.items():
        name = f"{before}.{info.alias or key}"
        kinds = [info.annotation, *getattr(info.annotation, "__args__", ())]
        inner = [each for each in kinds if isinstance(each, type) and issubclass(each, Strict)]
        found |= leaves(inner[0], name) if inner and name != "route.deployments" else {name}
    return found


def told(stack: Raw) -> str:
    try:
        settings = Settings.load(stack)
    except SettingsError as error:
        return str(error)
    found = table(settings)
    return json.dumps(
        [document(settings, found), config(settings, found), text(settings, found)], sort_keys=True
    )


def changed(path: str, value: Any) -> Raw:
    stack = copy.deepcopy(BASE)
    *parts, last = path.split(".")
    node: Any = stack
    for each in parts:
        node = node[int(each)] if isinstance(node, list) else node.setdefault(each, {})
    node[int(last) if isinstance(node, list) else last] = "renamed" if value is None else value
    return stack


def test_every_setting_has_a_change() -> None:
    known = {each for model in variants(HostedSettings).values() for each in leaves(model, "hosted")}
    known |= leaves(RouteSettings, "route") | leaves(TeamSettings, "team") | leaves(GuardSettings, "guard")
    known |= leaves(OnFailureSettings, "onFailure")
    known |= leaves(DataClassesSettings.model_fields["public"].annotation or Strict, "class")
    assert known == set(CHANGES)
    assert tuple(DataClassesSettings.model_fields) == CLASSES


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_changes_what_the_gateway_gets_or_what_is_refused(name: str) -> None:
    path, value = CHANGES[name]
    assert told(changed(path, value)) != told(BASE)


@pytest.mark.parametrize("key", ["adapter", "order", "weight", "regressed"])
def test_a_setting_of_a_deployment_behind_a_route_counts(key: str) -> None:
    value = {"adapter": "sql", "order": 3, "weight": 7, "regressed": True}[key]
    assert told(changed(f"routes.1.deployments.1.{key}", value)) != told(BASE)


def test_what_is_told_of_one_stack_is_always_the_same() -> None:
    assert told(BASE) == told(copy.deepcopy(BASE))
    assert told(BASE).startswith("[")
