"""Checks of a route's bounds: time, queue, cache and lengths."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bastide.settings.base import UnusableError
from bastide.settings.checks.common import Check, usable
from bastide.settings.checks.routes_fallbacks import contexts
from bastide.settings.data_classes import CLASSES
from bastide.settings.errors import Problem
from bastide.settings.routes import RouteSettings

if TYPE_CHECKING:
    from bastide.settings.root import Settings

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 8.0
JITTER: Final = 0.75
"""Seconds that LiteLLM 1.106.2 waits before another try: the first doubled each time up to the longest, and a part of
the jitter (litellm/constants.py; a test compares them)."""


def pauses(attempts: int) -> float:
    """Most seconds of all pauses between the tries."""
    return sum(min(FIRST_PAUSE * 2.0**each, LONGEST_PAUSE) + JITTER for each in range(attempts))


def group_seconds(route: RouteSettings) -> float:
    """Most seconds of all tries on one route: all of them for each order, one order after the other."""
    tries = route.retries.attempts + 1
    orders = len({each.order for each in route.deployments if not each.regressed}) or 1
    return orders * (tries * route.timeout_seconds + pauses(route.retries.attempts))


def worst_seconds(settings: Settings, route: RouteSettings) -> float:
    """Most seconds until a client has an answer or an error, all fallbacks of an outage included: each is asked once,
    after those before it."""
    by_name = {each.name: each for each in settings.routes}
    reached: list[str] = []
    waiting = [route.name]
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in reached:
            reached.append(name)
            waiting += [*by_name[name].fallbacks.of("outage"), *by_name[name].fallbacks.of("rateLimit")]
    queued = route.queue.max_wait_seconds if route.queue.when_full == "wait" else 0
    return queued + sum(group_seconds(by_name[each]) for each in reached)


def _budget(settings: Settings, route: RouteSettings, path: str) -> Iterator[Problem]:
    worst = worst_seconds(settings, route)
    if worst <= route.client_timeout_seconds:
        return
    own = group_seconds(route)
    tries = route.retries.attempts + 1
    parts = [f"{tries} tries of {route.timeout_seconds:g} s with their pauses"]
    if len({each.order for each in route.deployments if not each.regressed}) > 1:
        parts.append("for each order")
    beyond = worst - own - (route.queue.max_wait_seconds if route.queue.when_full == "wait" else 0)
    if beyond > 0:
        parts.append(f"{beyond:,.0f} s of fallbacks")
    if route.queue.when_full == "wait":
        parts.append(f"{route.queue.max_wait_seconds} s in the queue")
    yield Problem(
        f"{path}.clientTimeoutSeconds",
        f"{route.client_timeout_seconds:g} is less than all tries may take, {worst:,.0f} s ({', '.join(parts)}); the "
        "client would be gone while the gateway still works and pays; lower timeoutSeconds, retries.attempts or the "
        "fallbacks, or raise it together with the clients' own time-out",
    )


def _first_token(_: Settings, route: RouteSettings, path: str) -> Iterator[Problem]:
    first = route.first_token_seconds
    if first is not None and first > route.timeout_seconds:
        yield Problem(
            f"{path}.firstTokenSeconds",
            f"{first:g} is more than timeoutSeconds {route.timeout_seconds:g}; allowed: at most that; a try is over "
            "by then; lower it",
        )


def _queue(_: Settings, route: RouteSettings, path: str) -> Iterator[Problem]:
    queue = route.queue
    if queue.when_full == "wait" and queue.max_parallel is None:
        yield Problem(
            f"{path}.queue.maxParallel",
            "is missing while queue.whenFull is 'wait': without a number nothing is ever full; add it, or leave "
            "whenFull out",
        )
    elif route.kind == "batch" and queue.when_full != "wait":
        yield Problem(
            f"{path}.queue.whenFull",
            "is 'refuse' (its default) in a batch route, which is a queue: work on which nobody waits is held until "
            "there is room, so that it takes none from users; set it to wait, with queue.maxParallel",
        )


def _cache(settings: Settings, route: RouteSettings, path: str) -> Iterator[Problem]:
    if not route.cache.enabled:
        return
    classes = route.classes or CLASSES
    if not any(settings.data_classes.of(each).cache for each in classes):
        yield Problem(
            f"{path}.cache.enabled",
            f"true has no effect: none of the classes that the route serves ({', '.join(classes)}) may have its "
            "answers kept; remove it, or set cache for one of them in bastide:dataClasses",
        )


def _lengths(settings: Settings, route: RouteSettings, path: str) -> Iterator[Problem]:
    most = max(contexts(settings, route), default=None)
    for name, given in (
        ("maxInputTokens", route.limits.max_input_tokens),
        ("maxOutputTokens", route.limits.max_output_tokens),
    ):
        if most is not None and given is not None and given > most:
            yield Problem(
                f"{path}.limits.{name}",
                f"{given:,} is more than any deployment of the route takes, prompt and answer together; allowed: at "
                f"most {most:,}; lower it",
            )
    if route.kind == "embedding" and route.limits.max_output_tokens is not None:
        yield Problem(
            f"{path}.limits.maxOutputTokens",
            "is a bound of answers, and an embedding has none; remove it",
        )


PER_ROUTE: Final = (_budget, _first_token, _queue, _cache, _lengths)


def _each_route(settings: Settings) -> Iterator[Problem]:
    with suppress(UnusableError):
        for index, route in enumerate(settings.routes):
            for check in PER_ROUTE:
                yield from usable(check(settings, route, f"routes[{index}]"))


CHECKS: Final[tuple[Check, ...]] = (_each_route,)
