"""LiteLLM's config.yaml: one renderer of the route table.

Each route and class is a model group ROUTE@CLASS with only the deployments that the class may use, and its fallbacks
name groups of the same class: so LiteLLM cannot leave a class, even if a callback were wrong. Nothing here needs a
paid licence, and secrets are only named, by `os.environ/NAME`. Every key is one of LiteLLM 1.106.2's: the real one
loads this in tests/routing/."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import yaml

from bastide.plans.routing.litellm_deployments import entry
from bastide.plans.routing.table import Group, Table, table
from bastide.settings import Settings
from bastide.settings.route_traffic import Failure

CALLBACKS: Final = ("bastide_gateway.callbacks.gateway", "prometheus")
"""Ours, and LiteLLM's own metrics."""

NEVER_RETRIED: Final = ("BadRequestError", "ContentPolicyViolationError")
"""Failures that are the request's own: another try would fail alike. A prompt that is too long is one of them."""


def config(settings: Settings, found: Table | None = None) -> dict[str, Any]:
    """The configuration. `found` is the settings' table, where it is there already."""
    whole = found or table(settings)
    return {
        "model_list": [
            entry(settings, whole, group, each) for group in whole.groups() for each in group.candidates
        ],
        "router_settings": _router(whole),
        "litellm_settings": _module(whole),
        "general_settings": _general(settings),
    }


def rendered(settings: Settings) -> str:
    """The configuration as a file: the same for the same settings."""
    return yaml.safe_dump(config(settings), sort_keys=False, width=110)


def _router(whole: Table) -> dict[str, Any]:
    groups = list(whole.groups())
    outage = _by_group((each, _joined(each)) for each in groups)
    return {
        # Weights alone. Cooldowns are each pod's own: a shared one would need Redis to answer.
        "routing_strategy": "simple-shuffle",
        "num_retries": 0,
        "model_group_retry_policy": {each.name: _retries(whole, each) for each in groups},
        "retry_after": 0,
        "timeout": _longest(whole),
        "max_fallbacks": max(1, len(groups)),
        "fallbacks": outage,
        "context_window_fallbacks": _by_group(
            (each, each.fallbacks.get("contextTooLong", ())) for each in groups
        ),
        "content_policy_fallbacks": _by_group(
            (each, each.fallbacks.get("contentPolicy", ())) for each in groups
        ),
    }


def _by_group(found: Iterable[tuple[Group, tuple[str, ...]]]) -> list[dict[str, list[str]]]:
    return [{group.name: list(names)} for group, names in found if names]


def _joined(group: Group) -> tuple[str, ...]:
    """LiteLLM has one list for outages and rate limits; the settings' are the same (checks/routes_fallbacks.py)."""
    kinds: tuple[Failure, ...] = ("outage", "rateLimit")
    return tuple(dict.fromkeys(name for kind in kinds for name in group.fallbacks.get(kind, ())))


def _retries(whole: Table, group: Group) -> dict[str, int]:
    attempts = whole.routes[group.route].settings.retries.attempts
    return {f"{each}Retries": 0 for each in NEVER_RETRIED} | {"DefaultRetries": attempts}


def _longest(whole: Table) -> float:
    """Seconds of the longest try of any route; each deployment has its route's own."""
    return max((each.settings.timeout_seconds for each in whole.routes.values()), default=60)


def _module(whole: Table) -> dict[str, Any]:
    return {
        "callbacks": list(CALLBACKS),
        "request_timeout": _longest(whole),
        # A fallback to another provider must not fail because of a sampling parameter that it does not know.
        "drop_params": True,
        # Text belongs into no log, no trace and no error.
        "turn_off_message_logging": True,
        "log_raw_request_response": False,
        "redact_messages_in_exceptions": True,
        "expose_router_debug_in_errors": False,
        "json_logs": True,
        # Our own cache stands apart by tenant and class; LiteLLM's is shared by all.
        "cache": False,
        # No look-ups and no downloads on the way of a request.
        "telemetry": False,
        "disable_hf_tokenizer_download": True,
    }


def _general(settings: Settings) -> dict[str, Any]:
    failing = settings.on_failure
    return {
        "master_key": "os.environ/LITELLM_MASTER_KEY",
        "database_url": "os.environ/DATABASE_URL",
        # This file alone says what there is: nothing is added at run time.
        "store_model_in_db": False,
        # No Redis of LiteLLM's own, whose time nobody bounds: our callbacks count over all pods.
        "fail_closed_rate_limit_enforcement": failing.redis == "refuse",
        "allow_requests_on_db_unavailable": failing.database == "pass",
        "store_prompts_in_spend_logs": False,
        # What an upstream says of an error can repeat text; the log of decisions has every failure without it.
        "disable_error_logs": True,
        # A stream's tokens are counted by who made them, so that spend is true.
        "always_include_stream_usage": True,
        "reject_clientside_metadata_tags": True,
        "background_health_checks": False,
        "infer_model_from_keys": False,
        "enable_public_model_hub": False,
        "disable_master_key_return": True,
    }
