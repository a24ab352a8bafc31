"""The resolved route table: for each route and class the deployments in their order, the fallbacks for each failure,
and why the others are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from bastide.plans.routing import prices
from bastide.plans.routing.admission import refusal
from bastide.plans.routing.deployments import Deployment, deployments
from bastide.settings import Settings
from bastide.settings.data_classes import CLASSES, DataClass
from bastide.settings.route_traffic import FAILURES, Failure
from bastide.settings.routes import RouteSettings

__all__ = ["Candidate", "Group", "Route", "Table", "group_name", "table"]


def group_name(route: str, data_class: str) -> str:
    """LiteLLM's model group of a route and a class."""
    return f"{route}@{data_class}"


@dataclass(frozen=True)
class Candidate:
    """A deployment in a group. `route` is where it stands in the settings: another one's where the quality of all of
    the route's own is known to be worse."""

    deployment: Deployment
    route: str
    order: int
    weight: int
    adapter: str | None = None

    @property
    def model(self) -> str:
        """What the deployment is asked for."""
        return self.adapter or self.deployment.model


@dataclass(frozen=True)
class Group:
    """What one class gets of one route. Without candidates the class is refused, and `why` says so."""

    route: str
    data_class: DataClass
    candidates: tuple[Candidate, ...]
    fallbacks: dict[Failure, tuple[str, ...]]
    refused: dict[str, str]
    why: str = ""

    @property
    def name(self) -> str:
        """LiteLLM's name of it."""
        return group_name(self.route, self.data_class)

    @property
    def orders(self) -> tuple[int, ...]:
        """The orders that are there, rising: so many times all tries begin anew."""
        return tuple(sorted({each.order for each in self.candidates}))

    @property
    def context(self) -> int:
        """Longest sequence that any of its deployments takes, in tokens."""
        return max((each.deployment.context for each in self.candidates), default=0)


@dataclass(frozen=True)
class Route:
    """One route with its groups, by class; every class has one, also where it is refused."""

    settings: RouteSettings
    groups: dict[DataClass, Group]

    @property
    def served(self) -> tuple[DataClass, ...]:
        """Classes that may use it."""
        return tuple(each for each, group in self.groups.items() if group.candidates)


@dataclass(frozen=True)
class Table:
    """The whole table."""

    deployments: dict[str, Deployment]
    routes: dict[str, Route]

    def groups(self) -> Iterator[Group]:
        """Groups that have a deployment."""
        for route in self.routes.values():
            yield from (each for each in route.groups.values() if each.candidates)

    @cached_property
    def used(self) -> frozenset[str]:
        """Names of deployments that some group asks."""
        return frozenset(each.deployment.name for group in self.groups() for each in group.candidates)


def table(settings: Settings) -> Table:
    """The table of settings without mistakes. Raises NoPriceError for an engine behind a route whose price is not
    known, which the checks refuse before."""
    wanted = {each.name for route in settings.routes for each in route.deployments}
    known = deployments(settings, wanted, prices.of_engine)
    own = {route.name: _own(settings, route, known) for route in settings.routes}
    routes = {}
    for route in settings.routes:
        groups = {each: _group(own, route, each) for each in CLASSES}
        routes[route.name] = Route(route, groups)
    # Fallbacks name groups, so they come when it is known which there are.
    whole = {
        name: Route(each.settings, {c: _with_fallbacks(routes, g) for c, g in each.groups.items()})
        for name, each in routes.items()
    }
    return Table(known, whole)


def _own(
    settings: Settings, route: RouteSettings, known: dict[str, Deployment]
) -> dict[DataClass, tuple[tuple[Candidate, ...], dict[str, str], str]]:
    """By class: the route's own deployments that the class may use, why not the others, and why none."""
    found: dict[DataClass, tuple[tuple[Candidate, ...], dict[str, str], str]] = {}
    for data_class in CLASSES:
        if route.classes is not None and data_class not in route.classes:
            why = f"route {route.name!r} serves {', '.join(route.classes) or 'no class'} only"
            found[data_class] = ((), {each.name: why for each in route.deployments}, why)
            continue
        candidates, refused = [], {}
        for each in route.deployments:
            reason = refusal(settings, data_class, known[each.name])
            if reason is None and each.regressed:
                reason = "its answers are known to have become worse (regressed)"
            if reason is None:
                candidates.append(
                    Candidate(known[each.name], route.name, each.order, each.weight, each.adapter)
                )
            else:
                refused[each.name] = reason
        candidates.sort(key=lambda each: (each.order, -each.weight))
        why = "" if candidates else _why(refused)
        found[data_class] = (tuple(candidates), refused, why)
    return found


def _why(refused: dict[str, str]) -> str:
    """Why nobody is left: each reason once."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in refused.items():
        by_reason.setdefault(reason, []).append(name)
    return "; ".join(f"{reason} ({', '.join(names)})" for reason, names in by_reason.items())


def _group(
    own: dict[str, dict[DataClass, tuple[tuple[Candidate, ...], dict[str, str], str]]],
    route: RouteSettings,
    data_class: DataClass,
) -> Group:
    """The group before its fallbacks. Where every deployment is regressed those of the quality fallbacks are asked."""
    candidates, refused, why = own[route.name][data_class]
    left_out = any(each.regressed for each in route.deployments)
    if not candidates and left_out and (route.classes is None or data_class in route.classes):
        moved: list[Candidate] = []
        for other in route.fallbacks.quality:
            shift = max((each.order for each in moved), default=0)
            moved += [
                Candidate(each.deployment, each.route, each.order + shift, each.weight, each.adapter)
                for each in own[other][data_class][0]
                if each.deployment.name not in {one.deployment.name for one in moved}
            ]
        candidates = tuple(moved)
        why = "" if moved else why
    return Group(route.name, data_class, candidates, {}, refused, why)


def _with_fallbacks(routes: dict[str, Route], group: Group) -> Group:
    wanted = routes[group.route].settings.fallbacks
    found: dict[Failure, tuple[str, ...]] = {}
    for failure in FAILURES:
        groups = (routes[name].groups[group.data_class] for name in wanted.of(failure))
        names = tuple(each.name for each in groups if each.candidates)
        if names and group.candidates:
            found[failure] = names
    return Group(group.route, group.data_class, group.candidates, found, group.refused, group.why)
