"""What works, and what somebody should know before it runs: previews warn of it, `bastide plan routes` lists it."""

from __future__ import annotations

from collections.abc import Iterator

from bastide.plans.routing.table import Table
from bastide.settings import Settings
from bastide.settings.data_classes import CLASSES


def notes(settings: Settings, found: Table) -> list[str]:
    """Warnings about a table, one sentence each; nothing here is refused."""
    return [
        *_needless(found),
        *_alone(found),
        *_unused(settings, found),
        *_regressed(found),
        *_loud(settings),
    ]


def _needless(found: Table) -> Iterator[str]:
    behind = {each.name for route in found.routes.values() for each in route.settings.deployments}
    if len(behind) == 1:
        (only,) = behind
        yield (
            f"every route leads to {only!r} alone: there is nothing to choose, so the router decides nothing. Keys, "
            "budgets and the log of decisions may still be worth the gateway's milliseconds"
        )


def _alone(found: Table) -> Iterator[str]:
    for name, route in found.routes.items():
        for each in route.groups.values():
            if len(each.candidates) == 1 and not each.fallbacks:
                classes = [c for c in route.served if _is_alone(found, name, c)]
                yield (
                    f"route {name!r} has one deployment and no fallback for {', '.join(classes)} data: an outage of "
                    f"{each.candidates[0].deployment.name!r} is an outage of the route"
                )
                break


def _is_alone(found: Table, route: str, data_class: str) -> bool:
    group = next(each for each in found.routes[route].groups.values() if each.data_class == data_class)
    return len(group.candidates) == 1 and not group.fallbacks


def _unused(settings: Settings, found: Table) -> Iterator[str]:
    for each in settings.hosted:
        if each.name not in found.used:
            yield f"hosted deployment {each.name!r} answers for no route and no class"
    wanted = {name for team in settings.teams for name in team.routes}
    wanted |= {name for route in settings.routes for kind in _kinds(route.fallbacks) for name in kind}
    for route in settings.routes:
        if settings.teams and route.name not in wanted:
            yield f"no team may use route {route.name!r}, and none falls back to it"


def _kinds(fallbacks: object) -> list[tuple[str, ...]]:
    found = (getattr(fallbacks, each) for each in type(fallbacks).model_fields)  # type: ignore[attr-defined]
    return [each for each in found if each]


def _regressed(found: Table) -> Iterator[str]:
    for name, route in found.routes.items():
        marked = [each.name for each in route.settings.deployments if each.regressed]
        if marked:
            left = "no class is served" if not route.served else f"served: {', '.join(route.served)}"
            yield f"route {name!r} asks nothing of {', '.join(marked)}, marked as regressed ({left})"


def _loud(settings: Settings) -> Iterator[str]:
    for part in ("redis", "database", "log"):
        if getattr(settings.on_failure, part) == "pass":
            yield f"onFailure.{part} is 'pass': while it is down, limits, keys or the log are not what they say"
    for each in settings.guards:
        if each.on_failure == "pass":
            yield f"guard {each.name!r} lets requests pass unseen when it fails"
    for name in CLASSES:
        if settings.data_classes.of(name).log == "none":
            yield f"{name} data leaves no line in the log of decisions"
