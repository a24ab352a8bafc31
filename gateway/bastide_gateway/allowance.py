"""Which limits hold for a request: of its key, of its team, of its route. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from bastide_gateway.call import Call
from bastide_gateway.document import Document, Route

NANO: Final = Decimal(10) ** 9
"""Money is counted in whole billionths of a dollar, rounded up: a token of the cheapest model costs some
of them."""

MOST: Final = 9 * 10**15
"""Above it Redis's numbers are no longer exact (2 to the power of 53): 9 million dollars, or so many
tokens."""

MINUTE_MS: Final = 60_000
MARGIN_MS: Final = 60_000
"""How much longer than its client waits a request may hold money; then it counts as lost with its process."""


@dataclass(frozen=True)
class Limit:
    """One limit and what a request takes of it."""

    name: str
    """Where it is counted in Redis: whose it is and of what."""

    what: str
    """`requests`, `tokens`, `parallel` or `budget`."""

    whose: str
    """For people: `key`, `team`, `model`."""

    limit: int
    amount: int
    span_ms: int
    spent: int | None = None
    """Of a budget: what the database knows was spent in the period."""


@dataclass(frozen=True)
class Holder:
    """A key or a team, with its limits; none is no limit."""

    whose: str
    name: str
    rpm: int | None = None
    tpm: int | None = None
    parallel: int | None = None
    max_budget_usd: Decimal | None = None
    spent_usd: Decimal = Decimal(0)
    period: str = ""
    """The budget's period: another one starts at zero."""


def nano(usd: Decimal) -> int:
    """Whole billionths of a dollar, rounded up."""
    return min(math.ceil(usd * NANO), MOST)


def worst_cost(document: Document, route: Route, call: Call) -> Decimal:
    """What the request costs at most, in USD: all its tokens at the dearest deployment that may answer it."""
    names = document.reachable(route, call.data_class or "")
    return max(
        (price(document, name, call.input_bound, call.output_bound) for name in names), default=Decimal(0)
    )


def price(document: Document, deployment: str, input_tokens: int, output_tokens: int) -> Decimal:
    """What so many tokens cost at the deployment, in USD, by the plan's price."""
    held = document.deployments[deployment]
    return held.input_price * input_tokens + held.output_price * output_tokens


def limits(document: Document, route: Route, call: Call, holders: Iterable[Holder]) -> list[Limit]:
    """Everything that is to be taken before the request may go on."""
    tokens = call.input_bound + call.output_bound
    cost = nano(worst_cost(document, route, call))
    hold_ms = int(route.client_timeout_s * 1000) + MARGIN_MS
    found: list[Limit] = []
    for holder in holders:
        at = f"{holder.whose}:{holder.name}"
        if holder.rpm is not None:
            found.append(Limit(f"{at}:rpm", "requests", holder.whose, holder.rpm, 1, MINUTE_MS))
        if holder.tpm is not None:
            found.append(Limit(f"{at}:tpm", "tokens", holder.whose, holder.tpm, tokens, MINUTE_MS))
        if holder.parallel is not None:
            found.append(Limit(f"{at}:parallel", "parallel", holder.whose, holder.parallel, 1, hold_ms))
        if holder.max_budget_usd is not None:
            found.append(
                Limit(
                    f"{at}:budget:{holder.period or 'whole'}",
                    "budget",
                    holder.whose,
                    nano(holder.max_budget_usd),
                    cost,
                    hold_ms,
                    nano(holder.spent_usd),
                )
            )
    if route.max_parallel is not None:
        found.append(
            Limit(f"model:{route.name}:parallel", "parallel", "model", route.max_parallel, 1, hold_ms)
        )
    return found
