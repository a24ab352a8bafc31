"""config.yaml, LiteLLM's own, judged before LiteLLM reads it: it drops what it cannot load, and starts
all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from bastide_gateway.document import Document
from bastide_gateway.errors import StartError

CALLBACK: Final = "bastide_gateway.callbacks.gateway"
CALLBACKS: Final = (CALLBACK, "prometheus")
"""What may hang in LiteLLM. Guards hang in our own frame, by routes.json."""


def read(path: Path) -> dict[str, Any]:
    """Reads the file. Raises `StartError`."""
    try:
        config = yaml.safe_load(path.read_text())
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise StartError(f"{path} is not YAML: {error}") from error
    if not isinstance(config, dict):
        raise StartError(f"{path} is not a mapping; it is rendered by `bastide plan routes`")
    return config


def check(config: Mapping[str, Any], document: Document) -> None:
    """Raises `StartError` for what LiteLLM would drop, or obey and leave the document behind."""
    settings = config.get("litellm_settings") or {}
    general = config.get("general_settings") or {}
    router = config.get("router_settings") or {}
    named = list(settings.get("callbacks") or [])
    for name in ("success_callback", "failure_callback", "service_callback"):
        named += settings.get(name) or []
    unknown = sorted({str(name) for name in named} - set(CALLBACKS))
    if unknown:
        raise StartError(
            f"config.yaml: litellm_settings.callbacks names {', '.join(unknown)}; allowed: "
            f"{', '.join(CALLBACKS)}; a guard "
            "is configured in routes.json's guards, where one that cannot be loaded keeps the gateway from "
            "starting"
        )
    if CALLBACK not in named:
        raise StartError(
            f"config.yaml: litellm_settings.callbacks lacks {CALLBACK}, without which nothing is enforced"
        )
    if config.get("guardrails"):
        raise StartError(
            "config.yaml: guardrails is not empty; LiteLLM drops one that does not load, so guards stand "
            "in routes.json's "
            "guards alone"
        )
    if general.get("store_model_in_db"):
        raise StartError(
            "config.yaml: general_settings.store_model_in_db is true: a database could add deployments to "
            "a class"
        )
    if general.get("disable_error_logs") is not True or general.get("store_prompts_in_spend_logs"):
        raise StartError(
            "config.yaml: general_settings needs disable_error_logs: true and no store_prompts_in_spend_logs: what an "
            "upstream says of an error can repeat the request's text, and the database is no place for either"
        )
    auth = general.get("custom_auth")
    if auth is not None and not str(auth).startswith("bastide_gateway."):
        raise StartError(
            f"config.yaml: general_settings.custom_auth is {auth!r}; allowed: one of bastide_gateway.guards"
        )
    for where, part in (("litellm_settings", settings), ("router_settings", router)):
        for name in ("default_fallbacks", "model_group_alias"):
            if part.get(name):
                raise StartError(
                    f"config.yaml: {where}.{name} is set; it knows no data class; use routes' fallbacks"
                )
        if (
            part.get("redis_host")
            or part.get("redis_url")
            or (where == "litellm_settings" and part.get("cache"))
        ):
            raise StartError(
                f"config.yaml: {where} gives LiteLLM a Redis or a cache of its own; ours is bounded in time "
                "and knows tenants "
                "(environment variables REDIS_*, routes' cache)"
            )
    _groups(config, document)


def _groups(config: Mapping[str, Any], document: Document) -> None:
    known = {group for route in document.routes.values() for group in route.groups.values()}
    known |= {
        group
        for route in document.routes.values()
        for kinds in route.fallbacks.values()
        for groups in kinds.values()
        for group in groups
    }
    seen = set()
    for index, entry in enumerate(config.get("model_list") or []):
        group = str(entry.get("model_name"))
        path = f"config.yaml: model_list[{index}]"
        if group not in known:
            raise StartError(
                f"{path}.model_name: {group!r} is no group of routes.json; render both files together"
            )
        seen.add(group)
        identity = str((entry.get("model_info") or {}).get("id", ""))
        deployment, _, of = identity.partition("@")
        if of != group:
            raise StartError(f"{path}.model_info.id: {identity!r} is not DEPLOYMENT@{group}")
        held = document.deployments.get(deployment)
        if held is None or group.rpartition("@")[2] not in held.classes:
            raise StartError(
                f"{path}: the deployment {deployment!r} may not be in the group {group!r}, by routes.json"
            )
    lacking = sorted({group for route in document.routes.values() for group in route.groups.values()} - seen)
    if lacking:
        raise StartError(
            f"config.yaml: model_list has no deployment for {', '.join(lacking)}; render both files together"
        )
    for name, group, targets in _fallbacks(config):
        for target in targets:
            if str(target).rpartition("@")[2] != str(group).rpartition("@")[2] or "@" not in str(target):
                raise StartError(f"config.yaml: {name}: from {group!r} to {target!r} leaves the data class")


def _fallbacks(config: Mapping[str, Any]) -> Iterator[tuple[str, str, list[Any]]]:
    for part in ("router_settings", "litellm_settings"):
        for name in ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks"):
            for entry in (config.get(part) or {}).get(name) or []:
                for group, targets in entry.items():
                    yield f"{part}.{name}", group, targets
