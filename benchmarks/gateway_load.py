"""Requests at one concurrency, from a process of its own; prints one JSON object with the milliseconds of each.

    PYTHON-OF-LITELLM benchmarks/gateway_load.py < JSON     # url, model, requests, concurrency, stream; key: LOAD_KEY

Without `stream` a request's time ends with the whole answer; with it also the first token's is kept."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from collections import Counter
from typing import Any

import aiohttp


async def load(given: dict[str, Any], key: str) -> dict[str, Any]:
    """Sends them all, `concurrency` at a time."""
    took: list[float] = []
    first: list[float] = []
    statuses: Counter[str] = Counter()
    left = iter(range(given["requests"]))
    # Letters alone: no text comes twice, so that no cache answers, and no guard finds a number.
    turn = "".join(secrets.choice("abcdefghij") for _ in range(16))
    headers = {"authorization": f"Bearer {key}"}

    async def worker(session: aiohttp.ClientSession) -> None:
        for number in left:
            text = f"Say a word about the river, number {number} of {turn}."
            message = {"role": "user", "content": text}
            body = {
                "model": given["model"],
                "messages": [message],
                "max_tokens": 16,
                "stream": given["stream"],
            }
            began = time.perf_counter()
            async with session.post(
                given["url"] + "/v1/chat/completions", json=body, headers=headers
            ) as reply:
                seen = False
                async for _ in reply.content.iter_any():
                    if not seen:
                        first.append((time.perf_counter() - began) * 1000)
                        seen = True
            took.append((time.perf_counter() - began) * 1000)
            statuses[str(reply.status)] += 1

    connector = aiohttp.TCPConnector(limit=given["concurrency"])
    patience = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(connector=connector, timeout=patience) as session:
        began = time.perf_counter()
        await asyncio.gather(*(worker(session) for _ in range(given["concurrency"])))
        whole = time.perf_counter() - began
    return {"ms": took, "first_ms": first, "seconds": whole, "statuses": dict(statuses)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(json.load(sys.stdin), os.environ.get("LOAD_KEY", "none")))))
