"""One request on its way through the gateway: what is known of it so far, and never its text."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Caller:
    """Who asks, as LiteLLM's key or the sign-in says."""

    key_hash: str
    """SHA-256 of the virtual key, as LiteLLM stores it; of the subject where a token signed in. Never the
    key."""

    team: str | None = None
    """The team's name (alias), by which routes.json knows it."""

    team_id: str | None = None
    data_class: str | None = None
    """The class of the key or team; none means the strictest."""


@dataclass(frozen=True)
class Attempt:
    """One try at one deployment."""

    deployment: str
    group: str
    failure: str | None = None
    """What kind of failure ended it; none while it runs or when it answered."""


@dataclass
class Call:
    """A request, from the first byte of it to the last byte of its answer. Guards read it; some of it
    they may add."""

    request_id: str
    """Made here. LiteLLM's call id and the engine's `x-request-id` are the same."""

    path: str = ""
    correlation_id: str | None = None
    """The client's own `x-request-id`, where it was well formed."""

    asked_class: str | None = None
    """From the header or the body's metadata; may only raise."""

    kind: str = "chat"
    """`chat`, `completion` or `embedding`: what was called."""

    model: str | None = None
    """The public name that was asked for."""

    route: str | None = None
    group: str | None = None
    data_class: str | None = None
    """The class that holds. Set before any guard runs."""

    caller: Caller | None = None
    streaming: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    deployment: str | None = None
    """The one that answered."""

    input_bound: int = 0
    """At most so many tokens go in."""

    output_bound: int = 0
    """At most so many tokens come out, over all `n` answers."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None
    cache_hit: bool = False
    cache_allowed: bool = False
    guards_ms: dict[str, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    """A guard's own, by its name: what it needs again when the answer comes. It ends with the request."""

    facts: dict[str, int | float | str | bool] = field(default_factory=dict)
    """What a guard wants in the decision line and in the audit trail (counts, never text), by `NAME.WHAT`."""

    started: float = field(default_factory=time.time)
    """Seconds since 1970."""

    started_clock: float = field(default_factory=time.monotonic)
    first_token_clock: float | None = None
    status: int | None = None
    outcome: str | None = None
    """`ok`, or the code of what went wrong."""

    reason: str | None = None
    """Why it was refused, for people; without text of the request."""

    @property
    def by_stranger(self) -> bool:
        """Whether nobody is known to have sent it: it got no answer, and no caller was found. What the edge, LiteLLM's
        check of keys and the sign-in refuse is so."""
        return self.caller is None and (self.status is None or self.status >= 400)

    def first_token(self) -> None:
        """Text of the answer goes out; the first time counts."""
        if self.first_token_clock is None:
            self.first_token_clock = time.monotonic()


current: ContextVar[Call | None] = ContextVar("bastide_call", default=None)
"""The request that this task serves. The edge sets it; LiteLLM's own tasks inherit it."""
