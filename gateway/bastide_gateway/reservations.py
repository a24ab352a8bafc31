"""Limits that hold at the number over all replicas: what a request may use at most is taken before it goes on, in one
step for all its limits, and what it really used is put in its place afterwards.

Counting afterwards, as LiteLLM does, lets every request through that is under way when the limit is reached, in every
replica. Taking the worst case first can refuse a request that would have fitted in the end: a budget is never passed,
and its last part may stay unused while requests are under way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from typing import Any, Final

from bastide_gateway.allowance import Limit, nano
from bastide_gateway.call import Call
from bastide_gateway.errors import Refused
from bastide_gateway.redis_link import RedisLink

PREFIX: Final = "{bastide}:limit:"
"""In braces, so that all keys of a request lie in one slot of a Redis with shards."""

QUEUE_FULL: Final = "queue_full"
"""Code of a refusal because as many requests as a route admits are under way."""


@dataclass(frozen=True)
class Reservation:
    """What was taken for a request."""

    id: str
    limits: tuple[Limit, ...]


class Reservations:
    """The limits, in Redis."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        here = resources.files("bastide_gateway")
        self._take = link.redis.register_script((here / "reservations.lua").read_text())
        self._settle = link.redis.register_script((here / "settle.lua").read_text())

    async def take(self, call: Call, limits: Sequence[Limit]) -> Reservation:
        """Takes it all. Raises `Refused` with the first limit that is reached, and `RedisDown`."""
        wanted = [
            {"limit": limit.limit, "amount": limit.amount, "span": limit.span_ms}
            | ({} if limit.spent is None else {"spent": limit.spent})
            for limit in limits
        ]
        if not limits:
            return Reservation(call.request_id, ())
        keys = _keys(limits)
        answer: list[Any] = await self._link.run(
            "reserve", lambda: self._take(keys=keys, args=[call.request_id, json.dumps(wanted)])
        )
        if int(answer[0]) == 1:
            return Reservation(call.request_id, tuple(limits))
        raise refusal(limits[int(answer[1]) - 1], int(answer[2]), int(answer[3]))

    async def settle(self, reservation: Reservation, tokens: int, cost: Decimal) -> None:
        """Puts what was used in place of what was taken. Raises `RedisDown`: what was taken then stays taken for as
        long as a request may take, and the database's sum stands in for it afterwards."""
        if not reservation.limits:
            return
        used = [
            {
                "amount": {"requests": 1, "tokens": tokens, "parallel": 0, "budget": nano(cost)}[limit.what],
                "keep": limit.what in ("requests", "tokens"),
                "spend": limit.what == "budget",
            }
            for limit in reservation.limits
        ]
        keys = _keys(reservation.limits)
        await self._link.run(
            "settle", lambda: self._settle(keys=keys, args=[reservation.id, json.dumps(used)])
        )


def refusal(limit: Limit, used: int, wait_ms: int) -> Refused:
    """What a client is told whose request is over a limit."""
    # A place comes free when a request ends, not when it must have ended.
    seconds = 1 if limit.what == "parallel" else max(1, -(-wait_ms // 1000))
    if limit.what == "budget":
        left = max(limit.limit - used, 0) / 1e9
        return Refused(
            429,
            "budget_exceeded",
            f"the {limit.whose}'s budget of {limit.limit / 1e9:.6g} USD has {left:.6g} USD left, counting "
            "requests that are "
            f"under way, and this request may cost up to {limit.amount / 1e9:.6g} USD; ask for fewer "
            "tokens, wait for the "
            "budget's next period, or have it raised",
        )
    told = {
        "requests": f"{limit.limit} requests a minute",
        "tokens": f"{limit.limit} tokens a minute, of which this request may take up to {limit.amount}",
        "parallel": f"{limit.limit} requests at a time",
    }[limit.what]
    return Refused(
        429,
        QUEUE_FULL if limit.whose == "model" else "rate_limit_exceeded",
        f"the {limit.whose} may have {told}; try again in {seconds} s",
        {"retry-after": str(seconds)},
    )


def _keys(limits: Sequence[Limit]) -> list[str]:
    return [
        f"{PREFIX}{limit.name}:{part}" for limit in limits for part in ("entries", "amounts", "sum", "spent")
    ]
