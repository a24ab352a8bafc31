"""Our numbers for Prometheus, beside LiteLLM's own. No label holds a key, a team's text or anything of a
request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

MILLISECONDS: Final[Sequence[float]] = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
SECONDS: Final[Sequence[float]] = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60, 120, 300)

GUARD_MS: Final = Histogram(
    "bastide_gateway_guard_milliseconds",
    "What a guard took",
    [
        "guard",
        "step",
        "outcome",
    ],  # step: request, answer, stream, finished, administered; outcome: ok, refused, failed, late
    buckets=MILLISECONDS,
)
GUARD_READY: Final = Gauge("bastide_gateway_guard_ready", "1 when the guard can do its work", ["guard"])
PART_READY: Final = Gauge(
    "bastide_gateway_part_ready", "1 when redis, the database or a callback works", ["part"]
)
REQUESTS: Final = Counter(
    "bastide_gateway_requests",
    "Requests by what became of them",
    ["route", "data_class", "outcome", "deployment"],
)
STRANGERS: Final = Counter(
    "bastide_gateway_strangers",
    "Requests that ended before it was known who sends them, by what became of them",
    ["outcome"],
)
SECONDS_TAKEN: Final = Histogram(
    "bastide_gateway_request_seconds",
    "From the first byte in to the last byte out",
    ["route"],
    buckets=SECONDS,
)
FIRST_TOKEN_SECONDS: Final = Histogram(
    "bastide_gateway_first_token_seconds",
    "From the first byte in to the first token out",
    ["route"],
    buckets=SECONDS,
)
TOKENS: Final = Counter(
    "bastide_gateway_tokens", "Tokens that were paid for", ["route", "data_class", "direction"]
)
COST: Final = Counter(
    "bastide_gateway_cost_usd", "Cost by the plan's prices", ["route", "data_class", "deployment"]
)
ATTEMPTS: Final = Counter("bastide_gateway_attempts", "Tries at deployments", ["deployment", "failure"])
CACHE: Final = Counter("bastide_gateway_cache", "Looks into the answers that were kept", ["result"])
REDIS_MS: Final = Histogram(
    "bastide_gateway_redis_milliseconds", "What Redis took", ["operation", "outcome"], buckets=MILLISECONDS
)
