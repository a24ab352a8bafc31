"""Limits of three gateways on one Redis: stopped at the number, and not at three times it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from tests.gateway.gateway_world import World, world
from tests.waits import until

pytestmark = [pytest.mark.proof, pytest.mark.xdist_group("litellm")]

REPLICAS = 3
ROWS = """select count(*), sum(spend) from "LiteLLM_SpendLogs" where spend > 0 and api_key in
    (select token from "LiteLLM_VerificationToken" where max_budget = 0.01)"""
BUDGET = Decimal("0.01")
A_MINUTE = 60


def expensive(document: dict[str, Any]) -> None:
    """A price at which 0.01 USD are some requests: 11 tokens in and 7 out cost 0.0005 USD."""
    price = {"inputPrice": "0.00002", "outputPrice": "0.00004"}
    for deployment in document["deployments"].values():
        deployment |= price


COST = 11 * Decimal("0.00002") + 7 * Decimal("0.00004")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("limits"), *[expensive] * REPLICAS) as held:
        yield held


def asked(live: World, key: str, times: int, **more: Any) -> tuple[Counter[tuple[int, int]], list[str]]:
    """How often each replica answered with which status, 8 requests at once and in turn; codes of refusals."""
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(lambda turn: (turn % REPLICAS, live.ask(key, at=turn % REPLICAS, **more)), range(times))
        )
    refused = [answer.json()["error"]["code"] for _, answer in found if answer.status_code != 200]
    return Counter((at, answer.status_code) for at, answer in found), refused


def told(what: str, found: Counter[tuple[int, int]]) -> None:
    print(f"\n{what}")  # noqa: T201
    for at in range(REPLICAS):
        print(f"  replica {at + 1}: {found[at, 200]} answered, {found[at, 429] + found[at, 503]} refused")  # noqa: T201
    total = {status: sum(found[at, status] for at in range(REPLICAS)) for status in (200, 429, 503)}
    print(f"  together:  {total[200]} answered, {total[429]} refused by the limit, {total[503]} uncounted")  # noqa: T201


def test_sixty_a_minute_are_sixty(live: World) -> None:
    # At a loaded machine 180 requests take less than the minute after which places come free again.
    found, refused = asked(live, live.key("open", rpm_limit=A_MINUTE), 3 * A_MINUTE)
    told(f"limit of {A_MINUTE} a minute, {3 * A_MINUTE} requests at {REPLICAS} replicas", found)
    # On a machine so busy that Redis's answer takes over a second, a request is refused instead of counted wrongly; it
    # may have taken its place.
    uncounted = refused.count("limits_unavailable")
    assert set(refused) - {"limits_unavailable"} == {"rate_limit_exceeded"}
    assert A_MINUTE - uncounted <= sum(found[at, 200] for at in range(REPLICAS)) <= A_MINUTE
    assert len({at for at, status in found if status == 200}) == REPLICAS


def test_a_budget_of_a_cent_is_a_cent(live: World) -> None:
    key = live.key("open", max_budget=float(BUDGET))
    spent, answered = Decimal(0), 0
    everything: Counter[tuple[int, int]] = Counter()
    # A request under way is counted at its worst case, so a crowd is held back before the budget is spent; what is
    # left is used by those that come after.
    for _ in range(6):
        found, refused = asked(live, key, 12, max_tokens=7)
        everything += found
        assert set(refused) <= {"budget_exceeded", "limits_unavailable"}
    answered = sum(everything[at, 200] for at in range(REPLICAS))
    spent = answered * COST
    told(f"budget of {BUDGET} USD at {COST} USD a request, 72 requests at {REPLICAS} replicas", everything)
    print(f"  spent: {spent} USD")  # noqa: T201
    assert spent <= BUDGET
    # Less than one more request at its worst case (the bound of its input) is left.
    assert spent > BUDGET / 2
    rows = until(lambda: recorded(live, answered))
    print(f"  in Postgres: {rows[0][1]} USD in {rows[0][0]} rows")  # noqa: T201
    assert abs(Decimal(rows[0][1]) - spent) < Decimal("1e-9")


def recorded(live: World, wanted: int) -> list[list[str]] | None:
    """Spend rows of the key's team at this price, once all are there."""
    rows = live.postgres.query(ROWS)
    return rows if int(rows[0][0]) == wanted else None
