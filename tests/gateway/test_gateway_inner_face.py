"""The administration's address: who may use it, and what is told of every call that may change something."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from bastide_gateway import administration_line, frame, metrics
from bastide_gateway.call import Call
from bastide_gateway.document import GuardEntry
from bastide_gateway.gateway import Gateway
from bastide_gateway.guards import Guard
from bastide_gateway.inner_face import BODY_BYTES, Admin

from tests.gateway.gateway_samples import table
from tests.gateway.test_gateway_edge import LiteLLM, Log

MASTER = "sk-master-of-a-test"
KEY = "sk-of-a-holder-0123456789"
HASH = hashlib.sha256(KEY.encode()).hexdigest()
SIGNED: list[tuple[bytes, bytes]] = [(b"Authorization", f"Bearer {MASTER}".encode())]


class Trail(Guard):
    """Keeps what it is told."""

    always = True

    def __init__(self, reason: str | None = None) -> None:
        self.reason, self.told, self.finished_calls = reason, [], []  # type: ignore[var-annotated]

    async def ready(self) -> str | None:
        return self.reason

    async def administered(self, record: Mapping[str, Any]) -> None:
        self.told.append(dict(record))

    async def finished(self, call: Call) -> None:
        self.finished_calls.append(call)


class Asked:
    """One gateway, and what came of its calls."""

    def __init__(
        self, answer: bytes = b"{}", status: int = 200, trail: Trail | None = None, mode: str = "refuse"
    ):
        self.behind, self.answer, self.status, self.trail = LiteLLM(), answer, status, trail or Trail()
        document = table(onFailure={"redis": "refuse", "database": "refuse", "log": mode})
        hung = frame.Hung(GuardEntry("audit", "a.module", 200, mode, {}), self.trail)
        self.log = Log()
        held = Gateway(document, frame.Frame(document, (hung,)), self.log, None, None)
        self.face = Admin(self._app, held, MASTER, 0.1)
        self.bodies: list[bytes] = []

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.behind.seen.append(scope)
        self.bodies.append((await receive())["body"])
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        half = len(self.answer) // 2
        await send({"type": "http.response.body", "body": self.answer[:half], "more_body": True})
        await send({"type": "http.response.body", "body": self.answer[half:]})

    def __call__(
        self,
        path: str,
        body: Any = None,
        headers: list[tuple[bytes, bytes]] = SIGNED,
        method: str = "POST",
        query: bytes = b"",
        pieces: tuple[bytes, ...] | None = None,
    ) -> tuple[int, bytes, dict[bytes, bytes]]:
        whole = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        rest = iter(pieces if pieces is not None else (whole,))
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            piece = next(rest, None)
            if piece is None:
                await asyncio.sleep(60)
            return {"type": "http.request", "body": piece, "more_body": pieces is not None}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "path": path,
            "method": method,
            "headers": headers,
            "query_string": query,
            "client": ("10.1.2.3", 4711),
        }
        asyncio.run(self.face(scope, receive, send))
        data = b"".join(message.get("body", b"") for message in sent)
        return sent[0]["status"], data, dict(sent[0]["headers"])

    @property
    def line(self) -> dict[str, Any]:
        """The only one, which the log and the trail both have."""
        (line,) = self.log.lines
        assert self.trail.told == [line]
        return line


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/key/generate", MASTER, 200),
        ("/team/list", MASTER, 200),
        # A virtual key, and a token, are for models: with one its holder could make keys of another class.
        ("/key/generate", "sk-of-a-holder", 401),
        ("/key/update", None, 401),
        ("/health/readiness", None, 401),
        ("/key/sk-1/regenerate", MASTER, 404),
        ("/key/regenerate", MASTER, 404),
        # These would send every text of a team to an address that stands in a database.
        ("/team/a-team/callback", MASTER, 404),
        ("/team/a-team/disable_logging", MASTER, 404),
        ("/team/model/add", MASTER, 404),
        ("/key/../model/new", MASTER, 404),
        ("/model/new", MASTER, 404),
        ("/v1/chat/completions", MASTER, 404),
    ],
)
def test_administration_takes_the_master_key_alone(path: str, key: str | None, status: int) -> None:
    ask = Asked()
    headers = [] if key is None else [(b"Authorization", f"Bearer {key}".encode())]
    assert ask(path, headers=headers)[0] == status
    assert bool(ask.behind.seen) == (status == 200)


def test_a_key_is_made_and_only_its_hash_is_told() -> None:
    made = {"key": KEY, "token": HASH, "token_id": HASH, "team_id": "search", "user_id": None}
    ask = Asked(json.dumps(made).encode())
    body = {
        "team_id": "search",
        "key_alias": "of the nightly job",
        "models": ["chat"],
        "max_budget": 5.5,
        "rpm_limit": 60,
        "blocked": False,
        "metadata": {"data_class": "regulated", "note": "text of a person"},
        "user_email": "someone@example.com",
        "config": {"api_key": "a provider's"},
        "what a person wrote": 1,
    }
    status, data, headers = ask("/key/generate", body, [*SIGNED, (b"Accept-Encoding", b"gzip")])
    assert (status, json.loads(data)) == (200, made)
    assert [json.loads(one) for one in ask.bodies] == [body]
    # LiteLLM would pack its answer, and no id could be read in it.
    assert ask.behind.seen[0]["headers"] == SIGNED
    line = ask.line
    assert headers[b"x-request-id"].decode() == line["request_id"]
    assert line["asked"] == {
        "team_id": "search",
        "key_alias": "of the nightly job",
        "models": ["chat"],
        "max_budget": 5.5,
        "rpm_limit": 60,
        "blocked": False,
        "data_class": "regulated",
        "other_fields": ["?", "config", "metadata", "user_email"],
    }
    assert line["answered"] == {"key": HASH, "team_id": "search"}
    assert {name: line[name] for name in ("log", "method", "path", "peer", "status", "outcome")} == {
        "log": "bastide.administration",
        "method": "POST",
        "path": "/key/generate",
        "peer": "10.1.2.3",
        "status": 200,
        "outcome": "ok",
    }
    assert line["latency_ms"] >= 0
    assert line["time"].endswith("+00:00")
    told = json.dumps(line)
    for secret in (KEY, MASTER, "a person", "someone@", "provider"):
        assert secret not in told


@pytest.mark.parametrize(
    ("path", "body", "query", "asked"),
    [
        ("/key/block", {"key": KEY}, b"", {"key": HASH}),
        # Who has no key names it by its hash, which stays.
        ("/key/block", {"key": HASH}, b"", {"key": HASH}),
        ("/key/delete", {"keys": [KEY, HASH]}, b"", {"keys": [HASH, HASH]}),
        ("/key/health", None, b"key=" + KEY.encode(), {"query": {"key": HASH}}),
        (f"/key/{KEY}/reset_spend", {"reset_to": 0}, b"", {"reset_to": 0}),
        (
            "/key/bulk_update",
            {"keys": [{"key": KEY, "max_budget": 3, "tags": ["text"]}]},
            b"",
            {"keys": [{"key": HASH, "max_budget": 3, "other_fields": ["tags"]}]},
        ),
        ("/team/member_add", {"member": {"user_id": "u", "note": KEY}}, b"", None),
        # In a place that is not for it.
        ("/team/block", {"team_id": KEY}, b"", {"team_id": f"sha256:{HASH}"}),
        (f"/team/{KEY}", {"models": ["a", f"b {KEY}"]}, b"", None),
        ("/team/update", {"team_id": "task-force", KEY: 1, "max_budget": {"a": KEY}}, b"", None),
        ("/key/delete", {"keys": [[KEY]]}, b"", {"other_fields": ["keys"]}),
    ],
)
def test_a_key_is_told_as_its_hash_wherever_it_stands(
    path: str, body: Any, query: bytes, asked: dict[str, Any] | None
) -> None:
    ask = Asked()
    assert ask(path, body, query=query)[0] == 200
    assert KEY not in json.dumps(ask.line)
    assert asked is None or ask.line["asked"] == asked
    if KEY in path:
        assert HASH in ask.line["path"]
    if body and "task-force" in body.values():
        assert ask.line["asked"] == {"team_id": "task-force", "other_fields": ["?", "max_budget"]}


def test_what_litellm_refuses_and_what_is_not_administered_is_told_too() -> None:
    refusing = Asked(b'{"error": {"key": "' + KEY.encode() + b'"}}', 400)
    assert refusing("/key/block", {"key": KEY})[0] == 400
    assert (refusing.line["status"], refusing.line["outcome"]) == (400, "litellm_refused")
    assert refusing.line["answered"] == {}
    callback = Asked()
    assert callback("/team/search/callback", {"callback_name": "x"})[0] == 404
    assert (callback.line["status"], callback.line["outcome"]) == (404, "not_found")
    assert not callback.behind.seen


def test_a_read_has_no_line() -> None:
    ask = Asked()
    for method in ("GET", "HEAD"):
        assert ask("/team/list", method=method)[0] == 200
    assert (ask.log.lines, ask.trail.told) == ([], [])
    assert len(ask.behind.seen) == 2


def test_strangers_are_counted_and_have_no_line() -> None:
    ask = Asked()
    counted = metrics.STRANGERS.labels("master_key_needed")._value.get()
    for headers in ([], [(b"authorization", f"Bearer {KEY}".encode())], SIGNED * 2):
        status, data, _ = ask("/key/generate", {"key": KEY}, headers)
        assert (status, json.loads(data)["error"]["code"]) == (401, "master_key_needed")
    assert metrics.STRANGERS.labels("master_key_needed")._value.get() == counted + 3
    assert (ask.log.lines, ask.trail.told, ask.behind.seen) == ([], [], [])
    # As on the public face the trail counts them in its line a minute.
    assert [(one.status, one.by_stranger) for one in ask.trail.finished_calls] == [(401, True)] * 3


def test_what_cannot_be_told_is_not_done() -> None:
    full = Asked(trail=Trail("the audit spool is full: ConnectionError"))
    status, data, headers = full("/key/block", {"key": KEY})
    error = json.loads(data)["error"]
    assert (status, error["code"], headers[b"retry-after"]) == (503, "administration_untold", b"5")
    assert (
        "nothing was changed: the guard 'audit' could not tell of it (the audit spool is full"
        in error["message"]
    )
    assert not full.behind.seen
    # The log has it, with what was asked.
    assert (full.line["status"], full.line["asked"]) == (503, {"key": HASH})
    # Reading goes on.
    assert full("/team/list", method="GET")[0] == 200


def test_without_a_log_nothing_is_changed() -> None:
    ask = Asked()
    ask.log.broken = "the decision log cannot be written: No space left on device"
    status, data, _ = ask("/key/block", {"key": KEY})
    assert (status, json.loads(data)["error"]["code"]) == (503, "log_unavailable")
    assert not ask.behind.seen


def test_where_the_stack_says_pass_it_is_done_untold() -> None:
    ask = Asked(trail=Trail("the audit spool is full"), mode="pass")
    ask.log.broken = "the decision log cannot be written"
    assert ask("/key/block", {"key": KEY})[0] == 200
    assert len(ask.behind.seen) == 1


def test_a_guard_that_hangs_keeps_no_call_for_longer_than_its_time() -> None:
    class Hanging(Trail):
        async def ready(self) -> str | None:
            await asyncio.sleep(60)
            return None

    status, data, _ = Asked(trail=Hanging())("/key/block", {"key": KEY})
    assert (status, b"TimeoutError" in data) == (503, True)


def endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 65536


@pytest.mark.parametrize(
    ("body", "pieces", "status", "code"),
    [
        (b" " * (BODY_BYTES + 1), None, 413, "body_too_large"),
        (None, tuple(piece for piece, _ in zip(endless(), range(9), strict=False)), 413, "body_too_large"),
        (None, (b"{",), 408, "body_too_slow"),
        (b"[1]", None, 400, "invalid_json"),
        (b"key=sk-1", None, 400, "invalid_json"),
        (b"[" * 100_000, None, 400, "invalid_json"),
        ({"keys": [f"sk-{number}" for number in range(600)]}, None, 413, "too_much_to_tell"),
    ],
)
def test_a_body_that_cannot_be_told_goes_no_further(
    body: Any, pieces: tuple[bytes, ...] | None, status: int, code: str
) -> None:
    ask = Asked()
    answer = ask("/key/delete", body, pieces=pieces)
    assert (answer[0], json.loads(answer[1])["error"]["code"]) == (status, code)
    assert not ask.behind.seen
    assert (ask.line["status"], ask.line["outcome"], ask.line["asked"]) == (status, code, {})


def test_a_line_is_bounded_and_can_be_written() -> None:
    body = {
        "team_alias": "x" * 129,
        "key_alias": "half a character \ud800",
        "user_id": "two\nlines",
        "max_budget": 10**400,
        "spend": float("nan"),
        **{f"field_{number}": 1 for number in range(100)},
    }
    ask = Asked(b" " * (8 << 20))
    assert ask("/team/" + "y/" * 500 + "z", body)[0] == 200
    line = ask.line
    assert len(json.dumps(line, ensure_ascii=False).encode()) < 2048
    for name in ("team_alias", "key_alias", "user_id"):
        assert line["asked"][name].startswith("sha256:")
    assert len(line["asked"]["other_fields"]) == administration_line.MOST_NAMES + 1
    assert line["path"].startswith("sha256:")
    assert line["answered"] == {}
