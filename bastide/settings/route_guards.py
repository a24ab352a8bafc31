"""Settings of guards, which see each request before any model does, and of what happens when a part is down."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bastide.settings.base import Strict, matching
from bastide.settings.data_classes import GuardName

OnFailure = Literal["refuse", "pass"]

GuardModule = Annotated[
    str,
    matching(
        r"bastide_gateway\.guards\.[a-z][a-z0-9_]*",
        "is not a guard's module; allowed: bastide_gateway.guards.NAME, one file of gateway/bastide_gateway/guards; "
        "put it there",
    ),
]


class GuardSettings(Strict):
    """One guard: a module of the gateway's package, its time budget and what happens when it fails."""

    name: GuardName
    """Name by which classes and routes ask for it."""

    module: GuardModule
    """Its module."""

    timeout_ms: int = Field(500, ge=1, le=30_000)
    """Milliseconds that it may take for one request, after which it has failed. A choice."""

    on_failure: OnFailure = "refuse"
    """What happens to a request when the guard fails or takes too long: `refuse` it, or let it `pass` unseen."""

    settings: dict[str, str | int | bool | list[str]] = {}
    """Settings of the guard itself, as its page in docs/ says."""


PII = GuardSettings(name="pii", module="bastide_gateway.guards.pii", timeout_ms=6000)
"""Redaction of personal data (docs/pii.md). Its service gives up by itself after 5 s, waiting included
(`pii/limits.py`): a shorter time here would refuse long texts that it can judge."""


class OnFailureSettings(Strict):
    """What a request gets while a part that the gateway needs is down: refused by default."""

    redis: OnFailure = "refuse"
    """Redis, which counts limits over all pods: without it they cannot be kept."""

    database: OnFailure = "refuse"
    """Postgres, which knows keys and budgets. `pass` serves keys that are still in memory."""

    log: OnFailure = "refuse"
    """The log of decisions and the audit trail."""
