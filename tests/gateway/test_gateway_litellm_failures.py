"""The real LiteLLM when something behind it fails: what still answers, and what never gets the text."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from tests.gateway.gateway_answers import code, events
from tests.gateway.gateway_upstream import ERRORS
from tests.gateway.gateway_world import CANARY, World
from tests.waits import until

pytestmark = pytest.mark.xdist_group("litellm")


def test_an_outage_falls_back_inside_the_class(live: World) -> None:
    live.upstream.modes["engine"] = "down"
    for stream in (False, True):
        answer = live.ask("open", stream=stream)
        assert answer.status_code == 200
        assert "hosted@public" not in answer.text
        line = live.line(answer)
        assert line["deployment"] == "outside"
        assert line["attempts"][0]["failure"]
        assert Decimal(line["cost_usd"]) == Decimal("0.000025")


@pytest.mark.parametrize("mode", ["mute", "murmur"])
def test_a_late_first_token_is_an_outage(live: World, mode: str) -> None:
    live.upstream.modes["engine"] = mode
    for _ in range(3):
        answer = live.ask("closed", model="quick", stream=True)
        # The router draws; a try that drew the silent one is followed by another, which may draw it again. The other
        # one may be late too, on a loaded machine.
        tries = [each["deployment"] for each in live.line(answer)["attempts"]]
        assert set(tries) <= {"engine", "second"}
        assert len(tries) <= 2
        assert answer.status_code == 200 or tries != ["second"]
        assert tries[-1] == "second" or answer.status_code != 200
    assert live.upstream.names() <= {"engine", "second"}
    live.upstream.modes["second"] = mode
    began = time.monotonic()
    answer = live.ask("open", model="quick", stream=True)
    assert (answer.status_code, live.line(answer)["deployment"]) == (200, "outside")
    # Two tries of 1 s and the fallback; each would have been silent for 8 s.
    assert time.monotonic() - began < 8
    live.upstream.seen.clear()
    began = time.monotonic()
    refused = live.ask("closed", model="quick", stream=True)
    assert refused.status_code >= 500
    assert time.monotonic() - began < 8
    assert "outside" not in live.upstream.names()


@pytest.mark.parametrize(
    ("mode", "stream"), [*((mode, stream) for mode in ERRORS for stream in (False, True)), ("hang", False)]
)
def test_no_failure_sends_regulated_text_outside(live: World, mode: str, stream: bool) -> None:
    live.upstream.modes["engine"] = mode
    began = time.monotonic()
    answer = live.ask("closed", stream=stream)
    assert answer.status_code >= 400
    assert "@" not in answer.json()["error"]["message"]
    raised = live.ask("open", stream=stream, headers={"x-data-class": "regulated"})
    assert raised.status_code >= 400
    assert live.upstream.names() == {"engine"}
    assert time.monotonic() - began < 30
    assert live.line(raised)["class"] == "regulated"


@pytest.mark.parametrize("how", ["raise", "slow"])
def test_a_guard_that_fails_lets_nothing_through(live: World, how: str) -> None:
    answer = live.ask("open", f"{CANARY} guard:{how}")
    assert code(answer) == (503, "guard_unavailable")
    assert not live.upstream.seen
    assert live.line(answer)["outcome"] == "guard_unavailable"


def test_a_stream_that_breaks_says_so(live: World) -> None:
    live.upstream.modes["engine"] = "break"
    answer = live.ask("closed", CANARY, stream=True)
    assert "[DONE]" not in answer.text
    last = events(answer)[-1]
    assert last["error"]["message"].startswith("the deployment broke off")  # type: ignore[index]
    assert live.line(answer)["outcome"] == "stream_broke"


def test_a_frozen_redis_is_refused_in_bounded_time_and_told(live: World) -> None:
    limited = live.key("open", rpm_limit=100)
    assert live.ask(limited).status_code == 200
    live.upstream.forget()
    live.redis.freeze()
    try:
        began = time.monotonic()
        assert code(live.ask(limited)) == (503, "limits_unavailable")
        assert time.monotonic() - began < 5
        until(lambda: "redis" in live.ready(False)["reasons"])
        assert not live.upstream.seen
    finally:
        live.redis.freeze(False)
    live.ready()
    assert live.ask("open").status_code == 200
