"""Fallbacks that lead nowhere, in circles or too late."""

from __future__ import annotations

from tests.routing.route_changes import Row, fallbacks, more, route, several

TABLE: list[Row] = [
    (
        "a fallback that no class may use",
        fallbacks(2, outage=["secret"]),
        "routes[2].fallbacks.outage[0]",
        "'secret' is not one of bastide:routes",
    ),
    (
        "a fallback that a promised class forbids",
        route(0, classes=["public", "regulated"]),
        "routes[0].fallbacks.outage[0]",
        "may not be used by regulated data",
    ),
    (
        "a fallback that every class forbids",
        several(
            fallbacks(0, outage=[]),
            route(1, classes=["confidential"], deployments=[{"name": "haiku"}]),
            fallbacks(1, outage=["plain"]),
            more("routes", {"name": "plain", "classes": ["public"], "deployments": [{"name": "turbo"}]}),
        ),
        "routes[1].fallbacks.outage[0]",
        "which 'small' serves",
    ),
    (
        "a circle",
        fallbacks(1, outage=["chat"]),
        "routes[0].fallbacks.outage",
        "chat -> small -> chat",
    ),
    (
        "other routes at a rate limit than in an outage",
        fallbacks(0, rateLimit=["long"]),
        "routes[0].fallbacks.rateLimit",
        "LiteLLM 1.106 follows one list for both",
    ),
    (
        "a circle over outage and rate limit",
        fallbacks(1, rateLimit=["chat"]),
        "routes[0].fallbacks.outage",
        "goes in a circle",
    ),
    (
        "a route that falls back to itself",
        fallbacks(3, contentPolicy=["lenient"]),
        "routes[3].fallbacks.contentPolicy",
        "lenient -> lenient",
    ),
    (
        "a fallback twice",
        fallbacks(0, outage=["small", "small"]),
        "routes[0].fallbacks.outage[1]",
        "is named before",
    ),
    (
        "text instead of vectors",
        fallbacks(0, outage=["embed"]),
        "routes[0].fallbacks.outage[0]",
        "one answers in text",
    ),
    (
        "a queue instead of an answer",
        fallbacks(0, outage=["night"]),
        "routes[0].fallbacks.outage[0]",
        "is a batch route",
    ),
    (
        "vectors of another model",
        several(
            more("routes", {"name": "embed2", "kind": "embedding", "deployments": [{"name": "vectors"}]}),
            fallbacks(4, outage=["embed2"]),
        ),
        "routes[4].fallbacks.outage[0]",
        "whose vectors cannot be compared",
    ),
    (
        "a longer route that is no longer",
        fallbacks(2, contextTooLong=["small"]),
        "routes[2].fallbacks.contextTooLong[0]",
        "takes no more: 128,000 tokens",
    ),
    (
        "tries beyond the client's time",
        route(5, clientTimeoutSeconds=400),
        "routes[5].clientTimeoutSeconds",
        "3 tries of 60 s with their pauses, 300 s in the queue",
    ),
    (
        "fallbacks beyond the client's time",
        route(0, clientTimeoutSeconds=30),
        "routes[0].clientTimeoutSeconds",
        "for each order, 18 s of fallbacks",
    ),
    (
        "a first token later than the end",
        route(0, firstTokenSeconds=5),
        "routes[0].firstTokenSeconds",
        "is more than timeoutSeconds 4",
    ),
]  # fmt: skip
