"""Runs in LiteLLM's environment: a listener of the gateway with a certificate, before an application that says hello.

Arguments: port, folder of the certificate."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from bastide_gateway import servers

servers.LOOK_S = 0.1  # type: ignore[misc]


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def main(port: int, folder: Path) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    listeners = [servers.listener(hello, "127.0.0.1", port, folder, 5)]
    renewing = asyncio.create_task(servers.renew(listeners, folder))
    await servers.serve(listeners, ended, lambda: None, 0.1)
    renewing.cancel()


asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
