"""Checks of data classes, and of what routes, fallbacks and teams make of them. They judge by the resolved table, so
routes whose settings other checks refuse are left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from bastide.settings.base import UnusableError
from bastide.settings.checks import engines, routes, routes_fallbacks
from bastide.settings.checks.common import Check, duplicates, usable
from bastide.settings.data_classes import CLASSES, HOSTED_RULES
from bastide.settings.errors import Problem, choices

if TYPE_CHECKING:
    from bastide.plans.routing.table import Route, Table
    from bastide.settings.root import Settings

_BEFORE: Final = (engines, routes, routes_fallbacks)
"""What must be right before a table makes sense."""


def _rising(settings: Settings) -> Iterator[Problem]:
    """A class that is laxer than the one below it."""
    for low, high in pairwise(CLASSES):
        below, above = settings.data_classes.of(low), settings.data_classes.of(high)
        path = f"dataClasses.{high}"
        if HOSTED_RULES.index(above.hosted) < HOSTED_RULES.index(below.hosted):
            yield Problem(
                f"{path}.hosted",
                f"{above.hosted!r} is laxer than {below.hosted!r} of {low}; allowed: "
                f"{', '.join(HOSTED_RULES[HOSTED_RULES.index(below.hosted) :])}; raising a request's class must never "
                "open a way; change one of them",
            )
        if above.cache and not below.cache:
            yield Problem(
                f"{path}.cache",
                f"true is laxer than false of {low}; raising a request's class must never keep more; change one of "
                "them",
            )
        open_below = below.regions or (settings.region,)
        wider = [each for each in above.regions if each not in open_below]
        if wider:
            yield Problem(
                f"{path}.regions",
                f"{', '.join(wider)} is open to {high} data and not to {low}; raising a request's class must never "
                "open a way; take it out, or add it there too",
            )
    if settings.data_classes.regulated.cache:
        yield Problem(
            "dataClasses.regulated.cache",
            "true is not allowed: an answer that is kept is a copy of regulated data that nobody deletes; remove it",
        )


def _unpriced(settings: Settings) -> Iterator[Problem]:
    from bastide.plans.routing import prices

    behind = {
        each.name: f"routes[{index}].deployments[{place}]"
        for index, route in reversed(list(enumerate(settings.routes)))
        for place, each in reversed(list(enumerate(route.deployments)))
    }
    mistaken = _mistaken(settings)
    for index, engine in enumerate(settings.engines):
        if engine.name not in behind or f"engines[{index}]" in mistaken:
            continue
        try:
            prices.of_engine(settings, engine)
        except prices.NoPriceError as error:
            yield Problem(
                f"{behind[engine.name]}.name",
                f"{engine.name!r} has no price for its tokens: {error}; without one its spend would count as nothing "
                f"and no budget would hold; give engines[{index}].price by hand, with its source and day",
            )


def _mistaken(settings: Settings) -> set[str]:
    """Items of lists that other checks refuse, such as `routes[0]`."""
    from bastide.settings.checks import capacity, engines_models, engines_vllm, pools

    return {
        each.path.partition(".")[0]
        for part in (*_BEFORE, engines_models, engines_vllm, pools, capacity)
        for check in part.CHECKS
        for each in usable(check(settings))
    }


def _table(settings: Settings) -> Table | None:
    """The table; None where it cannot be made, because of something that is told elsewhere."""
    from bastide.plans.routing.table import table

    if not settings.routes or any(
        each.startswith(("routes", "hosted", "engines", "pools", "models")) for each in _mistaken(settings)
    ):
        return None
    if list(_unpriced(settings)):
        return None
    return table(settings)


def _promised(settings: Settings) -> Iterator[Problem]:
    """Classes that a route names and that have no deployment there."""
    found = _table(settings)
    for index, route in enumerate(found.routes.values() if found else ()):
        path = f"routes[{index}]"
        if _marked(route):
            continue
        for place, data_class in enumerate(route.settings.classes or ()):
            group = route.groups[data_class]
            if not group.candidates:
                hosted = _all_hosted(found, route)
                lead = "every deployment of the route is hosted, and " if hosted else ""
                yield Problem(
                    f"{path}.classes[{place}]",
                    f"{data_class} has no deployment here: {lead}{'; '.join(_said(group.refused))}; add an engine of "
                    "the stack or another hosted deployment, or take the class out",
                )
        if not route.served and route.settings.classes is None:
            reasons = {why for group in route.groups.values() for why in _said(group.refused)}
            yield Problem(
                f"{path}.deployments",
                f"no class of data may use any of them: {'; '.join(sorted(reasons))}; add another, or open "
                "bastide:dataClasses for one class at least",
            )


def _marked(route: Route) -> bool:
    """Whether somebody took a deployment out because its answers became worse: in that hour the rest must go through,
    and `bastide plan routes` says what is left."""
    return any(each.regressed for each in route.settings.deployments)


def _all_hosted(found: Table | None, route: Route) -> bool:
    known = found.deployments if found else {}
    return all(known[each.name].hosting == "hosted" for each in route.settings.deployments)


def _said(refused: dict[str, str]) -> list[str]:
    return [f"{name!r}: {why}" for name, why in refused.items()]


def _forbidden(settings: Settings) -> Iterator[Problem]:
    """Fallbacks that a class forbids: one that the route promises to serve, or all that it serves."""
    found = _table(settings)
    for index, route in enumerate(found.routes.values() if found else ()):
        if _marked(route):
            continue
        for failure, place, name in routes_fallbacks.given(route.settings):
            other = found.routes[name] if found else route
            lacking = [each for each in route.served if each not in other.served]
            promised = route.settings.classes is not None
            if not other.served and other.settings.classes is None:
                continue  # said already: nobody may use that route
            if lacking and (promised or len(lacking) == len(route.served)):
                why = other.groups[lacking[0]].why
                yield Problem(
                    f"routes[{index}].fallbacks.{failure}[{place}]",
                    f"{name!r} may not be used by {', '.join(lacking)} data, which {route.settings.name!r} serves "
                    f"({why}); a fallback has the request's class like the first choice, so it would never be "
                    "taken; choose another, or take the class out of classes",
                )


def _teams(settings: Settings) -> Iterator[Problem]:
    yield from duplicates("teams", "team", (each.name for each in settings.teams))
    known = [each.name for each in settings.routes]
    found = _table(settings)
    for index, team in enumerate(settings.teams):
        for place, name in enumerate(team.routes):
            at = f"teams[{index}].routes[{place}]"
            if name not in known:
                yield Problem(
                    at,
                    f"{name!r} is not one of bastide:routes{choices(name, known)}; add it there or choose another",
                )
            elif name in team.routes[:place]:
                yield Problem(at, f"{name!r} is named before; remove one")
            elif (
                found is not None
                and team.data_class not in found.routes[name].served
                and not _marked(found.routes[name])
            ):
                default = (
                    ", the class of a team that names none,"
                    if "data_class" not in team.model_fields_set
                    else ""
                )
                yield Problem(
                    at,
                    f"{name!r} may not be used by {team.data_class} data{default} "
                    f"({found.routes[name].groups[team.data_class].why}): every request would be refused; choose "
                    "another route, or another class if the data allows it",
                )


def _all(settings: Settings) -> Iterator[Problem]:
    for check in (_rising, _unpriced, _promised, _forbidden, _teams):
        with suppress(UnusableError):
            yield from usable(check(settings))


CHECKS: Final[tuple[Check, ...]] = (_all,)
