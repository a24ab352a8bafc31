"""routes.json, read: everything that the gateway decides by. bastide/plans/routing/document.py describes
it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from bastide_gateway.errors import StartError

VERSION: Final = 1
CLASSES: Final = ("public", "internal", "confidential", "regulated")
"""In rising order."""

STRICTEST: Final = CLASSES[-1]
ON_FAILURE: Final = ("refuse", "pass")


@dataclass(frozen=True)
class DataClass:
    """What a class allows."""

    cache: bool
    log: str
    """`metadata`: a decision line without text; `none`: only that there was a request."""

    guards: tuple[str, ...]


@dataclass(frozen=True)
class Limits:
    """Bounds of one request; none: the deployment's own."""

    max_body_bytes: int | None
    max_input_tokens: int | None
    max_output_tokens: int | None
    max_n: int


@dataclass(frozen=True)
class Route:
    """A public model name."""

    name: str
    kind: str
    groups: Mapping[str, str]
    candidates: Mapping[str, tuple[str, ...]]
    fallbacks: Mapping[str, Mapping[str, tuple[str, ...]]]
    """By class, by failure: groups."""

    limits: Limits
    first_token_s: float
    """Within which a stream must have begun, or the try has failed."""

    client_timeout_s: float
    """How long a client waits at most, over all tries."""

    max_parallel: int | None
    max_wait_s: float
    """How long a request waits for a place among them before it is refused; 0: not at all."""

    cache: bool
    cache_ttl_s: int
    guards: tuple[str, ...]


@dataclass(frozen=True)
class Deployment:
    """What answers."""

    name: str
    region: str | None
    classes: tuple[str, ...]
    input_price: Decimal
    """USD a token."""

    output_price: Decimal
    context_tokens: int | None


@dataclass(frozen=True)
class GuardEntry:
    """A guard and its place."""

    name: str
    module: str
    timeout_ms: int
    on_failure: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Team:
    """Who may use what, for how much."""

    name: str
    data_class: str
    routes: tuple[str, ...]
    max_budget_usd: Decimal | None
    budget_duration: str | None
    rpm: int | None
    tpm: int | None


@dataclass(frozen=True)
class Document:
    """The whole of it."""

    class_header: str
    classes: Mapping[str, DataClass]
    routes: Mapping[str, Route]
    deployments: Mapping[str, Deployment]
    refused: Mapping[str, Mapping[str, Mapping[str, str]]]
    guards: tuple[GuardEntry, ...]
    teams: Mapping[str, Team]
    on_redis_failure: str
    on_database_failure: str
    on_log_failure: str

    def deployments_of(self, group: str) -> frozenset[str]:
        """Names of the deployments in a group, for the worst price and for what may answer; a fallback's
        too."""
        return self._by_group.get(group, frozenset())

    @cached_property
    def _by_group(self) -> Mapping[str, frozenset[str]]:
        return {
            name: frozenset(route.candidates.get(data_class, ()))
            for route in self.routes.values()
            for data_class, name in route.groups.items()
        }

    def reachable(self, route: Route, data_class: str) -> frozenset[str]:
        """Every deployment that may answer a request of the route in the class, by first choice or by
        fallback."""
        found = set(route.candidates.get(data_class, ()))
        for groups in route.fallbacks.get(data_class, {}).values():
            for group in groups:
                found |= self.deployments_of(group)
        return frozenset(found)


def read(path: Path) -> Document:
    """Reads and judges the file. Raises `StartError` with the path inside it and what is allowed there."""
    try:
        raw = json.loads(path.read_text())
    except OSError as error:
        raise StartError(
            f"{path} cannot be read: {error.strerror}; it is rendered by `bastide plan routes`"
        ) from error
    except ValueError as error:
        raise StartError(f"{path} is not JSON: {error}; it is rendered, never edited by hand") from error
    try:
        return parse(raw)
    except (KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise StartError(
            f"{path} lacks something or has it in another shape: {type(error).__name__} {error}; render it "
            "again with the "
            "version of the kit that this gateway comes from"
        ) from error


def parse(raw: Mapping[str, Any]) -> Document:
    """Judges a document that is already read."""
    if raw.get("version") != VERSION:
        raise StartError(f"routes.json: version {raw.get('version')!r} is not known; allowed: {VERSION}")
    classes = {
        name: DataClass(
            bool(value["cache"]), str(value.get("log", "metadata")), tuple(value.get("guards", ()))
        )
        for name, value in raw["classes"].items()
    }
    _subset("classes", classes, CLASSES)
    guards = tuple(_guard(index, value) for index, value in enumerate(raw.get("guards", ())))
    names = [guard.name for guard in guards]
    if len(set(names)) != len(names):
        raise StartError(
            f"routes.json: guards: a name stands twice in {names}; each stands once, in its place"
        )
    deployments = {name: _deployment(name, value) for name, value in raw["deployments"].items()}
    routes = {name: _route(name, value) for name, value in raw["routes"].items()}
    for name, held in classes.items():
        _subset(f"classes.{name}.guards", held.guards, names)
    for route in routes.values():
        _judge(route, classes, deployments, names)
    teams = {name: _team(name, value) for name, value in raw.get("teams", {}).items()}
    for team in teams.values():
        _subset(f"teams.{team.name}.routes", team.routes, routes)
        _subset(f"teams.{team.name}.class", (team.data_class,), classes)
    failure = raw["onFailure"]
    for part in ("redis", "database", "log"):
        _subset(f"onFailure.{part}", (failure[part],), ON_FAILURE)
    return Document(
        class_header=str(raw["classHeader"]).lower(),
        classes=classes,
        routes=routes,
        deployments=deployments,
        refused=raw.get("refused", {}),
        guards=guards,
        teams=teams,
        on_redis_failure=failure["redis"],
        on_database_failure=failure["database"],
        on_log_failure=failure["log"],
    )


def _judge(
    route: Route, classes: Mapping[str, Any], deployments: Mapping[str, Deployment], guards: list[str]
) -> None:
    path = f"routes.{route.name}"
    if "@" in route.name:
        raise StartError(
            f"routes.json: {path}: a public name has no '@'; it stands between a route and its class"
        )
    _subset(f"{path}.groups", route.groups, classes)
    _subset(f"{path}.guards", route.guards, guards)
    for data_class, group in route.groups.items():
        if group != f"{route.name}@{data_class}":
            raise StartError(
                f"routes.json: {path}.groups.{data_class}: {group!r} is not {route.name}@{data_class}; a "
                "group of another "
                "class would let text out of its class"
            )
        for name in route.candidates.get(data_class, ()):
            _subset(f"{path}.candidates.{data_class}", (name,), deployments)
            if data_class not in deployments[name].classes:
                raise StartError(
                    f"routes.json: {path}.candidates.{data_class}: {name!r} is not for {data_class} data; "
                    "it is for: "
                    f"{', '.join(deployments[name].classes)}"
                )
    for data_class, kinds in route.fallbacks.items():
        for failure, groups in kinds.items():
            for group in groups:
                if not group.endswith(f"@{data_class}"):
                    raise StartError(
                        f"routes.json: {path}.fallbacks.{data_class}.{failure}: {group!r} leaves the class "
                        f"{data_class}"
                    )


def _route(name: str, value: Mapping[str, Any]) -> Route:
    limits, cache, queue = value["limits"], value.get("cache", {}), value.get("queue") or {}
    return Route(
        name=name,
        kind=value["kind"],
        groups=dict(value["groups"]),
        candidates={key: tuple(held) for key, held in value["candidates"].items()},
        fallbacks={
            key: {failure: tuple(groups) for failure, groups in kinds.items()}
            for key, kinds in (value.get("fallbacks") or {}).items()
        },
        limits=Limits(
            limits.get("maxBodyBytes"),
            limits.get("maxInputTokens"),
            limits.get("maxOutputTokens"),
            int(limits.get("maxN") or 1),
        ),
        first_token_s=float(value["firstTokenSeconds"]),
        client_timeout_s=float(value["clientTimeoutSeconds"]),
        max_parallel=queue.get("maxParallel"),
        max_wait_s=float(queue.get("maxWaitSeconds") or 0) if queue.get("whenFull") == "wait" else 0.0,
        cache=bool(cache.get("enabled", False)),
        cache_ttl_s=int(cache.get("ttlSeconds") or 0),
        guards=tuple(value.get("guards") or ()),
    )


def _deployment(name: str, value: Mapping[str, Any]) -> Deployment:
    return Deployment(
        name=name,
        region=value.get("region"),
        classes=tuple(value["classes"]),
        input_price=Decimal(value["inputPrice"]),
        output_price=Decimal(value["outputPrice"]),
        context_tokens=value.get("contextTokens"),
    )


def _guard(index: int, value: Mapping[str, Any]) -> GuardEntry:
    entry = GuardEntry(
        name=value["name"],
        module=value["module"],
        timeout_ms=int(value["timeoutMs"]),
        on_failure=value.get("onFailure", "refuse"),
        settings=dict(value.get("settings") or {}),
    )
    _subset(f"guards[{index}].onFailure", (entry.on_failure,), ON_FAILURE)
    if entry.timeout_ms <= 0:
        raise StartError(
            f"routes.json: guards[{index}].timeoutMs: {entry.timeout_ms} is not above 0 (milliseconds)"
        )
    return entry


def _team(name: str, value: Mapping[str, Any]) -> Team:
    budget = value.get("maxBudgetUsd")
    return Team(
        name=name,
        data_class=value["class"],
        routes=tuple(value["routes"]),
        max_budget_usd=None if budget is None else Decimal(budget),
        budget_duration=value.get("budgetDuration"),
        rpm=value.get("rpm"),
        tpm=value.get("tpm"),
    )


def _subset(path: str, given: Any, allowed: Any) -> None:
    for name in given:
        if name not in allowed:
            raise StartError(
                f"routes.json: {path}: {name!r} is not known; allowed: {', '.join(map(str, allowed))}"
            )
