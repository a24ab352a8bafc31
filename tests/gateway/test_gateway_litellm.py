"""The whole package on the real LiteLLM: every promise that a unit test cannot hold."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import requests

from tests.gateway.gateway_upstream import ERRORS
from tests.gateway.gateway_world import CANARY, MASTER, World, world

pytestmark = pytest.mark.xdist_group("litellm")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("gateway")) as held:
        yield held


@pytest.fixture
def live(started: World) -> World:
    started.upstream.forget()
    return started


def code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def events(answer: requests.Response) -> list[dict[str, object]]:
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]


def test_an_answer_its_line_its_id_and_its_cost(live: World) -> None:
    answer = live.ask(
        "open", "hello hidden", headers={"x-request-id": "client-id-1", "x-litellm-call-id": "forged"}
    )
    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert body["model"] == "chat"
    assert body["choices"][0]["message"]["content"] == "echo hello hidden"
    assert not [name for name in answer.headers if "litellm" in name.lower()]
    name, headers, sent = live.upstream.seen[0]
    assert (name, sent["messages"][0]["content"]) == ("engine", "hello <1>")
    assert headers["x-request-id"] == answer.headers["x-request-id"]
    line = live.line(answer)
    assert line["correlation_id"] == "client-id-1"
    assert (line["team"], line["class"], line["route"], line["deployment"]) == (
        "open",
        "public",
        "chat",
        "engine",
    )
    assert [attempt["deployment"] for attempt in line["attempts"]] == ["engine"]
    assert (line["input_tokens"], line["output_tokens"], line["outcome"]) == (11, 7, "ok")
    assert Decimal(line["cost_usd"]) == Decimal("0.0000025")
    assert set(line["guards_ms"]) == {"hiding"}
    query = 'select request_id, spend from "LiteLLM_SpendLogs"'
    spent = live.until(lambda: dict(live.postgres.query(query)).get(body["id"]))
    assert Decimal(spent).quantize(Decimal("1e-12")) == Decimal("0.0000025")


def test_a_stream_is_counted_filtered_and_as_it_was_asked_for(live: World) -> None:
    answer = live.ask("open", "hello hidden word", stream=True)
    found = events(answer)
    texts = [choice["delta"].get("content") or "" for event in found for choice in event["choices"]]  # type: ignore[attr-defined]
    assert "".join(texts) == "echo hello hidden word"
    assert not [event for event in found if event.get("usage")]
    assert {event["model"] for event in found} == {"chat"}
    assert answer.text.rstrip().endswith("[DONE]")
    line = live.line(answer)
    assert (line["input_tokens"], line["output_tokens"], line["cost_usd"]) == (11, 7, "0.0000025")
    assert line["first_token_ms"] is not None
    with_usage = events(live.ask("open", stream=True, stream_options={"include_usage": True}))
    assert with_usage[-1]["usage"]["completion_tokens"] == 7  # type: ignore[index]
    assert "cost" not in with_usage[-1]["usage"]  # type: ignore[operator]


def test_clients_see_public_names_alone(live: World) -> None:
    for key, names in (("open", {"chat", "hosted", "kept", "embed"}), ("closed", {"chat", "kept"})):
        listed = live.get("/v1/models", key).json()["data"]
        assert {model["id"] for model in listed} == names


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


@pytest.mark.parametrize("mode", [*ERRORS, "hang"])
@pytest.mark.parametrize("stream", [False, True])
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
        requests.post(f"http://127.0.0.1:{live.ports[2]}/v1/chat/completions", json={}, timeout=9).status_code
        == 404
    )
    for path in ("/v1/models", "/config/yaml", "/model/new", "/docs", "/team/../model/new", "//model/new"):
        assert live.get(path, MASTER, 2).status_code == 404, path
    assert not live.upstream.seen
    assert live.get("/team/list", MASTER, 2).status_code == 200


def test_two_teams_and_two_classes_never_share_an_answer(live: World) -> None:
    first = live.ask("open", "keep this", model="kept")
    assert "x-bastide-cache" not in first.headers

    def hit() -> requests.Response | None:
        again = live.ask("open", "keep this", model="kept")
        return again if again.headers.get("x-bastide-cache") == "hit" else None

    again = live.until(hit)
    line = live.line(again)
    assert (line["cache_hit"], line["cost_usd"], line["deployment"]) == (True, "0", None)
    streamed = live.ask("open", "keep this", model="kept", stream=True)
    assert live.line(streamed)["cache_hit"] is True
    live.upstream.forget()
    for key, more in (
        ("other", {}),
        ("open", {"top_k": 3}),
        ("open", {"headers": {"x-data-class": "regulated"}}),
    ):
        answer = live.ask(key, "keep this", model="kept", **more)
        assert answer.status_code == 200
        assert live.line(answer)["cache_hit"] is False
    assert len(live.upstream.seen) == 3
    for _ in range(2):
        assert live.line(live.ask("closed", "keep this", model="kept"))["cache_hit"] is False


def test_embeddings_have_class_line_and_cost(live: World) -> None:
    answer = requests.post(
        f"http://127.0.0.1:{live.ports[0]}/v1/embeddings",
        json={"model": "embed", "input": "hello hidden"},
        headers={"authorization": f"Bearer {live.keys['open']}"},
        timeout=20,
    )
    assert answer.json()["data"][0]["embedding"] == [0.5]
    assert live.upstream.seen[0][2]["input"] in ("hello <1>", ["hello <1>"])
    assert Decimal(live.line(answer)["cost_usd"]) == Decimal("0.0000003")


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


def test_a_client_that_leaves_is_counted(live: World) -> None:
    live.upstream.modes["engine"] = "slow"
    before = len(live.lines())
    with requests.post(
        f"http://127.0.0.1:{live.ports[0]}/v1/chat/completions",
        json={"model": "chat", "stream": True, "messages": [{"role": "user", "content": "a long text " * 4}]},
        headers={"authorization": f"Bearer {live.keys['open']}"},
        timeout=20,
        stream=True,
    ) as answer:
        next(answer.iter_content(20))
    line = live.until(
        lambda: next((one for one in live.lines()[before:] if one["outcome"] == "client_gone"), None)
    )
    assert Decimal(line["cost_usd"]) > 0


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


def test_teams_are_made_once(live: World) -> None:
    assert "nothing to change" in live.program("bastide_gateway.teams").log.read_text()


def test_a_frozen_redis_is_refused_in_bounded_time_and_told(live: World) -> None:
    limited = live.key("open", rpm_limit=100)
    assert live.ask(limited).status_code == 200
    live.upstream.forget()
    live.redis.freeze()
    try:
        began = time.monotonic()
        assert code(live.ask(limited)) == (503, "limits_unavailable")
        assert time.monotonic() - began < 5
        live.until(lambda: "redis" in live.ready(False)["reasons"])
        assert not live.upstream.seen
    finally:
        live.redis.freeze(False)
    live.ready()
    assert live.ask("open").status_code == 200


def test_a_stopped_database_is_refused_and_told(live: World) -> None:
    live.postgres.stop()
    try:
        live.until(lambda: "database" in live.ready(False)["reasons"])
        began = time.monotonic()
        # Which of them: whether the key is still known in memory.
        assert code(live.ask("open")) in ((503, "database_unavailable"), (503, "sign_in_unavailable"))
        assert live.ask("sk-never-seen").status_code in (401, 503)
        assert time.monotonic() - began < 20
        assert not live.upstream.seen
    finally:
        live.postgres.start_again()
    live.ready()
    live.until(lambda: live.ask("open").status_code == 200, 30)


def test_metrics_are_there_and_text_is_nowhere(live: World) -> None:
    live.ask("open", CANARY)
    metrics = live.get("/metrics", port=1).text
    assert (
        'bastide_gateway_requests_total{data_class="public",deployment="engine",outcome="ok",route="chat"}'
        in metrics
    )
    assert "bastide_gateway_guard_milliseconds_bucket" in metrics
    assert "litellm_" in metrics
    rows = str(live.postgres.query('select * from "LiteLLM_SpendLogs"'))
    for place, text in (("log", live.gateway.log.read_text()), ("metrics", metrics), ("spend", rows)):
        assert CANARY not in text, place
        assert live.keys["open"] not in text, place
    assert MASTER not in live.gateway.log.read_text()


@pytest.mark.parametrize("module", ["hiding_gard", "json"])
def test_a_guard_that_cannot_be_loaded_stops_the_start(live: World, module: str) -> None:
    path = live.folder / "config" / "routes.json"
    good = path.read_text()
    path.write_text(good.replace('"hiding_guard"', f'"{module}"'))
    try:
        log = live.program("bastide_gateway.launch").log.read_text()
    finally:
        path.write_text(good)
    assert "bastide.start" in log
    assert module in log


def test_at_the_end_requests_under_way_are_finished(live: World) -> None:
    live.upstream.modes["engine"] = "slow"
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(live.ask, "open", "some words that take a while", stream=True)
        live.until(lambda: live.upstream.seen)
        live.gateway._process.terminate()
        answer = under_way.result()
    assert answer.text.rstrip().endswith("[DONE]")
    live.until(lambda: not live.gateway.running(), 90)
    assert live.line(answer)["outcome"] == "ok"
