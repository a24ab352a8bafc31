"""The listeners of one process: public, administration, metrics; and how they end without losing a
request."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import uvicorn

from bastide_gateway.connections import Bounds, protocol

KEEP_ALIVE_S: Final = 75
"""Longer than a load balancer keeps an idle connection (60 s of AWS's), so that it never sends into a
closed one."""

BACKLOG: Final = 2048
INNER: Final = Bounds(most=100, header_s=10)
"""Of the listeners for administration and metrics, which a job, a few people and Prometheus ask. A choice."""

LOOK_S: Final = 30.0
"""How often a renewed certificate is looked for."""


class Listener(uvicorn.Server):  # type: ignore[misc]
    """A server whose signals are the launcher's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


def listener(
    app: Any,
    host: str,
    port: int,
    tls: Path | None,
    drain_s: int,
    keep_alive_s: int = KEEP_ALIVE_S,
    bounds: Bounds = INNER,
) -> Listener:
    """A listener on its address, with TLS 1.2 or later where there is a certificate."""
    options: dict[str, Any] = {}
    if tls is not None:
        options = {"ssl_certfile": str(tls / "tls.crt"), "ssl_keyfile": str(tls / "tls.key")}
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=protocol(bounds),
        # A connection that is no longer HTTP would be out of its bounds; nothing here is asked that way.
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        backlog=BACKLOG,
        timeout_keep_alive=keep_alive_s,
        timeout_graceful_shutdown=drain_s,
        # An attacker's headers stop here; a load balancer's are not needed.
        proxy_headers=False,
        **options,
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return Listener(config)


async def renew(listeners: list[Listener], tls: Path) -> None:
    """Loads a renewed certificate for the connections to come, until it is cancelled."""
    seen = (tls / "tls.crt").stat().st_mtime_ns
    while True:
        await asyncio.sleep(LOOK_S)
        with contextlib.suppress(OSError, ssl.SSLError):
            now = (tls / "tls.crt").stat().st_mtime_ns
            if now != seen:
                for one in listeners:
                    if one.config.ssl is not None:
                        one.config.ssl.load_cert_chain(str(tls / "tls.crt"), str(tls / "tls.key"))
                seen = now


async def serve(
    listeners: list[Listener], ended: asyncio.Event, ending: Callable[[], None], grace_s: float
) -> None:
    """Serves until the event; then says that it ends, waits until nobody sends any more, and lets requests finish.

    Raises when a listener cannot bind, or ends by itself."""
    tasks = [asyncio.create_task(one.serve()) for one in listeners]
    waiter = asyncio.create_task(ended.wait())
    done, _ = await asyncio.wait([*tasks, waiter], return_when=asyncio.FIRST_COMPLETED)
    failed = [task for task in done if task is not waiter]
    if not failed:
        ending()
        await asyncio.sleep(grace_s)
    for one in listeners:
        one.should_exit = True
    waiter.cancel()
    await asyncio.gather(*tasks, return_exceptions=not failed)
