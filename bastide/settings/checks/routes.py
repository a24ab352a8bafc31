"""Checks of routes and hosted deployments by themselves: names, kinds, weights, what stands behind a route."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bastide.settings.base import UnusableError
from bastide.settings.checks.common import Check, duplicates, usable
from bastide.settings.errors import Problem, choices
from bastide.settings.route_hosted import OpenAi, OpenAiCompatible
from bastide.settings.route_traffic import RESERVED
from bastide.settings.routes import RouteDeployment, RouteSettings

if TYPE_CHECKING:
    from bastide.settings.root import Settings

REGIONS_OF_OPENAI: Final = ("global", "us", "eu")
"""Where OpenAI lets one choose (platform.openai.com, "Your data", data residency)."""


def known_deployments(settings: Settings) -> list[str]:
    """Names that a route may have behind it."""
    return [*(each.name for each in settings.engines), *(each.name for each in settings.hosted)]


def _unique(settings: Settings) -> Iterator[Problem]:
    yield from duplicates("routes", "route", (each.name for each in settings.routes))
    yield from duplicates("hosted", "hosted deployment", (each.name for each in settings.hosted))
    yield from duplicates("guards", "guard", (each.name for each in settings.guards))
    engines = [each.name for each in settings.engines]
    for index, hosted in enumerate(settings.hosted):
        if hosted.name in engines:
            yield Problem(
                f"hosted[{index}].name",
                f"{hosted.name!r} is the name of engines[{engines.index(hosted.name)}] too; routes and spend know a "
                "deployment by its name alone; rename one",
            )


def _reserved(_: Settings, route: RouteSettings, path: str) -> Iterator[Problem]:
    if route.name in RESERVED:
        yield Problem(
            f"{path}.name",
            f"{route.name!r} means something else in the gateway's lists of models: a key with it would have every "
            "route, or none; choose another",
        )


def _behind(settings: Settings, route: RouteSettings, path: str) -> Iterator[Problem]:
    known = known_deployments(settings)
    seen: dict[tuple[str, str | None], int] = {}
    for index, each in enumerate(route.deployments):
        at = f"{path}.deployments[{index}]"
        if each.name not in known:
            yield Problem(
                f"{at}.name",
                f"{each.name!r} is neither one of bastide:engines nor of bastide:hosted{choices(each.name, known)}; "
                "add it there or choose another",
            )
            continue
        if each.name in {name for name, _ in seen}:
            first = next(number for (name, _), number in seen.items() if name == each.name)
            yield Problem(
                f"{at}.name",
                f"{each.name!r} is deployments[{first}] too; a try that failed would be made again at the same place; "
                "remove one, and give its share by weight",
            )
        seen.setdefault((each.name, each.adapter), index)
        yield from _adapter(settings, each, at)


def _adapter(settings: Settings, deployment: RouteDeployment, path: str) -> Iterator[Problem]:
    if deployment.adapter is None:
        return
    engine = next((each for each in settings.engines if each.name == deployment.name), None)
    known = list(engine.lora.adapters) if engine else []
    if deployment.adapter not in known:
        yield Problem(
            f"{path}.adapter",
            f"{deployment.adapter!r} is no adapter of {deployment.name!r}{choices(deployment.adapter, known)}; an "
            "engine answers by what its lora.adapters has, a hosted deployment by its model alone; add it there or "
            "remove it",
        )


def _kind(settings: Settings, route: RouteSettings, path: str) -> Iterator[Problem]:
    runners = {each.name: each.runner for each in (*settings.engines, *settings.hosted)}
    wanted = "embed" if route.kind == "embedding" else "generate"
    for index, each in enumerate(route.deployments):
        if runners.get(each.name, wanted) != wanted:
            gives = {"embed": "vectors", "generate": "text"}
            allowed = [name for name, runner in runners.items() if runner == wanted]
            yield Problem(
                f"{path}.deployments[{index}].name",
                f"{each.name!r} gives {gives[runners[each.name]]} (runner {runners[each.name]}), and a route of kind "
                f"{route.kind} answers in {gives[wanted]}{choices('', allowed)}; choose another, or change the kind",
            )


def _lane(settings: Settings, route: RouteSettings, path: str) -> Iterator[Problem]:
    lanes = {each.name: each.lane for each in settings.engines}
    for index, each in enumerate(route.deployments):
        if route.its_lane == "serving" and lanes.get(each.name) == "batch":
            yield Problem(
                f"{path}.deployments[{index}].name",
                f"{each.name!r} is an engine of the batch lane, whose pods are ended when the serving lane needs their "
                "GPUs, and users wait for this route; set the route's lane to batch, or the engine's to serving",
            )


def _weights(_: Settings, route: RouteSettings, path: str) -> Iterator[Problem]:
    for order in sorted({each.order for each in route.deployments}):
        level = [each for each in route.deployments if each.order == order]
        if not any(each.weight for each in level):
            yield Problem(
                f"{path}.deployments",
                f"the weights of order {order} are 0 together, so nobody there would get a request; allowed: 1 or more "
                "for one of them at least; raise one, or remove them",
            )


def _hosted(settings: Settings) -> Iterator[Problem]:
    with suppress(UnusableError):
        for index, hosted in enumerate(settings.hosted):
            path = f"hosted[{index}]"
            agreement = hosted.agreement
            if agreement.zero_retention and agreement.trains_on_data:
                yield Problem(
                    f"{path}.agreement.trainsOnData",
                    "is true (its default) while zeroRetention is true too: who keeps nothing cannot train on it; set "
                    "it to false, or zeroRetention",
                )
            if isinstance(hosted, OpenAi) and hosted.region not in REGIONS_OF_OPENAI:
                yield Problem(
                    f"{path}.region",
                    f"{hosted.region!r} is no region of OpenAI's own API{choices(hosted.region, REGIONS_OF_OPENAI)}; "
                    "change it",
                )
            if (
                isinstance(hosted, OpenAiCompatible)
                and hosted.url.startswith("http://")
                and not settings.sandbox
            ):
                yield Problem(
                    f"{path}.url",
                    f"{hosted.url!r} is without TLS; allowed outside a sandbox: https://; everybody on the way could "
                    "read prompts, answers and the key; change it",
                )


def _guards(settings: Settings) -> Iterator[Problem]:
    known = [each.name for each in settings.guards]
    for name, data_class in settings.data_classes:
        yield from _unknown_guards(f"dataClasses.{name}.guards", data_class.guards, known)
    for index, route in enumerate(settings.routes):
        yield from _unknown_guards(f"routes[{index}].guards", route.guards, known)


def _unknown_guards(path: str, given: tuple[str, ...], known: list[str]) -> Iterator[Problem]:
    for index, name in enumerate(given):
        if name not in known:
            yield Problem(
                f"{path}[{index}]",
                f"{name!r} is not one of bastide:guards{choices(name, known)}; a guard that is not there would be "
                "passed by; add it there or choose another",
            )


PER_ROUTE: Final = (_reserved, _behind, _kind, _lane, _weights)


def _each_route(settings: Settings) -> Iterator[Problem]:
    with suppress(UnusableError):
        for index, route in enumerate(settings.routes):
            for check in PER_ROUTE:
                yield from usable(check(settings, route, f"routes[{index}]"))


CHECKS: Final[tuple[Check, ...]] = (_unique, _hosted, _guards, _each_route)
