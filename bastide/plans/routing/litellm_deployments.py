"""A deployment in a group, as an entry of LiteLLM's `model_list`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from bastide.plans.gateway import engine_url
from bastide.plans.routing.table import Candidate, Group, Table
from bastide.settings import Settings
from bastide.settings.route_hosted import AzureOpenAi, Bedrock, HostedBase, OpenAi, OpenAiCompatible, Vertex

OPENAI_HOSTS: Final = {"global": "api.openai.com", "us": "us.api.openai.com", "eu": "eu.api.openai.com"}
"""By region (OpenAI, "Your data": data residency, which needs a project of that region)."""

NO_KEY: Final = "none"
"""What is sent where no key is needed: without a value LiteLLM would send OpenAI's, if there is one."""

COOLING: Final = ("Timeout", "RateLimit", "InternalServer", "ServiceUnavailable", "BadGateway")
"""Errors that count as a deployment's own. Named one by one, because LiteLLM never leaves out the only deployment of
a group by a plain number: a hung one would then cost the whole time-out at every request before the fallback."""


def entry(settings: Settings, whole: Table, group: Group, candidate: Candidate) -> dict[str, Any]:
    """The entry of a deployment in a group."""
    route = whole.routes[group.route].settings
    deployment = candidate.deployment
    first_token = route.first_token_seconds or route.timeout_seconds
    return {
        "model_name": group.name,
        "litellm_params": {
            **_provider(settings, candidate),
            "order": candidate.order,
            "weight": candidate.weight,
            "timeout": route.timeout_seconds,
            "stream_timeout": first_token,
            # The router counts tries; the client library below it must not try by itself.
            "max_retries": 0,
        },
        "model_info": {
            "id": f"{deployment.name}@{group.name}",
            # Not in litellm_params, from which LiteLLM registers them anew at every try (3 ms of a processor).
            "input_cost_per_token": float(deployment.price.input),
            "output_cost_per_token": float(deployment.price.output),
            "mode": "embedding" if deployment.runner == "embed" else "chat",
            "max_input_tokens": deployment.context,
            "bastide": {
                "deployment": deployment.name,
                "route": group.route,
                "class": group.data_class,
                "hosting": deployment.hosting,
                "region": deployment.region,
            },
            **_cooldown(whole, group),
        },
    }


def _cooldown(whole: Table, group: Group) -> dict[str, Any]:
    wanted = whole.routes[group.route].settings.cooldown
    if len(group.candidates) == 1 and not group.fallbacks:
        # Left out, there would be nobody: a try that may succeed is better than a refusal that cannot.
        return {"allowed_fails": wanted.failures, "cooldown_time": 0}
    policy = {f"{each}ErrorAllowedFails": wanted.failures for each in COOLING}
    return {"allowed_fails_policy": policy, "cooldown_time": wanted.seconds}


def _provider(settings: Settings, candidate: Candidate) -> dict[str, Any]:
    """Which program or provider is asked, where, and with which key."""
    name = candidate.deployment.name
    hosted = next((each for each in settings.hosted if each.name == name), None)
    if hosted is None:
        engine = next(each for each in settings.engines if each.name == name)
        kind = "hosted_vllm" if engine.kind == "vllm" else "openai"
        return {
            "model": f"{kind}/{candidate.model}",
            "api_base": engine_url(settings, name),
            "api_key": NO_KEY,
        }
    found = _KINDS[candidate.deployment.kind](hosted)
    limits = {"rpm": hosted.limits.rpm, "tpm": hosted.limits.tpm}
    return found | {key: value for key, value in limits.items() if value is not None}


def environment_name(secret: str) -> str:
    """The environment variable in which the launcher puts a secret's value for LiteLLM."""
    return secret.upper().replace("-", "_")


def _key(secret: str | None) -> str:
    return NO_KEY if secret is None else f"os.environ/{environment_name(secret)}"


def _bedrock(hosted: Bedrock) -> dict[str, Any]:
    way = "bedrock" if hosted.runner == "embed" else "bedrock/converse"
    return {"model": f"{way}/{hosted.model}", "aws_region_name": hosted.region}


def _vertex(hosted: Vertex) -> dict[str, Any]:
    return {
        "model": f"vertex_ai/{hosted.model}",
        "vertex_project": hosted.project,
        "vertex_location": hosted.region,
        "vertex_credentials": _key(hosted.secret_name),
    }


def _azure(hosted: AzureOpenAi) -> dict[str, Any]:
    return {
        "model": f"azure/{hosted.model}",
        "api_base": hosted.endpoint,
        "api_version": hosted.api_version,
        "api_key": _key(hosted.secret_name),
    }


def _openai(hosted: OpenAi) -> dict[str, Any]:
    found = {
        "model": f"openai/{hosted.model}",
        "api_base": f"https://{OPENAI_HOSTS[hosted.region]}/v1",
        "api_key": _key(hosted.secret_name),
    }
    return found if hosted.organization is None else {**found, "organization": hosted.organization}


def _together(hosted: Any) -> dict[str, Any]:
    return {"model": f"together_ai/{hosted.model}", "api_key": _key(hosted.secret_name)}


def _compatible(hosted: OpenAiCompatible) -> dict[str, Any]:
    return {
        "model": f"openai/{hosted.model}",
        "api_base": hosted.url,
        "api_key": _key(hosted.secret_name),
    }


_KINDS: Final[dict[str, Callable[[Any], dict[str, Any]]]] = {
    "bedrock": _bedrock,
    "vertex": _vertex,
    "azureOpenAi": _azure,
    "openAi": _openai,
    "together": _together,
    "openAiCompatible": _compatible,
}


__all__ = ["HostedBase", "entry", "environment_name"]
