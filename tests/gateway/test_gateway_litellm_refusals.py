"""What the real LiteLLM would obey, and is refused: classes, parameters, paths, keys, limits."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.gateway.gateway_answers import code
from tests.gateway.gateway_world import MASTER, World
from tests.waits import PATIENCE_S

pytestmark = pytest.mark.xdist_group("litellm")


def test_a_class_is_raised_and_not_lowered(live: World) -> None:
    assert code(live.ask("closed", headers={"x-data-class": "public"})) == (403, "data_class_lowered")
    assert code(live.ask("closed", metadata={"data_class": "internal"})) == (403, "data_class_lowered")
    assert code(live.ask("open", metadata={"data_class": "confidential"})) == (403, "data_class_not_served")
    assert not live.upstream.seen
    line = live.line(live.ask("open", metadata={"data_class": "regulated"}))
    assert (line["class"], line["group"]) == ("regulated", "chat@regulated")


def test_what_is_not_for_clients_is_refused(live: World) -> None:
    assert code(live.ask("sk-unknown")) == (401, "invalid_api_key")
    assert code(live.ask(MASTER)) == (403, "administration_key")
    assert live.ask("open", model="chat@regulated").status_code in (403, 404)
    assert live.ask("other", model="hosted").status_code in (403, 404)
    assert code(live.ask("open", fallbacks=["hosted"])) == (400, "unknown_parameter")
    assert code(live.ask("open", "x" * 30_000)) == (413, "body_too_large")
    for path in (
        "/key/list",
        "/team/list",
        "/model/info",
        "/docs",
        "/redoc",
        "/openapi.json",
        "/ui/",
        "/metrics",
        "/",
    ):
        assert code(live.get(path, MASTER)) == (404, "not_found"), path
    assert (
        requests.post(
            f"http://127.0.0.1:{live.ports[2]}/v1/chat/completions", json={}, timeout=PATIENCE_S
        ).status_code
        == 404
    )
    for path in ("/v1/models", "/config/yaml", "/model/new", "/docs", "/team/../model/new", "//model/new"):
        assert live.get(path, MASTER, 2).status_code == 404, path
    assert not live.upstream.seen
    assert live.get("/team/list", MASTER, 2).status_code == 200


def test_a_key_brings_no_listeners_of_its_own(live: World) -> None:
    variables = {"langfuse_host": live.upstream.url, "langfuse_public_key": "a", "langfuse_secret_key": "b"}
    logging = [
        {"callback_name": "langfuse", "callback_type": "success_and_failure", "callback_vars": variables}
    ]
    live.upstream.forget()
    assert code(live.ask(live.key("open", metadata={"logging": logging}))) == (403, "key_has_listeners")
    assert not live.upstream.seen


def test_a_virtual_key_administers_nothing(live: World) -> None:
    """By LiteLLM's own rules it may make keys and change some: a key without a team and of another class among them."""
    assert live.get("/key/info", "open", 2).status_code == 401


def test_limits_of_a_key_hold_at_the_number(live: World) -> None:
    key = live.key("open", rpm_limit=7)
    with ThreadPoolExecutor(10) as pool:
        found = Counter(answer.status_code for answer in pool.map(lambda _: live.ask(key), range(20)))
    assert found == {200: 7, 429: 13}
    poor = live.key("open", max_budget=0.000_12)
    # One may cost 0.000 1 and more at the fallback's price, so a second one at the same time does not fit.
    answers = [live.ask(poor, max_tokens=20) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert code(live.ask(poor, max_tokens=50, n=2)) == (429, "budget_exceeded")
