"""The redaction guard of the gateway: which texts it searches, what it puts back, and what a dead service means."""

from __future__ import annotations

import asyncio
import copy
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from bastide_gateway.call import Call
from bastide_gateway.errors import Refused, StartError
from bastide_gateway.guards import Guard
from bastide_gateway.guards.pii import make
from bastide_gateway.guards.pii_restore import Restoring, restorable, restored

from sandbox.daemon.child import free_port
from tests.gateway_guards.pii_service import Running

PHONE, EMAIL, CARD = "0912 345 678", "an.nguyen@example.com", "4111 1111 1111 1111"


def guard_of(url: str, **settings: Any) -> Guard:
    guard = make({"url": url, **settings})
    guard.name = "pii"
    return guard


def checked(guard: Guard, body: dict[str, Any], call: Call | None = None) -> tuple[dict[str, Any], Call]:
    held, about = copy.deepcopy(body), call or Call("r-1")

    async def run() -> None:
        try:
            await guard.check_request(about, held)
        finally:
            await guard.stop()

    asyncio.run(run())
    return held, about


ARGUMENTS = json.dumps({"phone": 912345678, "who": {"cmnd": "123456789"}})
BODY: dict[str, Any] = {
    "model": "chat",
    "user": EMAIL,
    "messages": [
        {"role": "system", "content": f"Support of {EMAIL}"},
        {"role": "user", "name": "0987654321", "content": f"my phone is {PHONE}"},
        {"role": "user", "content": [{"type": "text", "text": f"card {CARD}"}, {"type": "text", "text": "ok"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "look_up", "arguments": ARGUMENTS},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": '{"0912 345 678": ["\\u0030912345678", 42, true, null]}'},
        {"role": "tool", "tool_call_id": "call_1", "content": f"not json: {PHONE}"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "look_up", "description": f"e.g. {EMAIL}", "parameters": {}}}
    ],
}  # fmt: skip


@pytest.mark.xdist_group("pii")
def test_every_text_of_a_chat_is_redacted_before_a_model_sees_it(pii: Running) -> None:
    body, call = checked(guard_of(pii.url), BODY)
    seen = json.dumps(body, ensure_ascii=False)
    for value in (PHONE, EMAIL, CARD, "0987654321", "912345678", "123456789"):
        assert value not in seen, value
    messages = body["messages"]
    assert messages[1] == {"role": "user", "name": "<PHONE_2>", "content": "my phone is <PHONE_1>"}
    arguments = json.loads(messages[3]["tool_calls"][0]["function"]["arguments"])
    assert arguments["phone"].startswith("<PHONE_")
    assert arguments["who"]["cmnd"].startswith("<NATIONAL_ID_")
    ((key, values),) = json.loads(messages[4]["content"]).items()
    assert key == "<PHONE_1>"
    assert values[0].startswith("<PHONE_")
    assert values[1:] == [42, True, None]
    assert messages[3]["tool_calls"][0]["function"]["name"] == "look_up"
    assert call.facts == {"pii.CARD": 1, "pii.EMAIL": 3, "pii.NATIONAL_ID": 1, "pii.PHONE": 6}
    assert call.notes == {}  # nothing is kept where nothing is to be restored


@pytest.mark.xdist_group("pii")
@pytest.mark.parametrize(
    "body",
    [
        {"input": f"call {PHONE}"},
        {"input": [f"call {PHONE}", "b"]},
        {"prompt": f"call {PHONE}"},
        {"prompt": ["a", f"call {PHONE}"], "suffix": f"or {EMAIL}"},
        {"messages": [{"content": "x"}], "stop": [PHONE], "response_format": {"d": {"description": EMAIL}}},
        {"messages": [{"role": "tool", "content": f'{{"phone": "{PHONE}", "phone": "1"}}'}]},  # a key twice
        {"messages": [{"role": "tool", "content": "[" * 5000 + f'"{PHONE}"' + "]" * 5000}]},
        {"messages": [{"content": None, "function_call": {"name": "f", "arguments": f"{{{PHONE}"}}]},
    ],
)  # fmt: skip
def test_so_are_embeddings_prompts_and_what_only_looks_like_json(pii: Running, body: dict[str, Any]) -> None:
    redacted, _ = checked(guard_of(pii.url), body)
    text = json.dumps(redacted, ensure_ascii=False)
    assert PHONE not in text
    assert EMAIL not in text
    assert "<PHONE_1>" in text


@pytest.mark.xdist_group("pii")
def test_a_clean_document_stays_byte_for_byte_as_it_was(pii: Running) -> None:
    arguments = '{ "a" : 1.50,"b":[ 1e3 ] , "c":"\\u00e1" }'
    body = {"messages": [{"role": "assistant", "function_call": {"name": "f", "arguments": arguments}}]}
    assert checked(guard_of(pii.url), body)[0] == body


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (
            {"messages": [{"content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]},
            "messages[0].content[0]",
        ),
        ({"messages": [{"content": [{"type": "input_audio", "input_audio": {}}]}]}, "messages[0].content[0]"),
        ({"messages": [{"content": "a"}, {"content": [{"type": "file"}]}]}, "messages[1].content[0]"),
        ({"messages": [{"content": {"type": "image_url"}}]}, "messages[0].content[0]"),
        ({"messages": [{"content": [7]}]}, "messages[0].content[0]"),
        ({"input": [[1, 2, 3]]}, "input[0][0]"),
        ({"prompt": [1, 2, 3]}, "prompt[0]"),
    ],
)
def test_what_has_no_text_is_refused_and_not_waved_through(body: dict[str, Any], where: str) -> None:
    with pytest.raises(Refused) as refused:
        checked(guard_of("http://127.0.0.1:9"), body)
    assert (refused.value.status, refused.value.code, refused.value.param) == (
        400,
        "cannot_be_redacted",
        where,
    )


@pytest.mark.xdist_group("pii")
def test_it_goes_through_where_the_setting_says_so(pii: Running) -> None:
    body = {"input": [[1, 2, 3]]}
    assert checked(guard_of(pii.url, unjudged="pass"), body)[0] == body


@pytest.mark.xdist_group("pii")
def test_the_answer_is_restored_where_it_is_asked_for_and_forgotten_at_the_end(pii: Running) -> None:
    guard = guard_of(pii.url, restore=True)
    _, call = checked(
        guard, {"messages": [{"role": "user", "content": f"I am {EMAIL}, {PHONE}, key AKIAABCDEFGHIJKLMNOP"}]}
    )

    async def answer() -> tuple[list[str], str]:
        texts = list(await guard.check_answer(call, ["hi <EMAIL_1> and <EMAIL_2>", "<SECRET_1>", ""]))
        stream = guard.stream(call)
        assert stream is not None
        pieces = [
            await stream.feed(one) for one in ("call <PH", "ONE_", "1", "> or <PHONE_12", "> <", "b> <EMA")
        ]
        pieces.append(await stream.close())
        await guard.finished(call)
        return texts, "".join(pieces)

    texts, streamed = asyncio.run(answer())
    # What nobody named is left, and a key is not repeated.
    assert texts == [f"hi {EMAIL} and <EMAIL_2>", "<SECRET_1>", ""]
    assert streamed == f"call {PHONE} or <PHONE_12> <b> <EMA"
    assert call.notes == {}
    assert guard.stream(call) is None


def test_a_stream_says_the_same_wherever_it_is_cut_and_holds_back_little() -> None:
    mapping = {"<PHONE_1>": PHONE, "<PHONE_12>": "other", "<EMAIL_1>": "<PHONE_1>"}
    text = "a <PHONE_1> b<<PHONE_12><EMAIL_1> <PHONE_ 1> c < <EMAIL_"
    whole = restored(text, mapping)
    assert whole == f"a {PHONE} b<other<PHONE_1> <PHONE_ 1> c < <EMAIL_"

    async def cut(*places: int) -> str:
        stream, out, given = Restoring(mapping), "", 0
        for begin, end in zip((0, *places), (*places, len(text)), strict=True):
            out += await stream.feed(text[begin:end])
            given = end
            assert len(stream._kept) < 11
        assert given == len(text)
        return out + await stream.close()

    for first in range(len(text)):
        for second in range(first, len(text), 3):
            assert asyncio.run(cut(first, second)) == whole
    assert asyncio.run(cut(*range(1, len(text)))) == whole


def test_a_value_that_would_break_json_stays_hidden() -> None:
    given = {"<A_1>": 'x"y', "<A_2>": "x\\y", "<A_3>": "x\ny", "<SECRET_1>": "k", "<A_4>": "fine"}
    assert restorable(given) == {"<A_4>": "fine"}


@contextmanager
def answering(status: int, answer: bytes, seconds: float = 0) -> Iterator[str]:
    """A service that is not well."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            time.sleep(seconds)
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, b"{}"),
        (503, b'{"error": "0912 345 678"}'),
        (302, b""),
        (200, b"no json"),
        (200, b"{}"),
        (200, b'{"texts": [], "found": {}}'),
        (200, b'{"texts": [7], "found": {}}'),
        (200, b'{"texts": ["a"], "found": {"PHONE": "x"}}'),
        (200, b'{"texts": ["a"], "found": {}, "mapping": []}'),
    ],
)
def test_whatever_is_wrong_with_the_service_is_a_failure_without_text(status: int, answer: bytes) -> None:
    with answering(status, answer) as url, pytest.raises(Exception) as failed:  # noqa: PT011 - any is a failure
        checked(guard_of(url), {"input": PHONE})
    assert not isinstance(failed.value, Refused)
    assert PHONE not in repr(failed.value) + str(failed.value.__context__)


def test_a_dead_service_is_a_failure_at_once_and_ready_says_so() -> None:
    guard = guard_of(f"http://127.0.0.1:{free_port()}")
    began = time.monotonic()
    with pytest.raises(Exception, match="ConnectError"):
        checked(guard, {"input": PHONE})
    assert time.monotonic() - began < 5
    other = guard_of(f"http://127.0.0.1:{free_port()}")
    assert asyncio.run(other.ready()) == "the redaction service does not answer (ConnectError)"


def test_what_the_service_refuses_as_too_long_the_client_is_told() -> None:
    with answering(413, b"{}") as url, pytest.raises(Refused) as refused:
        checked(guard_of(url), {"input": PHONE})
    assert (refused.value.status, refused.value.code) == (413, "too_long_to_redact")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "url: ''"),
        ({"url": "http://pii.bastide-gateway.svc:8080"}, "in the clear; use https"),
        ({"url": "http://pii:8080", "plaintext": "true"}, "plaintext: 'true'"),
        ({"url": "https://pii:8443/redact"}, "not https://HOST:PORT"),
        ({"url": "ftp://pii:8443"}, "not https://HOST:PORT"),
        ({"url": "http://127.0.0.1:1", "restor": True}, "['restor'] are not known"),
        ({"url": "http://127.0.0.1:1", "restore": "yes"}, "restore: 'yes'"),
        ({"url": "http://127.0.0.1:1", "unjudged": "ignore"}, "unjudged: 'ignore'"),
        ({"url": "https://pii:8443", "ca": "/nonexistent"}, "ca: there is no file"),
        ({"url": "http://127.0.0.1:1", "cert": "/nonexistent"}, "cert and key belong together"),
    ],
)
def test_settings_that_cannot_work_keep_the_gateway_from_starting(
    settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(StartError) as refused:
        make(settings)
    assert says in str(refused.value)


def test_no_proxy_of_the_environment_sees_what_has_to_be_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen()
        trap.settimeout(0.3)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{trap.getsockname()[1]}")
        with answering(200, b'{"texts": ["<PHONE_1>"], "found": {"PHONE": 1}}') as url:
            assert checked(guard_of(url), {"input": PHONE})[0] == {"input": "<PHONE_1>"}
        with pytest.raises(TimeoutError):
            trap.accept()


def test_a_sandbox_may_say_that_it_speaks_in_the_clear() -> None:
    assert make({"url": "http://pii.bastide-gateway.svc:8080", "plaintext": True}) is not None
