"""What a client gets from the real LiteLLM, and what is counted of it."""

from __future__ import annotations

import json
import socket
from decimal import Decimal

import pytest
import requests

from tests.gateway.gateway_answers import events
from tests.gateway.gateway_world import World
from tests.waits import PATIENCE_S, until

pytestmark = pytest.mark.xdist_group("litellm")
SPENDS = 'select request_id, spend from "LiteLLM_SpendLogs"'


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
    spent = until(lambda: dict(live.postgres.query(SPENDS)).get(body["id"]))
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


def test_two_teams_and_two_classes_never_share_an_answer(live: World) -> None:
    first = live.ask("open", "keep this", model="kept")
    assert "x-bastide-cache" not in first.headers

    def hit() -> requests.Response | None:
        again = live.ask("open", "keep this", model="kept")
        return again if again.headers.get("x-bastide-cache") == "hit" else None

    again = until(hit)
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
        timeout=PATIENCE_S,
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
        timeout=PATIENCE_S,
    )
    assert answer.json()["data"][0]["embedding"] == [0.5]
    assert live.upstream.seen[0][2]["input"] in ("hello <1>", ["hello <1>"])
    assert Decimal(live.line(answer)["cost_usd"]) == Decimal("0.0000003")


def test_a_client_that_leaves_is_counted(live: World) -> None:
    live.upstream.modes["engine"] = "slow"
    before = len(live.lines())
    with requests.post(
        f"http://127.0.0.1:{live.ports[0]}/v1/chat/completions",
        json={"model": "chat", "stream": True, "messages": [{"role": "user", "content": "a long text " * 4}]},
        headers={"authorization": f"Bearer {live.keys['open']}"},
        timeout=PATIENCE_S,
        stream=True,
    ) as answer:
        next(answer.iter_content(20))
    line = until(
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
        until(lambda: live.upstream.seen)
    line = until(lambda: next(iter(live.lines()[before:]), None))
    assert line["outcome"] == "client_gone"
    assert Decimal(line["cost_usd"]) > 0


def test_teams_are_made_once(live: World) -> None:
    assert "nothing to change" in live.program("bastide_gateway.teams").log.read_text()


def test_metrics_are_there(live: World) -> None:
    live.ask("open")
    metrics = live.get("/metrics", port=1).text
    assert (
        'bastide_gateway_requests_total{data_class="public",deployment="engine",outcome="ok",route="chat"}'
        in metrics
    )
    assert "bastide_gateway_guard_milliseconds_bucket" in metrics
    assert "litellm_" in metrics
