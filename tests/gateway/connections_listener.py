"""Runs in LiteLLM's environment: a bounded listener before an application that reads a body and says how long it was;
at /slow it answers when it gets SIGUSR1. Each request says when it is there, and when the first of its body is.
Arguments: port, most connections, seconds for headers."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

from bastide_gateway import servers
from bastide_gateway.connections import Bounds

go_on = asyncio.Event()


async def count(scope: Any, receive: Any, send: Any) -> None:
    sys.stdout.write("request\n")
    sys.stdout.flush()
    size, more = 0, True
    # A path that is refused before its body was read, as the edge does.
    while more and scope["path"] != "/refused":
        message = await receive()
        if not size and message.get("body"):
            sys.stdout.write("body\n")
            sys.stdout.flush()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/slow":
        await go_on.wait()
    said = str(size).encode()
    headers = [(b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


async def main(port: int, most: int, header_s: float) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGUSR1, go_on.set)
    bounds = Bounds(most, header_s)
    listeners = [servers.listener(count, "127.0.0.1", port, None, 5, bounds=bounds)]
    await servers.serve(listeners, ended, lambda: None, 0.1)


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
