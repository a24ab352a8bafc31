"""routes.json, which the gateway's callbacks read: the route table as data. This head describes it.

    version        1
    classHeader    "x-data-class": the request's header that may raise the class of the caller's team
    classOrder     ["public", "internal", "confidential", "regulated"], rising. A caller without one has the last
    classes        by class: cache (bool: may answers be kept), log ("metadata" or "none": no decision line is
                   written), retentionDays (of decision lines and of the audit trail), guards (names), regions (where
                   its text may be processed), hosted ("never", "zeroRetention", "noTraining" or "any")
    routes         by public name:
      kind, lane             chat, embedding or batch; serving or batch
      groups                 by class: the model group of LiteLLM, ROUTE@CLASS. A class that is not there is refused
      candidates             by class: names of deployments in the order in which they are tried (equal `orders` are
                             shared by weight)
      orders, weights        by class, by deployment: LiteLLM's `order` (lower first) and `weight`
      fallbacks              by class, by failure (outage, rateLimit, contextTooLong, contentPolicy, quality): groups
                             of the same class, in order. LiteLLM itself knows one list for outage and rateLimit;
                             where they differ the settings are refused, until a callback drops a group that is not
                             meant for the failure that happened. `quality` is used by nobody at run time: a
                             deployment marked `regressed` is left out of the groups, and where none is left the
                             group has the deployments of the quality fallback
      limits                 maxBodyBytes, maxInputTokens, maxOutputTokens, maxN; null: no bound beyond the context
      firstTokenSeconds      to the first token of a stream, by which a try has failed. The time of a whole try is
                             LiteLLM's own, in config.yaml
      clientTimeoutSeconds   how long a client waits at most; all tries together stay below
      retries                further tries in a group after the first
      queue                  maxParallel (requests under way in all gateway pods together; null: no bound), whenFull
                             ("refuse": 429; "wait": held until there is room or maxWaitSeconds are over, then 429),
                             maxWaitSeconds. LiteLLM has no queue that holds over pods: the callback counts in Redis
      cache                  enabled, ttlSeconds (exact; a class with cache false has none)
      guards                 names: those of the route, before which those of the class come
    deployments    by name: kind ("engine", or the provider's), model, region, classes (which any route may use it for),
                   inputPrice, outputPrice (USD per token, decimal strings),
                   priceSource, contextTokens, agreement (null for an engine; document, date, zeroRetention,
                   trainsOnData)
    refused        by route, by class, by deployment: why this class may not use it. A whole class that a route does
                   not serve has the reason under "*"
    guards         a list, in their order: name, module, timeoutMs, onFailure ("refuse", "pass"), settings
    teams          by name: class, routes (public names), maxBudgetUsd (decimal string or null), budgetDuration,
                   rpm, tpm (null: none), members
    onFailure      redis, database, log: "refuse" or "pass"
    signIn         left out where only virtual keys are taken: issuer, audience, jwksUrl, algorithms, leewaySeconds,
                   maxTokenSeconds, keysSeconds, keysStaleSeconds, rules (claim, value, team; the first that fits)

In LiteLLM's config.yaml `model_info.id` is DEPLOYMENT@ROUTE@CLASS (one deployment stands in several groups, and ids
are unique): what stands before the first "@" is the deployment, what follows it the group. `model_info` also has
`bastide: {deployment, route, class, hosting, region}`.

config.yaml names secrets by environment variables, which the launcher sets from the mounted files: a file's name in
capitals with "_" for "-" (`provider-haiku` is os.environ/PROVIDER_HAIKU), but LITELLM_MASTER_KEY (from
gateway-master-key), LITELLM_SALT_KEY (gateway-salt-key), DATABASE_URL (from DATABASE_* and database-password).

LiteLLM itself gets no Redis: no `redis_host` in router_settings, no `coordination_redis`, no `cache` (a frozen Redis
would hold each of its requests for seconds, several times). Limits, budgets and the cache are in Redis by the callback,
with a bound in time; cooldowns are each pod's own. The launcher refuses a config.yaml that gives LiteLLM one
(gateway/bastide_gateway/config_check.py says what else it refuses).

What a client must not send, because LiteLLM would obey it and leave the class: fallbacks, context_window_fallbacks,
content_policy_fallbacks, default_fallbacks, model_list, api_base, base_url, api_key, user_config, mock_response,
mock_testing_*, num_retries, specific_deployment, tags; the callback refuses them.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

from bastide.plans import audit
from bastide.plans.gateway import pii_url
from bastide.plans.routing.admission import regions
from bastide.plans.routing.deployments import Deployment
from bastide.plans.routing.table import Route, Table, table
from bastide.settings import Settings
from bastide.settings.data_classes import CLASSES
from bastide.settings.route_guards import PII, GuardSettings
from bastide.settings.teams import TeamSettings

VERSION: Final = 1

CLASS_HEADER: Final = "x-data-class"
"""Request header that may raise the class."""


def amount(usd: Decimal) -> str:
    """A decimal number without an exponent."""
    text = format(usd, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def document(settings: Settings, found: Table | None = None) -> dict[str, Any]:
    """The document. `found` is the settings' table, where it is there already."""
    whole = found or table(settings)
    return {
        "version": VERSION,
        "classHeader": CLASS_HEADER,
        "classOrder": list(CLASSES),
        "classes": _classes(settings),
        "routes": {name: _route(each) for name, each in whole.routes.items()},
        "deployments": {name: _deployment(whole, each) for name, each in whole.deployments.items()},
        "refused": {name: refused for name, each in whole.routes.items() if (refused := _refused(each))},
        "guards": [*_audit(settings), *(_guard(settings, each) for each in settings.guards)],
        "teams": {each.name: _team(each) for each in settings.teams},
        "onFailure": settings.on_failure.model_dump(by_alias=True),
        **_sign_in(settings),
    }


def rendered(settings: Settings) -> str:
    """The document as a file: the same for the same settings."""
    return json.dumps(document(settings), indent=1) + "\n"


def _classes(settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in CLASSES:
        each = settings.data_classes.of(name)
        found[name] = {
            "cache": each.cache,
            "log": each.log,
            "retentionDays": each.retention_days,
            "guards": list(each.guards),
            "regions": list(regions(settings, name)),
            "hosted": each.hosted,
        }
    return found


def _route(route: Route) -> dict[str, Any]:
    wanted = route.settings
    served = {each: route.groups[each] for each in route.served}
    return {
        "kind": wanted.kind,
        "lane": wanted.its_lane,
        "groups": {name: each.name for name, each in served.items()},
        "candidates": {
            name: [one.deployment.name for one in each.candidates] for name, each in served.items()
        },
        "orders": {
            name: {one.deployment.name: one.order for one in each.candidates} for name, each in served.items()
        },
        "weights": {
            name: {one.deployment.name: one.weight for one in each.candidates}
            for name, each in served.items()
        },
        "fallbacks": {
            name: {failure: list(groups) for failure, groups in each.fallbacks.items()}
            for name, each in served.items()
            if each.fallbacks
        },
        "limits": wanted.limits.model_dump(by_alias=True),
        "firstTokenSeconds": wanted.first_token_seconds or wanted.timeout_seconds,
        "clientTimeoutSeconds": wanted.client_timeout_seconds,
        "retries": wanted.retries.attempts,
        "queue": wanted.queue.model_dump(by_alias=True),
        "cache": wanted.cache.model_dump(by_alias=True),
        "guards": list(wanted.guards),
    }


def _deployment(whole: Table, deployment: Deployment) -> dict[str, Any]:
    classes = {
        group.data_class
        for group in whole.groups()
        for each in group.candidates
        if each.deployment.name == deployment.name
    }
    return {
        "kind": deployment.kind,
        "model": deployment.model,
        "region": deployment.region,
        "classes": [each for each in CLASSES if each in classes],
        "inputPrice": amount(deployment.price.input),
        "outputPrice": amount(deployment.price.output),
        "priceSource": deployment.price.source,
        "contextTokens": deployment.context,
        "agreement": None
        if deployment.agreement is None
        else deployment.agreement.model_dump(by_alias=True, mode="json", exclude={"classes"}),
    }


def _refused(route: Route) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name, group in route.groups.items():
        reasons = dict(group.refused)
        if not group.candidates:
            reasons["*"] = group.why
        if reasons:
            found[name] = reasons
    return found


def _guard(settings: Settings, guard: GuardSettings) -> dict[str, Any]:
    own = dict(guard.settings)
    if guard.module == PII.module:
        # Only a sandbox may do without the private CA (checks/gateway.py).
        plaintext = {} if settings.certificates.internal else {"plaintext": True}
        own = {"url": pii_url(settings), **plaintext, **own}
    return {
        "name": guard.name,
        "module": guard.module,
        "timeoutMs": guard.timeout_ms,
        "onFailure": guard.on_failure,
        "settings": own,
    }


def _audit(settings: Settings) -> list[dict[str, Any]]:
    wanted = audit.wanted(settings)
    return [] if wanted is None else [audit.guard(settings, wanted)]


def _sign_in(settings: Settings) -> dict[str, Any]:
    wanted = settings.gateway.sign_in
    return {} if wanted is None else {"signIn": wanted.model_dump(mode="json", by_alias=True)}


def _team(team: TeamSettings) -> dict[str, Any]:
    return {
        "class": team.data_class,
        "routes": list(team.routes),
        "maxBudgetUsd": None if team.budget is None else amount(team.budget.usd),
        "budgetDuration": None if team.budget is None else team.budget.duration,
        "rpm": team.rpm,
        "tpm": team.tpm,
        "members": list(team.members),
    }
