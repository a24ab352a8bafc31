"""Checks of fallbacks: unknown ones, cycles, other kinds, contexts that are no longer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bastide.settings.base import UnusableError
from bastide.settings.checks.common import Check, usable
from bastide.settings.errors import Problem, choices
from bastide.settings.route_traffic import Failure
from bastide.settings.routes import RouteSettings

if TYPE_CHECKING:
    from bastide.settings.root import Settings

KEYS: Final[tuple[Failure, ...]] = ("outage", "rateLimit", "contextTooLong", "contentPolicy", "quality")

TOGETHER: Final[tuple[tuple[Failure, ...], ...]] = (
    # The gateway follows both at the same kind of failure: a deployment that is overloaded looks like either.
    ("outage", "rateLimit"),
    ("contextTooLong",),
    ("contentPolicy",),
    ("quality",),
)
"""Kinds whose fallbacks are followed one after the other; a cycle is one within such a set. A short route may fall
back to a long one for length, and the long one to the short one in an outage."""


def given(route: RouteSettings) -> Iterator[tuple[Failure, int, str]]:
    """Each fallback that the stack file has: its kind, its place in the list and the route."""
    for failure in KEYS:
        if failure == "rateLimit" and route.fallbacks.rate_limit is None:
            continue
        for index, name in enumerate(route.fallbacks.of(failure)):
            yield failure, index, name


def _unknown(settings: Settings, route: RouteSettings, path: str) -> Iterator[Problem]:
    by_name = {each.name: each for each in settings.routes}
    for failure, index, name in given(route):
        at = f"{path}.fallbacks.{failure}[{index}]"
        if name not in by_name:
            yield Problem(
                at,
                f"{name!r} is not one of bastide:routes{choices(name, by_name)}; a fallback is a route, whose "
                "deployments are then asked; add it there or choose another",
            )
        elif name in route.fallbacks.of(failure)[:index]:
            yield Problem(at, f"{name!r} is named before; it would be asked twice in vain; remove one")
        else:
            yield from _kind(route, by_name[name], at)


def _kind(route: RouteSettings, other: RouteSettings, path: str) -> Iterator[Problem]:
    if (route.kind == "embedding") != (other.kind == "embedding"):
        yield Problem(
            path,
            f"{other.name!r} is of kind {other.kind}, and {route.name!r} of kind {route.kind}; one answers in text, "
            "the other in vectors; choose another",
        )
    elif route.kind == "chat" and other.kind == "batch":
        yield Problem(
            path,
            f"{other.name!r} is a batch route, in whose queue nobody waits, and clients of {route.name!r} do; choose "
            "a route of kind chat",
        )


def _vectors(_: Settings, route: RouteSettings, path: str) -> Iterator[Problem]:
    """An embedding model's vectors mean nothing to another one's."""
    if route.kind != "embedding":
        return
    for failure, index, name in given(route):
        yield Problem(
            f"{path}.fallbacks.{failure}[{index}]",
            f"{name!r} has another model, whose vectors cannot be compared with those of {route.name!r}: an index "
            "would be spoiled in silence; remove it, and put a second deployment of the same model behind the route",
        )


def _models(settings: Settings, route: RouteSettings, path: str) -> Iterator[Problem]:
    if route.kind != "embedding":
        return
    models = {each.name: each.model for each in (*settings.engines, *settings.hosted)}
    first = next((models[each.name] for each in route.deployments if each.name in models), None)
    for index, each in enumerate(route.deployments):
        found = models.get(each.name, first)
        if found is not None and first is not None and _base(found) != _base(first):
            yield Problem(
                f"{path}.deployments[{index}].name",
                f"{each.name!r} serves {found!r}, and the first deployment {first!r}; vectors of two models cannot be "
                "compared: an index would be spoiled in silence; make two routes of it",
            )


def _base(model: str) -> str:
    """A model's name without who publishes it: `BAAI/bge-m3` and `bge-m3` are one."""
    return model.rpartition("/")[2].lower()


def _cycles(settings: Settings) -> Iterator[Problem]:
    names = [each.name for each in settings.routes]
    for kinds in TOGETHER:
        edges = {
            each.name: [name for kind in kinds for name in each.fallbacks.of(kind)]
            for each in settings.routes
        }
        told: set[frozenset[str]] = set()
        for index, route in enumerate(settings.routes):
            cycle = _cycle(edges, route.name)
            if cycle and frozenset(cycle) not in told and set(cycle) <= set(names):
                told.add(frozenset(cycle))
                yield Problem(
                    f"routes[{index}].fallbacks.{kinds[0]}",
                    f"goes in a circle: {' -> '.join([*cycle, cycle[0]])}; whoever failed would be asked again while "
                    "the client waits; take one of them out",
                )


def _cycle(edges: Mapping[str, list[str]], start: str) -> list[str]:
    """The names on a way from `start` back to it; empty without one."""
    stack: list[list[str]] = [[start]]
    while stack:
        way = stack.pop()
        for name in edges.get(way[-1], []):
            if name == start:
                return way
            if name not in way:
                stack.append([*way, name])
    return []


def _context(settings: Settings, route: RouteSettings, path: str) -> Iterator[Problem]:
    by_name = {each.name: each for each in settings.routes}
    # The deployment that takes least is the one that fails, and at such a failure no other order is tried.
    own = min(contexts(settings, route), default=None)
    for index, name in enumerate(route.fallbacks.context_too_long):
        other = min(contexts(settings, by_name[name]), default=None) if name in by_name else None
        if own is not None and other is not None and other <= own and name != route.name:
            yield Problem(
                f"{path}.fallbacks.contextTooLong[{index}]",
                f"{name!r} takes no more: {other:,} tokens, and {route.name!r} {own:,}; what is too long here is too "
                f"long there; allowed: a route all of whose deployments take more than {own:,}; choose another, or "
                "remove it",
            )


def contexts(settings: Settings, route: RouteSettings) -> list[int]:
    """Longest sequence that each deployment of the route takes, in tokens; those that are not there are left out."""
    known = {each.name: each.max_model_len for each in settings.engines}
    known |= {each.name: each.context_tokens for each in settings.hosted}
    return [known[each.name] for each in route.deployments if each.name in known]


def _one_list(_: Settings, route: RouteSettings, path: str) -> Iterator[Problem]:
    # The day when a callback tells the two apart, this check goes; routes.json has them apart already.
    wanted = route.fallbacks
    if wanted.rate_limit is not None and wanted.rate_limit != wanted.outage:
        yield Problem(
            f"{path}.fallbacks.rateLimit",
            f"is {list(wanted.rate_limit)}, and outage {list(wanted.outage)}; LiteLLM 1.106 follows one list for both, "
            "so a route that is meant for one of them would answer at the other too; allowed: the same as outage, or "
            "no value; remove it",
        )


PER_ROUTE: Final = (_unknown, _vectors, _models, _context, _one_list)


def _each_route(settings: Settings) -> Iterator[Problem]:
    with suppress(UnusableError):
        for index, route in enumerate(settings.routes):
            for check in PER_ROUTE:
                yield from usable(check(settings, route, f"routes[{index}]"))


CHECKS: Final[tuple[Check, ...]] = (_each_route, _cycles)
