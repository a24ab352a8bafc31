"""An engine of fixed latency, so that what stands before it is all that differs: OpenAI's API, one answer.

    PYTHON-OF-LITELLM benchmarks/gateway_engine.py PORT DELAY_MS TOKENS

The first token comes after a quarter of the delay, the rest evenly over what is left."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from typing import Any

from aiohttp import web


def _chunk(identity: str, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {
        "id": identity,
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "fake",
        "choices": [choice],
    }


def application(delay: float, tokens: int) -> web.Application:
    """The server; `delay` in seconds."""
    usage = {"prompt_tokens": 12, "completion_tokens": tokens, "total_tokens": 12 + tokens}
    message = {"role": "assistant", "content": "word " * tokens}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    whole = {
        "object": "chat.completion",
        "created": 1,
        "model": "fake",
        "choices": [choice],
        "usage": usage,
    }
    first, rest = delay / 4, delay * 3 / 4 / tokens

    async def chat(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        # A repeated id would cost LiteLLM rows of its spend log.
        identity = f"chatcmpl-{uuid.uuid4().hex}"
        if not body.get("stream"):
            await asyncio.sleep(delay)
            return web.json_response({"id": identity} | whole)
        reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await reply.prepare(request)
        await asyncio.sleep(first)
        for _ in range(tokens):
            await reply.write(f"data: {json.dumps(_chunk(identity, {'content': 'word '}))}\n\n".encode())
            await asyncio.sleep(rest)
        await reply.write(f"data: {json.dumps(_chunk(identity, {}, 'stop'))}\n\n".encode())
        await reply.write(
            f"data: {json.dumps(_chunk(identity, {}) | {'choices': [], 'usage': usage})}\n\n".encode()
        )
        await reply.write(b"data: [DONE]\n\n")
        return reply

    made = web.Application()

    async def stored(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    made.router.add_post("/v1/chat/completions", chat)
    # Where the audit trail's objects go, so that what it costs the gateway can be measured.
    made.router.add_put("/{key:.*}", stored)
    return made


if __name__ == "__main__":
    web.run_app(
        application(float(sys.argv[2]) / 1000, int(sys.argv[3])),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        print=None,
    )
