"""What the two faces share of ASGI: types, headers by name, an answer of our own, a body that LiteLLM reads again."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def headers(scope: Scope) -> dict[bytes, bytes]:
    """By name. One that stands several times is a list of all (RFC 9110, 5.3), never the last of them."""
    found: dict[bytes, bytes] = {}
    for raw, value in scope["headers"]:
        name = raw.lower()
        found[name] = found[name] + b", " + value if name in found else value
    return found


def replay(data: bytes, receive: Receive) -> Receive:
    """Gives a body that was read already, and then what comes after it."""
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": data, "more_body": False}

    return replayed


async def answer(send: Send, status: int, content: Mapping[str, object], more: Mapping[str, str]) -> None:
    """A whole answer of JSON, with `more` headers."""
    data = json.dumps(content).encode()
    raw = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    raw += [(name.encode(), value.encode()) for name, value in more.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": data})
