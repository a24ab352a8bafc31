"""Limits at the number, on a real Redis, with several replicas at a time; and what a frozen Redis does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from bastide_gateway import allowance
from bastide_gateway.allowance import Holder, Limit
from bastide_gateway.call import Call
from bastide_gateway.decision_log import DecisionLog
from bastide_gateway.errors import Refused
from bastide_gateway.frame import Frame
from bastide_gateway.gateway import Gateway
from bastide_gateway.redis_link import Address, RedisDown, RedisLink
from bastide_gateway.reservations import Reservations

from sandbox.data.redis import Redis
from tests.gateway.gateway_samples import call, table

RPM = Limit("key:k:rpm", "requests", "key", 60, 1, 60_000)
BUDGET = Limit("key:k:budget:whole", "budget", "key", 1000, 100, 60_000, 0)
BOUND_S = 4.0


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    started = Redis.start(tmp_path_factory.mktemp("redis") / "data")
    yield started
    started.stop()


class Replicas:
    """Several processes' worth of connections."""

    def __init__(self, redis: Redis, count: int = 3) -> None:
        address = Address("127.0.0.1", redis.port, False, password=redis.password)
        self.links = [RedisLink(address, 5.0) for _ in range(count)]
        self.all = [Reservations(link) for link in self.links]

    async def __aenter__(self) -> Replicas:
        await self.links[0].redis.flushall()
        return self

    async def __aexit__(self, *_: object) -> None:
        for link in self.links:
            await link.close()

    async def take(self, index: int, *limits: Limit) -> str | None:
        """Why it was refused, or nothing."""
        try:
            await self.all[index % len(self.all)].take(Call(f"id-{index}"), limits)
        except Refused as refused:
            return refused.code
        return None


def test_three_replicas_stop_at_the_number_of_requests(redis: Redis) -> None:
    async def run() -> list[str | None]:
        async with Replicas(redis) as replicas:
            return await asyncio.gather(*(replicas.take(index, RPM) for index in range(200)))

    found = asyncio.run(run())
    assert found.count(None) == 60
    assert set(found) == {None, "rate_limit_exceeded"}


def test_three_replicas_never_pass_a_budget(redis: Redis) -> None:
    async def run() -> tuple[list[str | None], int, list[str | None]]:
        async with Replicas(redis) as replicas:
            first = await asyncio.gather(*(replicas.take(index, BUDGET) for index in range(30)))
            # Each used a tenth of what it took.
            for index, refused in enumerate(first):
                if refused is None:
                    taken = allowance_of(f"id-{index}", BUDGET)
                    await replicas.all[0].settle(taken, 5, Decimal("0.000000010"))
            spent = int(await replicas.links[0].redis.get("{bastide}:limit:key:k:budget:whole:spent") or 0)
            later = [await replicas.take(100 + index, BUDGET) for index in range(12)]
            return first, spent, later

    first, spent, later = asyncio.run(run())
    assert first.count(None) == 10
    assert spent == 100
    assert later.count(None) == 9
    assert later[-1] == "budget_exceeded"


def allowance_of(identity: str, *limits: Limit):  # type: ignore[no-untyped-def]
    from bastide_gateway.reservations import Reservation

    return Reservation(identity, limits)


def test_all_limits_are_taken_or_none(redis: Redis) -> None:
    async def run() -> list[object]:
        async with Replicas(redis) as replicas:
            full = replace(BUDGET, limit=50)
            refused = await replicas.take(0, RPM, full)
            left = await replicas.links[0].redis.zcard("{bastide}:limit:key:k:rpm:entries")
            return [refused, left]

    assert asyncio.run(run()) == ["budget_exceeded", 0]


def test_what_the_database_knows_was_spent_counts_after_a_loss(redis: Redis) -> None:
    async def run() -> list[str | None]:
        async with Replicas(redis) as replicas:
            known = replace(BUDGET, spent=950)
            return [await replicas.take(0, known), await replicas.take(1, replace(known, amount=50))]

    assert asyncio.run(run()) == ["budget_exceeded", None]


def test_a_lost_process_gives_back_what_it_held(redis: Redis) -> None:
    async def run() -> list[str | None]:
        async with Replicas(redis) as replicas:
            short = replace(BUDGET, amount=1000, span_ms=3000)
            found = [await replicas.take(0, short), await replicas.take(1, short)]
            await asyncio.sleep(3.1)
            return [*found, await replicas.take(2, short)]

    assert asyncio.run(run()) == [None, "budget_exceeded", None]


def test_tokens_and_places_are_given_back(redis: Redis) -> None:
    tokens = Limit("team:t:tpm", "tokens", "team", 100, 80, 60_000)
    place = Limit("model:m:parallel", "parallel", "model", 1, 1, 60_000)

    async def run() -> list[str | None]:
        async with Replicas(redis) as replicas:
            found = [
                await replicas.take(0, tokens, place),
                await replicas.take(1, place),
                await replicas.take(2, tokens),
            ]
            await replicas.all[0].settle(allowance_of("id-0", tokens, place), 10, Decimal(0))
            return [*found, await replicas.take(3, tokens, place)]

    assert asyncio.run(run()) == [None, "queue_full", "rate_limit_exceeded", None]


def test_a_frozen_redis_is_waited_for_once_and_no_longer_than_its_bound(redis: Redis) -> None:
    async def run() -> list[float]:
        link = RedisLink(Address("127.0.0.1", redis.port, False, password=redis.password), BOUND_S)
        reservations = Reservations(link)
        await reservations.take(Call("before"), [RPM])
        redis.freeze()
        took = []
        try:
            for index in range(3):
                began = time.perf_counter()
                with pytest.raises(RedisDown):
                    await reservations.take(Call(f"frozen-{index}"), [RPM])
                took.append(time.perf_counter() - began)
        finally:
            redis.freeze(False)
        await asyncio.sleep(1.1)
        await reservations.take(Call("after"), [RPM])
        await link.close()
        return took

    took = asyncio.run(run())
    assert BOUND_S <= took[0] < 4 * BOUND_S
    # Those that come after it within PAUSE_S are refused without a wait of their own.
    assert max(took[1:]) < BOUND_S / 2


def test_limits_are_those_of_key_team_and_route() -> None:
    doc = table()
    found = call(data_class="public", input_bound=100, output_bound=50)
    held = [
        Holder("key", "k", rpm=5, max_budget_usd=Decimal("0.01"), period="p"),
        Holder("team", "t", tpm=1000, parallel=3),
    ]
    route = replace(doc.routes["chat"], max_parallel=7)
    limits = allowance.limits(doc, route, found, held)
    assert [(limit.name, limit.limit, limit.amount) for limit in limits] == [
        ("key:k:rpm", 5, 1),
        # 100 in and 50 out at the fallback's price, which is the dearest that may answer: 0.0002 USD.
        ("key:k:budget:p", 10_000_000, 200_000),
        ("team:t:tpm", 1000, 150),
        ("team:t:parallel", 3, 1),
        ("model:chat:parallel", 7, 1),
    ]


def test_a_regulated_request_is_reserved_at_the_price_of_what_may_answer_it() -> None:
    doc = table()
    found = call(data_class="regulated", input_bound=100, output_bound=50)
    assert allowance.worst_cost(doc, doc.routes["chat"], found) == Decimal("0.00002")


def test_a_full_model_is_waited_for_as_long_as_its_route_says(redis: Redis) -> None:
    place = Limit("model:m:parallel", "parallel", "model", 1, 1, 60_000)

    async def run() -> list[str]:
        async with Replicas(redis) as replicas:
            reservations = replicas.all[0]
            held = Gateway(table(), Frame(table(), []), DecisionLog(), replicas.links[0], reservations)
            first = await reservations.take(Call("first"), [place])
            found = []
            try:
                await held.reserve(Call("hasty"), [place])
            except Refused as refused:
                found.append(refused.code)
            waiting = asyncio.create_task(held.reserve(Call("patient"), [place], 5.0))
            await asyncio.sleep(0.4)
            found.append("waits" if not waiting.done() else "went on")
            await reservations.settle(first, 0, Decimal(0))
            await waiting
            return found

    assert asyncio.run(run()) == ["queue_full", "waits"]
