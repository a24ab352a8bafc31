"""Settings of a route's traffic: fallbacks, tries, queue, cache and the bounds of a request."""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

from pydantic import Field

from bastide.settings.base import Strict, matching

Failure = Literal["outage", "rateLimit", "contextTooLong", "contentPolicy", "quality"]

FAILURES: Final[tuple[Failure, ...]] = get_args(Failure)
"""Kinds of failure for which a route may name others."""

RouteName = Annotated[
    str,
    matching(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}",
        "is not a route's name; allowed: up to 63 letters, digits, dots, hyphens and underscores, a letter or digit "
        "first; clients ask for it as `model`; '@' separates route and class inside the gateway, so it stands in no "
        "name; rename it",
    ),
]

RESERVED: Final = ("all-proxy-models", "all-team-models", "no-default-models")
"""Names with a meaning of their own in lists of models of keys and teams (LiteLLM 1.106.2, SpecialModelNames)."""


class FallbacksSettings(Strict):
    """Routes that answer instead, in order, for each kind of failure. A fallback has the request's class like the
    first choice: of each route only deployments that the class may use are asked."""

    outage: tuple[RouteName, ...] = ()
    """When every deployment is down, hangs, or answers with an error of its own."""

    rate_limit: tuple[RouteName, ...] | None = None
    """When every deployment refuses because of its own limits; without a value those of `outage`, and another one is
    refused as long as the gateway follows one list for both."""

    context_too_long: tuple[RouteName, ...] = ()
    """When prompt and answer do not fit; each of these routes must take more."""

    content_policy: tuple[RouteName, ...] = ()
    """When a provider refuses because of what the text says."""

    quality: tuple[RouteName, ...] = ()
    """When every deployment of the route is marked `regressed`."""

    def of(self, failure: Failure) -> tuple[str, ...]:
        """Names of routes for a kind of failure."""
        if failure == "rateLimit":
            return self.outage if self.rate_limit is None else self.rate_limit
        by_name = {
            "outage": self.outage,
            "contextTooLong": self.context_too_long,
            "contentPolicy": self.content_policy,
            "quality": self.quality,
        }
        return by_name[failure]


class RetriesSettings(Strict):
    """Further tries on the deployments of a route, before any fallback."""

    attempts: int = Field(2, ge=0, le=10)
    """Tries after the first. Where two engines are two deployments, with 2 no client saw one of them die, and with 0
    five of twelve did (measured, LiteLLM 1.106). Two replicas of one engine stand behind one Service, which picks
    blindly: until the dead one has left it, each try has half a chance. There 2 lost 1 of 200 requests, and 6 none
    (measured in the live sandbox)."""


class CooldownSettings(Strict):
    """When a deployment is left alone for a while."""

    failures: int = Field(1, ge=0, le=1000)
    """Failures in a minute that are borne; at the next one the deployment is left out."""

    seconds: int = Field(15, ge=1, le=3600)
    """Seconds for which it is left out."""


class RouteQueueSettings(Strict):
    """How many requests of a route run at once, and what the next one gets."""

    max_parallel: int | None = Field(None, ge=1, le=100_000)
    """Most requests under way, in all pods of the gateway together; without a value the engines' own queues are the
    bound."""

    when_full: Literal["refuse", "wait"] = "refuse"
    """`refuse` answers 429 at once; `wait` holds the request until there is room, or `maxWaitSeconds` are over."""

    max_wait_seconds: int = Field(30, ge=1, le=86_400)
    """Most seconds that a request waits."""


class RouteCacheSettings(Strict):
    """Answers that are given again for an identical request of the same tenant and class, where the class allows."""

    enabled: bool = False
    """Whether answers are kept."""

    ttl_seconds: int = Field(300, ge=1, le=604_800)
    """Seconds for which one is kept."""


class RouteLimitsSettings(Strict):
    """Bounds of one request; what is larger is refused before anything is spent."""

    max_body_bytes: int = Field(1_048_576, ge=1024, le=1_073_741_824)
    """Largest body of a request in bytes."""

    max_input_tokens: int | None = Field(None, ge=1)
    """Most tokens of a prompt; without a value what the deployments' context allows."""

    max_output_tokens: int | None = Field(None, ge=1)
    """Most tokens of an answer, which is also what a request that names none gets at most; without a value what the
    deployments' context allows."""

    max_n: int = Field(1, ge=1, le=64)
    """Most answers to one request: each costs as much as a request of its own."""
