"""The whole package on the real LiteLLM: every promise that a unit test cannot hold."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import requests

from tests.gateway.gateway_places import kept
from tests.gateway.gateway_upstream import ERRORS
from tests.gateway.gateway_world import CANARY, MASTER, World, world

pytestmark = pytest.mark.xdist_group("litellm")
SPENDS = 'select request_id, spend from "LiteLLM_SpendLogs"'
PHONE, MAIL = "0912345678", "an.nguyen@example.com"


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
    assert set(line["guards_ms"]) == {"audit", "hiding"}
    spent = live.until(lambda: dict(live.postgres.query(SPENDS)).get(body["id"]))
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
    for key, names in (
        ("open", {"chat", "hosted", "kept", "quick", "private", "embed"}),
        ("closed", {"chat", "kept", "quick"}),
    ):
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


@pytest.mark.parametrize("mode", ["mute", "murmur"])
def test_a_late_first_token_is_an_outage(live: World, mode: str) -> None:
    live.upstream.modes["engine"] = mode
    for _ in range(3):
        answer = live.ask("closed", model="quick", stream=True)
        # The router draws; a try that drew the silent one is followed by another, which may draw it again.
        tries = [each["deployment"] for each in live.line(answer)["attempts"]]
        assert tries in (["second"], ["engine", "second"], ["engine", "engine"])
        assert answer.status_code == (200 if tries[-1] == "second" else answer.status_code)
    assert live.upstream.names() <= {"engine", "second"}
    live.upstream.modes["second"] = mode
    began = time.monotonic()
    answer = live.ask("open", model="quick", stream=True)
    assert (answer.status_code, live.line(answer)["deployment"]) == (200, "outside")
    # Two tries of 1 s and the fallback.
    assert time.monotonic() - began < 2 * 1.5 + 2
    live.upstream.seen.clear()
    began = time.monotonic()
    refused = live.ask("closed", model="quick", stream=True)
    assert refused.status_code >= 500
    assert time.monotonic() - began < 2 * 1.5 + 2
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


@pytest.mark.parametrize("stream", [False, True])
def test_completions_are_routed_and_counted(live: World, stream: bool) -> None:
    answer = requests.post(
        f"http://127.0.0.1:{live.ports[0]}/v1/completions",
        json={"model": "chat", "prompt": "hello hidden", "stream": stream},
        headers={"authorization": f"Bearer {live.keys['open']}"},
        timeout=20,
    )
    found = events(answer) if stream else [answer.json()]
    texts = [choice.get("text") or "" for event in found for choice in event["choices"]]  # type: ignore[attr-defined]
    assert "".join(texts) == "echo hello hidden"
    assert live.upstream.seen[0][2]["prompt"] in ("hello <1>", ["hello <1>"])
    assert live.line(answer)["cost_usd"] == "0.0000025"


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


def test_a_client_that_leaves_before_the_first_token_is_counted(live: World) -> None:
    live.upstream.forget()
    live.upstream.modes["engine"] = "mute"
    before = len(live.lines())
    body = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "a long text " * 4}]}
    with socket.create_connection(("127.0.0.1", live.ports[0])) as client:
        data = json.dumps(body).encode()
        client.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {live.keys['open']}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n".encode()
            + data
        )
        live.until(lambda: live.upstream.seen)
    line = live.until(lambda: next(iter(live.lines()[before:]), None))
    assert line["outcome"] == "client_gone"
    assert Decimal(line["cost_usd"]) > 0


def test_an_upstream_that_repeats_the_text_is_told_on_and_kept_nowhere(live: World) -> None:
    live.upstream.forget()
    live.upstream.modes["engine"] = "echo"
    answer = live.ask("closed", f"{CANARY} that an upstream repeats")
    assert answer.status_code == 400
    assert live.line(answer)["outcome"] == "invalid_request"
    for place, text in kept(live).items():
        assert "that an upstream repeats" not in text, place


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


def test_teams_are_made_once(live: World) -> None:
    assert "nothing to change" in live.program("bastide_gateway.teams").log.read_text()


def test_litellm_has_no_redis_of_its_own(live: World) -> None:
    assert live.ask(live.key("open", rpm_limit=100)).status_code == 200
    kept = [line for line in live.redis.ask("KEYS", "*").split(b"\r\n") if line[:1] not in (b"*", b"$", b"")]
    assert kept
    assert [key for key in kept if not key.startswith((b"{bastide}:", b"bastide:"))] == []


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


def test_metrics_are_there(live: World) -> None:
    live.ask("open")
    metrics = live.get("/metrics", port=1).text
    assert (
        'bastide_gateway_requests_total{data_class="public",deployment="engine",outcome="ok",route="chat"}'
        in metrics
    )
    assert "bastide_gateway_guard_milliseconds_bucket" in metrics
    assert "litellm_" in metrics


def test_what_people_wrote_is_nowhere(live: World) -> None:
    said = f"gọi {PHONE} hoặc {MAIL}, {CANARY}"
    answer = live.ask("open", said, "private")
    # The model saw placeholders, and the client its own words again.
    assert answer.json()["choices"][0]["message"]["content"] == f"echo {said}"
    assert live.ask("open", f"{said} too", "private", stream=True).status_code == 200
    assert len(live.upstream.seen) == 2
    for mode in ("down", "break", "policy", "mute"):
        live.upstream.modes["engine"] = mode
        for stream in (False, True):
            live.ask("open", f"{said} {mode}", "private", stream=stream)
    live.upstream.modes.clear()
    live.ask("open", f"{said} guard:raise", "private")
    # Places beside the text where a client can write.
    refused = live.ask("open", said, "private", **{CANARY: PHONE})
    assert CANARY in refused.json()["error"]["message"]
    for more in (
        {"user": MAIL + CANARY},
        {"metadata": {"tags": [CANARY], CANARY: PHONE}},
        {"temperature": CANARY},
        {"headers": {"user-agent": CANARY}},
        {"headers": {"x-data-class": CANARY}},
        {"headers": {"x-litellm-tags": CANARY}},
    ):
        live.ask("open", said, "private", **more)
    live.ask("open", said, CANARY)
    live.ask("sk-" + CANARY, said)
    url, key = f"http://127.0.0.1:{live.ports[0]}", {"authorization": f"Bearer {live.keys['open']}"}
    for path in ("completions", "chat/completions", "embeddings", CANARY):
        for sent in ({"model": "private", "prompt": said}, {"model": "embed", "input": said}):
            requests.post(f"{url}/v1/{path}", json=sent, headers=key, timeout=20)
    requests.post(
        f"{url}/v1/completions",
        data=f'{{"x": "{CANARY}',
        headers=key | {"content-type": "application/json"},
        timeout=9,
    )
    last = live.ask("open", "the last of them", "private")
    live.until(lambda: last.json()["id"] in dict(live.postgres.query(SPENDS)))
    engine = json.dumps(
        [body for name, _, body in live.upstream.seen if name == "engine"], ensure_ascii=False
    )
    assert "<PHONE_1>" in engine
    assert PHONE not in engine
    assert MAIL not in engine
    places = kept(live)
    assert {"log", "metrics", "spool", "redis", "cache", "postgres LiteLLM_SpendLogs"} <= set(places)
    for place, text in places.items():
        for written in (PHONE, MAIL, CANARY, live.keys["open"], MASTER):
            # The cache holds answers, which repeat what the model was given.
            assert written not in text or (place, written) == ("cache", CANARY), (place, written)


def test_a_guard_that_cannot_be_loaded_stops_the_start(live: World) -> None:
    path = live.folder / "config-0" / "routes.json"
    good = path.read_text()
    path.write_text(good.replace('"hiding_guard"', '"hiding_gard"'))
    try:
        log = live.program("bastide_gateway.launch").log.read_text()
    finally:
        path.write_text(good)
    assert "bastide.start" in log
    assert "hiding_gard" in log


def test_at_the_end_requests_under_way_are_finished(live: World) -> None:
    live.upstream.modes["engine"] = "slow"
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(live.ask, "open", "some words that take a while", stream=True)
        live.until(lambda: live.upstream.seen)
        live.gateway._process.terminate()
        answer = under_way.result()
    assert answer.text.rstrip().endswith("[DONE]")
    ended = time.monotonic()
    live.until(lambda: not live.gateway.running(), 60)
    # `GRACE_S` and `END_S` of ending.py, 2 s for a loaded machine.
    assert time.monotonic() - ended < 5 + 10 + 2
    assert live.line(answer)["outcome"] == "ok"
    # What LiteLLM would have lost: the spend of the last request is in Postgres, its audit line in the spool.
    rows = live.postgres.query('select request_id from "LiteLLM_SpendLogs"')
    assert (events(answer)[0]["id"],) in [tuple(row) for row in rows]
    kept = "".join(each.read_text() for each in live.spool.iterdir())
    assert answer.headers["x-request-id"] in kept
    assert '"end":"stopped"' in kept
