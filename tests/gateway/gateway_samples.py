"""A small routes.json and the config.yaml that goes with it: what the gateway's tests run on."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from bastide_gateway import document
from bastide_gateway.call import Call, Caller
from bastide_gateway.document import Document

INPUT: Final = "0.0000001"
OUTPUT: Final = "0.0000002"
ALL: Final = ["public", "internal", "confidential", "regulated"]
LIMITS: Final = {"maxInputTokens": 400, "maxOutputTokens": 50, "maxN": 2, "maxBodyBytes": 20_000}


def _route(name: str, classes: list[str], candidates: list[str], **more: Any) -> dict[str, Any]:
    return {
        "kind": "chat",
        "lane": "serving",
        "groups": {held: f"{name}@{held}" for held in classes},
        "candidates": dict.fromkeys(classes, candidates),
        "fallbacks": {},
        "limits": LIMITS,
        "firstTokenSeconds": 3,
        "clientTimeoutSeconds": 10,
        "cache": {"enabled": False, "ttlSeconds": 60},
        "guards": [],
    } | more


def _deployment(classes: list[str], price: str, output: str, **more: Any) -> dict[str, Any]:
    return {
        "kind": "engine",
        "region": "us-east-1",
        "classes": classes,
        "inputPrice": price,
        "outputPrice": output,
        "contextTokens": 512,
    } | more


RAW: Final[dict[str, Any]] = {
    "version": 1,
    "classHeader": "x-data-class",
    "classes": {
        "public": {"cache": True, "log": "metadata", "guards": []},
        "internal": {"cache": True, "log": "metadata", "guards": []},
        "confidential": {"cache": False, "log": "metadata", "guards": []},
        "regulated": {"cache": False, "log": "metadata", "guards": []},
    },
    "routes": {
        "chat": _route(
            "chat", ["public", "regulated"], ["engine"], fallbacks={"public": {"outage": ["hosted@public"]}}
        ),
        "hosted": _route("hosted", ["public"], ["outside"]),
        "kept": _route(
            "kept", ["public", "regulated"], ["engine"], cache={"enabled": True, "ttlSeconds": 60}
        ),
        "quick": _route(
            "quick",
            ["public", "regulated"],
            ["engine", "second"],
            firstTokenSeconds=1,
            fallbacks={"public": {"outage": ["hosted@public"]}},
        ),
        "private": _route("private", ["public"], ["engine"]),
        "embed": _route("embed", ["public"], ["embedder"], kind="embedding"),
    },
    "deployments": {
        "engine": _deployment(ALL, INPUT, OUTPUT),
        "second": _deployment(ALL, INPUT, OUTPUT),
        "embedder": _deployment(["public"], INPUT, "0"),
        "outside": _deployment(["public"], "0.000001", "0.000002", kind="openai", contextTokens=128_000),
    },
    "refused": {"chat": {"confidential": {"outside": "its agreement does not cover it"}}},
    "guards": [],
    "teams": {
        "open": {"class": "public", "routes": ["chat", "hosted", "kept", "quick", "private", "embed"]},
        "other": {"class": "public", "routes": ["chat", "kept"]},
        "closed": {"class": "regulated", "routes": ["chat", "kept", "quick"]},
    },
    "onFailure": {"redis": "refuse", "database": "refuse", "log": "refuse"},
}


def raw(**changed: Any) -> dict[str, Any]:
    """The document, with parts of its top level replaced."""
    return deepcopy(RAW) | changed


def table(**changed: Any) -> Document:
    """The document, read."""
    return document.parse(raw(**changed))


def call(model: str = "chat", team: str | None = "open", **more: Any) -> Call:
    """A request of a team."""
    return Call("id-1", model=model, caller=Caller("0" * 64, team, team), **more)


def config(upstream: str) -> dict[str, Any]:
    """LiteLLM's configuration for the document; every deployment is a folder of the upstream."""
    return {
        "model_list": [
            _entry(upstream, "chat@public", "engine"),
            _entry(upstream, "chat@regulated", "engine"),
            _entry(upstream, "hosted@public", "outside"),
            _entry(upstream, "kept@public", "engine"),
            _entry(upstream, "kept@regulated", "engine"),
            _entry(upstream, "quick@public", "engine"),
            _entry(upstream, "quick@public", "second"),
            _entry(upstream, "quick@regulated", "engine"),
            _entry(upstream, "quick@regulated", "second"),
            _entry(upstream, "private@public", "engine"),
            _entry(upstream, "embed@public", "embedder"),
        ],
        "router_settings": {
            "routing_strategy": "simple-shuffle",
            "num_retries": 1,
            "retry_after": 0,
            "timeout": 3,
            "allowed_fails": 100,
            "fallbacks": [{"chat@public": ["hosted@public"]}, {"quick@public": ["hosted@public"]}],
        },
        "litellm_settings": {
            "callbacks": ["bastide_gateway.callbacks.gateway", "prometheus"],
            "json_logs": True,
            "drop_params": True,
            "turn_off_message_logging": True,
        },
        "general_settings": {
            "master_key": "os.environ/LITELLM_MASTER_KEY",
            "database_url": "os.environ/DATABASE_URL",
            "store_model_in_db": False,
            "disable_error_logs": True,
            "proxy_batch_write_at": 1,
        },
    }


def _entry(upstream: str, group: str, deployment: str) -> dict[str, Any]:
    held = RAW["deployments"][deployment]
    return {
        "model_name": group,
        "litellm_params": {
            "model": "openai/outside" if deployment == "outside" else f"hosted_vllm/{deployment}",
            "api_base": f"{upstream}/{deployment}/v1",
            "api_key": "upstream-key",
            **({"timeout": 3, "stream_timeout": 1} if group.startswith("quick@") else {}),
        },
        "model_info": {
            "id": f"{deployment}@{group}",
            "input_cost_per_token": float(held["inputPrice"]),
            "output_cost_per_token": float(held["outputPrice"]),
        },
    }
