"""What a stranger may try at the two listeners, before LiteLLM sees anything."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from bastide_gateway import answers, decision_log, frame, holders
from bastide_gateway.call import Attempt, Call
from bastide_gateway.edge import Edge
from bastide_gateway.gateway import Gateway
from bastide_gateway.teams import wanted

from tests.gateway.gateway_samples import call, table

TEXT = "text-of-a-request"


class Log(decision_log.DecisionLog):
    """Keeps its lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def write(self, record: dict[str, Any]) -> None:
        self.lines.append(record)


def gateway() -> Gateway:
    """One without guards and Redis."""
    document = table()
    return Gateway(document, frame.Frame(document, ()), Log(), None, None)


def ask(
    app: Any, path: str, headers: list[tuple[bytes, bytes]], data: bytes = b"", method: str = "POST"
) -> tuple[int, dict[str, Any]]:
    """One request of ASGI; gives the status and the JSON."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": data, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "headers": headers, "query_string": b""}
    asyncio.run(app(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(body)


class LiteLLM:
    """Notes what came through to it."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


CHAT = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "hi"}]}).encode()
JSON = (b"content-type", b"application/json")


@pytest.mark.parametrize(
    ("headers", "data", "code"),
    [
        # A proxy's header is not overruled by its client's, in whichever order they come.
        ([(b"x-data-class", b"regulated"), (b"X-Data-Class", b"public")], CHAT, "unknown_data_class"),
        ([(b"authorization", b"Bearer a"), (b"Authorization", b"Bearer b")], CHAT, "header_twice"),
        ([JSON], CHAT, "header_twice"),
        ([], CHAT.replace(b"}]", b'}], "temperature": NaN'), "invalid_json"),
        ([], CHAT.replace(b"}]", b'}], "temperature": 1e999'), "invalid_json"),
        ([], CHAT.replace(b"hi", b"\\ud800"), "invalid_json"),
    ],
)
def test_what_two_readers_would_read_differently_is_refused(
    headers: list[tuple[bytes, bytes]], data: bytes, code: str
) -> None:
    behind = LiteLLM()
    status, said = ask(Edge(behind, gateway(), dict), "/v1/chat/completions", [JSON, *headers], data)
    assert (status, said["error"]["code"]) == (400, code)
    assert not behind.seen


def test_what_a_client_wrote_is_in_no_line() -> None:
    """A field's name is text of the request too; its sender is told it, the log is not."""
    held = gateway()

    async def asked() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps({TEXT: 1}).encode(), "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        sent: list[Any] = []
        scope = {"type": "http", "path": "/v1/completions", "method": "POST", "headers": [JSON]}
        await Edge(LiteLLM(), held, dict)(scope | {"query_string": b""}, receive, send)
        await held.drained()
        assert TEXT in sent[1]["body"].decode()

    asyncio.run(asked())
    assert isinstance(held.log, Log)
    assert held.log.lines[0]["outcome"] == "unknown_parameter"
    assert TEXT not in json.dumps(held.log.lines)


def test_what_an_upstream_says_is_in_no_line() -> None:
    asked = call()
    asked.attempts.append(Attempt("engine", "chat@public"))
    raw = json.dumps(
        {"error": {"message": f'x {{"message": "input_value=\'{TEXT}\'"}}', "type": "x"}}
    ).encode()
    told = answers.explain(asked, 400, raw)
    assert TEXT in told.message
    assert TEXT not in told.reason


def settled(asked: Call) -> Decimal | None:
    """What the request cost in the end."""

    async def end() -> None:
        held = gateway()
        held.begin(asked)
        held.end(asked)
        await held.drained()

    asyncio.run(end())
    return asked.cost_usd


def test_who_leaves_before_the_first_token_pays_what_it_can_have_been() -> None:
    """An engine has read the whole text by then, and a hosted provider bills it."""
    asked = call(data_class="public", route="chat", input_bound=100, output_bound=10)
    asked.attempts.append(Attempt("engine", "chat@public"))
    face = answers.Face(asked, LiteLLM())  # type: ignore[arg-type]
    refused = answers.explain(asked, 499, b"{}")
    assert (refused.status, refused.code) == (499, "client_gone")
    asked.outcome = refused.code
    assert settled(asked) == Decimal("0.000012")
    assert face.started is False


def test_who_leaves_before_any_try_pays_nothing() -> None:
    assert not settled(call(outcome="client_gone", input_bound=100, output_bound=10))


def test_a_try_that_failed_costs_nothing() -> None:
    asked = call(outcome="no_deployment_answered", input_bound=100, output_bound=10)
    asked.attempts.append(Attempt("engine", "chat@public", "InternalServerError"))
    assert not settled(asked)


@pytest.mark.parametrize("usage", [(-5, -5), (-1000, 3)])
def test_an_upstream_gives_no_money_back(usage: tuple[int, int]) -> None:
    from bastide_gateway import streams

    asked = call()
    streams.count(asked, SimpleNamespace(prompt_tokens=usage[0], completion_tokens=usage[1]))
    assert (asked.input_tokens, asked.output_tokens) == (0, max(usage[1], 0))


def test_a_team_has_one_budget_for_keys_and_tokens() -> None:
    """A key's team has LiteLLM's id for it, a token's the name that stands in the document."""
    document = table()
    found = []
    for identity in ("an-id-of-litellm", "open"):
        auth = SimpleNamespace(api_key="0" * 64, team_alias="open", team_id=identity)
        caller = holders.caller_of(document, auth)
        found.append(holders.holders(document, auth, None, caller)[1].name)
    assert found == ["open", "open"]
    assert wanted(document.teams["open"])["team_alias"] == "open"


@pytest.mark.parametrize(
    ("team", "of_team", "of_key", "expected"),
    [
        (None, None, "public", "regulated"),
        (None, None, None, "regulated"),
        ("open", None, "confidential", "confidential"),
        ("closed", "public", "public", "regulated"),
        ("of somebody else", "internal", "public", "internal"),
        ("of somebody else", None, "public", "regulated"),
        ("of somebody else", "no class", None, "regulated"),
    ],
)
def test_a_keys_metadata_only_makes_it_stricter(
    team: str | None, of_team: str | None, of_key: str | None, expected: str
) -> None:
    auth = SimpleNamespace(
        api_key="0" * 64,
        team_alias=team,
        team_id=team,
        team_metadata={"data_class": of_team} if of_team else {},
        metadata={"data_class": of_key} if of_key else {},
    )
    assert holders.caller_of(table(), auth).data_class == expected


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    """A stranger may begin one for any path; LiteLLM's check of keys would read it, of the list of models too."""

    async def asked(method: str, path: str) -> tuple[int, bytes]:
        sent: list[Any] = []

        async def never() -> dict[str, Any]:
            await asyncio.sleep(60)
            raise AssertionError("not reached")

        async def reads(scope: Any, receive: Any, send: Any) -> None:
            assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "path": path, "method": method, "headers": [JSON], "query_string": b""}
        held = gateway()
        async with asyncio.timeout(10):
            await Edge(reads, held, dict, 0.1)(scope, never, send)
            await held.drained()
        return sent[0]["status"], sent[1]["body"]

    status, body = asyncio.run(asked("POST", "/v1/chat/completions"))
    assert (status, json.loads(body)["error"]["code"]) == (408, "body_too_slow")
    assert b"did not come within 0.1 s" in body
    assert asyncio.run(asked("GET", "/v1/models"))[0] == 401
