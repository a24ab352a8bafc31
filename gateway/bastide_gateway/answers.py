"""What a client sees of an answer: our headers instead of LiteLLM's, our errors instead of its own.

LiteLLM's headers and messages name groups, deployments, addresses and providers, and pass an upstream's text on."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Any, Final

from bastide_gateway.call import Call
from bastide_gateway.document import Document
from bastide_gateway.errors import Refused

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

KEPT: Final = frozenset({b"content-type", b"content-length", b"cache-control", b"retry-after"})
"""Headers of LiteLLM's that a client may see."""

LARGEST_ERROR: Final = 1 << 20

CLIENT_GONE: Final = 499
"""LiteLLM's status (nginx's) for a stream whose client left before its first piece."""

_BROUGHT: Final = re.compile(r"https?://|@|litellm|Traceback|api[_-]?key", re.IGNORECASE)
"""An upstream's message that holds one of these is not passed on."""


class Face:
    """The sending side of one request. An error is held back until it is whole, and said in our words."""

    def __init__(self, call: Call, send: Send) -> None:
        self._call, self._send = call, send
        self.started = False
        self._held: list[bytes] | None = None
        self._status = 0
        self._whole = False

    async def __call__(self, message: Message) -> None:
        """What LiteLLM sends."""
        if message["type"] == "http.response.start":
            self._status = int(message["status"])
            if self._status >= 400:
                self._held = []
                return
            await self._start(self._status, [pair for pair in message["headers"] if pair[0].lower() in KEPT])
            return
        if message["type"] != "http.response.body":
            return
        if self._held is not None:
            if sum(map(len, self._held)) < LARGEST_ERROR:
                self._held.append(message.get("body", b""))
            if not message.get("more_body"):
                error = explain(self._call, self._status, b"".join(self._held))
                self._held = None
                await self.refuse(error)
            return
        if not message.get("more_body"):
            self._whole = True
            self._call.outcome = self._call.outcome or "ok"
        await self._send(message)

    async def refuse(self, refused: Refused) -> None:
        """Answers with an error, once."""
        if self.started:
            return
        self._held = None
        self._call.outcome, self._call.reason = refused.code, refused.reason
        data = json.dumps(refused.body()).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
        headers += [(name.encode(), value.encode()) for name, value in refused.headers.items()]
        await self._start(refused.status, headers)
        self._whole = True
        await self._send({"type": "http.response.body", "body": data})

    async def close(self) -> None:
        """Nothing more comes."""
        if not self._whole and self._call.outcome is None:
            self._call.outcome = "client_gone"

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        call = self._call
        self.started, call.status = True, status
        headers = [*headers, (b"x-request-id", call.request_id.encode())]
        if call.data_class is not None:
            headers.append((b"x-data-class", call.data_class.encode()))
        if call.cache_hit:
            headers.append((b"x-bastide-cache", b"hit"))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})


class Models:
    """GET /v1/models: LiteLLM says which a key may use; a client sees the public names of them alone."""

    def __init__(self, call: Call, document: Document, face: Face) -> None:
        self._call, self._document, self._face = call, document, face
        self._start: Message | None = None
        self._held: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        """What LiteLLM sends."""
        if message["type"] == "http.response.start":
            if int(message["status"]) != 200:
                self._start = None
                await self._face(message)
            else:
                self._start = message
            return
        if self._start is None:
            await self._face(message)
            return
        self._held.append(message.get("body", b""))
        if message.get("more_body"):
            return
        listed = json.loads(b"".join(self._held)).get("data", [])
        names = sorted(
            {str(item.get("id", "")).split("@")[0] for item in listed} & set(self._document.routes)
        )
        data = json.dumps(
            {
                "object": "list",
                "data": [
                    {"id": name, "object": "model", "created": 0, "owned_by": "bastide"} for name in names
                ],
            }
        ).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
        await self._face({"type": "http.response.start", "status": 200, "headers": headers})
        await self._face({"type": "http.response.body", "body": data, "more_body": False})


def explain(call: Call, status: int, raw: bytes) -> Refused:
    """LiteLLM's error in our words. What a hook of ours refused is said as it was."""
    refused = call.notes.get("refused")
    if isinstance(refused, Refused):
        return refused
    if status == CLIENT_GONE:
        return Refused(status, "client_gone", "the client left before its answer began")
    try:
        error = json.loads(raw).get("error", {})
        message, kind = str(error.get("message", "")), str(error.get("type", ""))
    except (ValueError, AttributeError):
        message, kind = "", ""
    failure = str(call.notes.get("failure", ""))
    if call.attempts or "No deployments available" in message or "No healthy deployment" in message:
        return _upstream(call, status, message, failure)
    if kind == "budget_exceeded" or "udget has been exceeded" in message:
        return Refused(429, "budget_exceeded", "the budget of this key, its team or its user is spent")
    if kind in ("key_model_access_denied", "team_model_access_denied") or "model_access_denied" in kind:
        return Refused(
            403, "model_not_allowed", "this key may not use this model; GET /v1/models lists those it may use"
        )
    if (
        status in (401, 403)
        or kind in ("auth_error", "token_not_found_in_db", "expired_key")
        or call.caller is None
    ):
        if status >= 500:
            return Refused(
                503,
                "sign_in_unavailable",
                "the key cannot be looked up now; try again in some seconds",
                {"retry-after": "5"},
            )
        told = (
            "has expired"
            if "xpired" in message
            else "is blocked"
            if "locked" in message
            else "is not known here"
        )
        return Refused(
            401,
            "invalid_api_key",
            f"the key {told}; send `authorization: Bearer KEY` with a key of this gateway",
        )
    if status == 429:
        return Refused(
            429,
            "rate_limit_exceeded",
            "the limit of this key or its team is reached; try again later",
            {"retry-after": "10"},
        )
    if status < 500:
        return _quoting(status, "invalid_request", message, "the request cannot be served as it is")
    return Refused(status, "internal_error", "the gateway failed; the request id tells which request")


def _upstream(call: Call, status: int, message: str, failure: str) -> Refused:
    model = call.route or call.model or "asked for"
    if failure == "ContextWindowExceededError" or "maximum context length" in message:
        told = f"the request is longer than what the model {model!r} takes; send less"
        return replace(_quoting(400, "context_length_exceeded", message, told), param="messages")
    if failure == "ContentPolicyViolationError":
        return Refused(
            400, "content_policy_violation", f"the provider of the model {model!r} refuses this content"
        )
    if failure == "Timeout" or status in (408, 504):
        return Refused(
            504,
            "timeout",
            f"no deployment of the model {model!r} answered in time; try again",
            {"retry-after": "5"},
        )
    if failure == "RateLimitError" and call.attempts and "No deployments" not in message:
        return Refused(
            429,
            "deployment_rate_limited",
            f"the deployments of the model {model!r} take no more requests now; try again",
            {"retry-after": "10"},
        )
    if status in (400, 422):
        return _quoting(400, "invalid_request", message, f"the model {model!r} does not take this request")
    return Refused(
        503,
        "no_deployment_answered",
        f"no deployment that may have {call.data_class or 'this'} data answered for the model {model!r}; "
        "try again in some "
        "seconds",
        {"retry-after": "5"},
    )


def _quoting(status: int, code: str, message: str, otherwise: str) -> Refused:
    """What an upstream said, to its client alone: it can repeat text of the request."""
    return Refused(status, code, _public(message) or otherwise, told=otherwise)


def _public(message: str) -> str | None:
    """The innermost message of an upstream's error, where it names nothing of ours."""
    found = re.findall(r'"message"\s*:\s*"((?:[^"\\]|\\.)*)"', message) or re.findall(
        r"'message': ['\"](.*?)['\"],", message
    )
    if not found:
        return None
    told = str(found[-1]).replace('\\"', '"').replace("\\n", " ")[:500]
    return None if _BROUGHT.search(told) else told
