"""The first and the last that a request meets: which paths there are, how much may come in, whose id it has, what
LiteLLM may see of it, and what a client may see of LiteLLM.

It is ASGI around LiteLLM's application, so that it holds also for what LiteLLM answers before any of its hooks runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Final

from bastide_gateway import answers, asgi, data_class, parameters, request_id
from bastide_gateway.asgi import App, Receive, Scope, Send
from bastide_gateway.bodies import Bodies, too_large
from bastide_gateway.call import Call, current
from bastide_gateway.errors import Refused
from bastide_gateway.gateway import Gateway

CALLS: Final = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completion",
    "/v1/embeddings": "embedding",
}
MODELS: Final = "/v1/models"

BODY_BYTES: Final = 4 << 20
"""The most that comes in where no route says less: 1 million tokens of English text."""

BODY_S: Final = 30.0
"""Seconds that a body may take to come where nothing else is said (`gateway.connections.bodySeconds`)."""

FORWARDED: Final = frozenset(
    {b"authorization", b"content-type", b"accept", b"host", b"traceparent", b"tracestate"}
)
"""Headers that LiteLLM may see. Others steer it: x-litellm-timeout, -tags, -num-retries, -disable-message-redaction,
-api-key, and whatever its next version brings; user-agent becomes a label of its metrics and a tag of its spends."""


NO_MODEL: Final = "unknown"
"""What LiteLLM sees instead of a model that there is not: that may be anything that a client wrote."""


ONCE: Final = (b"authorization", b"content-type", b"content-length", b"host")
"""Of two of them, one reader would take the first and another the last."""


class Edge:
    """The public face."""

    def __init__(
        self, app: App, gateway: Gateway, ready: Callable[[], dict[str, str]], body_s: float = BODY_S
    ) -> None:
        self._app, self._gateway, self._ready = app, gateway, ready
        sizes = [route.limits.max_body_bytes for route in gateway.document.routes.values()]
        largest = max((size or BODY_BYTES for size in sizes), default=BODY_BYTES)
        self._bodies = Bodies(largest, body_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        if path in ("/bastide/live", "/bastide/ready") and method in ("GET", "HEAD"):
            reasons = self._ready() if path.endswith("ready") else {}
            state: dict[str, object] = (
                {"ready": not reasons, "reasons": reasons} if reasons else {"ready": True}
            )
            await asgi.answer(send, 503 if reasons else 200, state, {})
            return
        call = Call(request_id.make(), path=path if path in CALLS or path == MODELS else "other")
        headers = asgi.headers(scope)
        call.correlation_id = request_id.correlated(_text(headers, b"x-request-id"))
        token = current.set(call)
        self._gateway.begin(call)
        face = answers.Face(call, send)
        try:
            _once(scope)
            if path == MODELS and method == "GET":
                # LiteLLM's check of keys reads a body whatever the method, without a bound of bytes or time.
                await self._app(
                    _forward(scope, call, None),
                    asgi.replay(b"", receive),
                    answers.Models(call, self._gateway.document, face),
                )
            elif path in CALLS and method == "POST":
                data = await self._body(call, headers, receive, CALLS[path])
                await self._app(_forward(scope, call, data), asgi.replay(data, receive), face)
            elif path in CALLS or path == MODELS:
                raise Refused(
                    405, "method_not_allowed", f"{path} takes {'POST' if path in CALLS else 'GET'} alone"
                )
            else:
                allowed = ", ".join([*CALLS, MODELS])
                raise Refused(404, "not_found", f"there is no such path here; allowed: {allowed}")
        except Refused as refused:
            await face.refuse(refused)
        except asyncio.CancelledError:
            call.outcome = call.outcome or "client_gone"
            raise
        except Exception:
            if face.started:
                raise
            await face.refuse(
                Refused(500, "internal_error", "the gateway failed; the request id tells which request")
            )
            raise
        finally:
            await face.close()
            current.reset(token)
            self._gateway.end(call)

    async def _body(self, call: Call, headers: dict[bytes, bytes], receive: Receive, kind: str) -> bytes:
        document = self._gateway.document
        call.kind = kind
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise Refused(415, "encoding_not_supported", "a compressed body is not taken; send it as it is")
        if headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json":
            raise Refused(415, "content_type_not_supported", "allowed content-type: application/json")
        data = await self._bodies.read(receive, headers.get(b"content-length", b"0"))
        try:
            given = json.loads(data)
        except (ValueError, RecursionError):
            raise Refused(400, "invalid_json", "the body is not JSON in UTF-8") from None
        metadata = given.get("metadata") if isinstance(given, dict) else None
        call.asked_class = data_class.asked(
            _text(headers, document.class_header.encode()), metadata, document.class_header
        )
        cleaned = parameters.clean(kind, given)
        call.model, call.streaming = cleaned["model"][:128], bool(cleaned.get("stream"))
        route = document.routes.get(cleaned["model"])
        if route is None:
            # LiteLLM would write it as a model of its own into tables and metrics; it refuses this name as well.
            cleaned["model"] = NO_MODEL
        most = route.limits.max_body_bytes if route is not None else None
        if most is not None and len(data) > most:
            raise too_large(most)
        try:
            return json.dumps(cleaned, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
            told = "the body has a number that is none (NaN, Infinity), or half a character of Unicode"
            raise Refused(400, "invalid_json", told) from None


def _once(scope: Scope) -> None:
    names = [name.lower() for name, _ in scope["headers"]]
    twice = next((name for name in ONCE if names.count(name) > 1), None)
    if twice is not None:
        raise Refused(400, "header_twice", f"the header {twice.decode()} stands more than once; send it once")


def _forward(scope: Scope, call: Call, data: bytes | None) -> Scope:
    """What LiteLLM sees of the request: the headers that it may, our id, and no query."""
    headers = [(name, value) for name, value in scope["headers"] if name.lower() in FORWARDED]
    headers.append((b"x-litellm-call-id", call.request_id.encode()))
    if data is not None:
        headers.append((b"content-length", str(len(data)).encode()))
    return {**scope, "headers": headers, "query_string": b""}


def _text(headers: dict[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1").strip()
