"""What people wrote, in nothing that the real LiteLLM and its surroundings keep or say."""

from __future__ import annotations

import json

import pytest
import requests

from tests.gateway.gateway_places import kept
from tests.gateway.gateway_world import CANARY, MASTER, World
from tests.waits import PATIENCE_S, until

pytestmark = pytest.mark.xdist_group("litellm")
SPENDS = 'select request_id, spend from "LiteLLM_SpendLogs"'
PHONE, MAIL = "0912345678", "an.nguyen@example.com"


def test_an_upstream_that_repeats_the_text_is_told_on_and_kept_nowhere(live: World) -> None:
    live.upstream.forget()
    live.upstream.modes["engine"] = "echo"
    answer = live.ask("closed", f"{CANARY} that an upstream repeats")
    assert answer.status_code == 400
    assert live.line(answer)["outcome"] == "invalid_request"
    for place, text in kept(live).items():
        assert "that an upstream repeats" not in text, place


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
            requests.post(f"{url}/v1/{path}", json=sent, headers=key, timeout=PATIENCE_S)
    requests.post(
        f"{url}/v1/completions",
        data=f'{{"x": "{CANARY}',
        headers=key | {"content-type": "application/json"},
        timeout=PATIENCE_S,
    )
    last = live.ask("open", "the last of them", "private")
    until(lambda: last.json()["id"] in dict(live.postgres.query(SPENDS)))
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


def test_litellm_has_no_redis_of_its_own(live: World) -> None:
    assert live.ask(live.key("open", rpm_limit=100)).status_code == 200
    kept = [line for line in live.redis.ask("KEYS", "*").split(b"\r\n") if line[:1] not in (b"*", b"$", b"")]
    assert kept
    assert [key for key in kept if not key.startswith((b"{bastide}:", b"bastide:"))] == []
