"""What one process of the gateway holds: the document, the guards, Redis, the log; and the end of every
request."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from bastide_gateway import allowance, decision_log, faults, metrics
from bastide_gateway.call import Call
from bastide_gateway.document import Document
from bastide_gateway.errors import Refused
from bastide_gateway.frame import Frame
from bastide_gateway.redis_link import RedisDown, RedisLink
from bastide_gateway.reservations import QUEUE_FULL, Reservation, Reservations

log = logging.getLogger("bastide.gateway")

PLACE_S: Final = 0.25
"""How often a waiting request looks for a place."""

EVENTS_S: Final = 0.2
"""How long the end of a request waits for LiteLLM to say why a try failed, or how many tokens a stream had that its
client left; no client waits for it."""


@dataclass
class Gateway:
    """The parts."""

    document: Document
    frame: Frame
    log: decision_log.DecisionLog
    link: RedisLink | None
    reservations: Reservations | None
    down: dict[str, str] = field(default_factory=dict)
    """By part (`database`, `redis`, `callback`, `guard NAME`): why it does not work. The watch keeps it."""

    calls: dict[str, Call] = field(default_factory=dict)
    """Requests under way, by id."""

    _taken: dict[str, Reservation] = field(default_factory=dict)
    _ends: set[asyncio.Task[None]] = field(default_factory=set)

    def begin(self, call: Call) -> None:
        """A request has come."""
        self.calls[call.request_id] = call

    def gate(self) -> None:
        """Refuses while something does not work that must. Raises `Refused`."""
        self.log_gate()
        if self.document.on_database_failure == "refuse" and "database" in self.down:
            raise unavailable("database_unavailable", "the database of keys and budgets does not answer")

    def log_gate(self) -> None:
        """Refuses while no line can be written, where one must be. Raises `Refused`."""
        if self.document.on_log_failure == "refuse" and self.log.broken is not None:
            raise unavailable("log_unavailable", "the log of decisions cannot be written")

    async def reserve(self, call: Call, limits: list[allowance.Limit], wait_s: float = 0.0) -> None:
        """Takes the request's limits; waits for a place at a model that is full. Raises `Refused`."""
        try:
            if self.reservations is None:
                raise RedisDown("there is no Redis in this gateway's environment")
            self._taken[call.request_id] = await self._take(self.reservations, call, limits, wait_s)
        except RedisDown as error:
            self.down["redis"] = str(error)
            if self.document.on_redis_failure == "refuse":
                raise unavailable("limits_unavailable", "the limits cannot be counted") from None
            call.facts["limits.counted"] = False

    async def _take(
        self, reservations: Reservations, call: Call, limits: list[allowance.Limit], wait_s: float
    ) -> Reservation:
        until = time.monotonic() + wait_s
        while True:
            try:
                return await reservations.take(call, limits)
            except Refused as refused:
                if refused.code != QUEUE_FULL or time.monotonic() >= until:
                    raise
            await asyncio.sleep(PLACE_S)

    def end(self, call: Call) -> None:
        """The last byte has gone, or the client has. What is left to do keeps no client waiting."""
        task = asyncio.get_running_loop().create_task(self._end(call))
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    async def drained(self) -> None:
        """Waits for the ends of all requests."""
        while self._ends:
            await asyncio.gather(*self._ends, return_exceptions=True)

    async def _end(self, call: Call) -> None:
        try:
            uncounted = call.deployment is not None and not call.cache_hit and call.output_tokens is None
            if uncounted or any(attempt.failure is None for attempt in call.attempts[:-1]):
                await asyncio.sleep(EVENTS_S)
            await self._account(call)
            _close_attempts(call)
            await self.frame.finished(call)
        except Exception as error:
            log.error("the end of request %s failed: %s", call.request_id, faults.told(error))
        finally:
            self.calls.pop(call.request_id, None)
            record = decision_log.line(self.document, call)
            if record is not None:
                self.log.write(record)
            _count(call)

    async def _account(self, call: Call) -> None:
        """Tokens and cost, and what was taken for them. Where an answer came and nobody says of how many tokens, the
        most that it can have been is what it was: a budget is never passed by an engine that does not count."""
        deployment = call.deployment or _left_at(call)
        if call.cache_hit:
            call.cost_usd = Decimal(0)
        elif deployment is not None:
            if call.input_tokens is None or call.output_tokens is None:
                call.facts["tokens.counted"] = False
                call.input_tokens, call.output_tokens = call.input_bound, call.output_bound
            call.cost_usd = allowance.price(self.document, deployment, call.input_tokens, call.output_tokens)
        taken = self._taken.pop(call.request_id, None)
        if taken is None or self.reservations is None:
            return
        tokens = 0 if call.cache_hit else (call.input_tokens or 0) + (call.output_tokens or 0)
        try:
            await self.reservations.settle(taken, tokens, call.cost_usd or Decimal(0))
        except RedisDown as error:
            self.down["redis"] = str(error)
            call.facts["limits.settled"] = False


def unavailable(code: str, what: str) -> Refused:
    """A part that must work does not."""
    return Refused(
        503,
        code,
        f"{what}, so that no request is let through; try again in some seconds",
        {"retry-after": "5"},
    )


def _left_at(call: Call) -> str | None:
    """The deployment that was at work when the client left before the first piece of its answer: it has read the text
    and may have written all of the answer, so that leaving early is not free."""
    if call.outcome != "client_gone" or not call.attempts or call.attempts[-1].failure is not None:
        return None
    return call.attempts[-1].deployment


def _close_attempts(call: Call) -> None:
    """LiteLLM tells of the first failure alone: a try that another followed has failed, and so has the last one of a
    request that nobody answered."""
    for index, attempt in enumerate(call.attempts):
        if attempt.failure is not None:
            continue
        if index < len(call.attempts) - 1:
            call.attempts[index] = replace(attempt, failure="failed")
        elif call.deployment is None and not call.cache_hit:
            call.attempts[index] = replace(attempt, failure=str(call.notes.get("failure", "failed")))


def _count(call: Call) -> None:
    route = call.route or "none"
    outcome = call.outcome or "none"
    held = call.data_class or "none"
    metrics.REQUESTS.labels(route, held, outcome, call.deployment or "none").inc()
    if call.by_stranger:
        metrics.STRANGERS.labels(outcome).inc()
    if call.route is None:
        return
    metrics.SECONDS_TAKEN.labels(route).observe(time.monotonic() - call.started_clock)
    if call.first_token_clock is not None:
        metrics.FIRST_TOKEN_SECONDS.labels(route).observe(call.first_token_clock - call.started_clock)
    for attempt in call.attempts:
        metrics.ATTEMPTS.labels(attempt.deployment, attempt.failure or "none").inc()
    if not call.cache_hit:
        metrics.TOKENS.labels(route, held, "input").inc(call.input_tokens or 0)
        metrics.TOKENS.labels(route, held, "output").inc(call.output_tokens or 0)
    if call.cost_usd is not None and call.deployment is not None:
        metrics.COST.labels(route, held, call.deployment).inc(float(call.cost_usd))
