"""Our one connection to Redis: every answer within a bounded time, and after a failure no second wait for a while.

LiteLLM has no Redis of its own in this gateway: what it would keep there is exact only now and then, and a frozen
Redis would hold each of its requests for seconds, several times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis, SSLConnection
from redis.exceptions import RedisError

from bastide_gateway import metrics
from bastide_gateway.redis_iam import Signed

T = TypeVar("T")

BOUND_S: Final = 1.0
"""How long one operation may take. Redis itself answers in a millisecond or two, across zones too; the rest is for this
process, whose event loop LiteLLM holds for some 26 ms of each request (measured), and so for 0.8 s of 32 at a time."""

PAUSE_S: Final = 1.0
"""How long nothing is asked after a failure: requests are then refused or passed at once."""

CONNECTIONS: Final = 64
"""Of one process. A process serves about 40 requests a second, each with three operations of a
millisecond."""


class RedisDown(Exception):  # noqa: N818 - a state
    """Redis did not answer in time, or with an error."""


@dataclass(frozen=True)
class Address:
    """Where Redis is."""

    host: str
    port: int
    tls: bool
    ca: str | None = None
    """File of the authorities that its certificate must come from; none: those of the system."""

    user: str | None = None
    password: str | None = None
    iam: tuple[str, str] | None = None
    """Name of the cache and region, where the sign-in is by IAM."""


class RedisLink:
    """A pool of connections with a bound."""

    def __init__(self, address: Address, bound_s: float = BOUND_S) -> None:
        self.bound_s = bound_s
        options: dict[str, Any] = {}
        if address.tls:
            options = {
                "connection_class": SSLConnection,
                "ssl_cert_reqs": "required",
                "ssl_ca_certs": address.ca,
            }
        if address.iam is not None:
            options["credential_provider"] = Signed(address.user or "", *address.iam)
        else:
            options |= {"username": address.user, "password": address.password}
        pool = BlockingConnectionPool(
            host=address.host,
            port=address.port,
            max_connections=CONNECTIONS,
            timeout=bound_s,
            socket_connect_timeout=bound_s,
            socket_timeout=bound_s,
            **options,
        )
        self.redis: Redis = Redis(connection_pool=pool)
        self._down_until = 0.0
        self.reason: str | None = None
        """Why it does not work; none while it does."""

    async def run(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """The operation's answer. Raises `RedisDown`, after the bound at the latest."""
        if time.monotonic() < self._down_until:
            raise RedisDown(self.reason)
        began, outcome = time.perf_counter(), "ok"
        try:
            async with asyncio.timeout(self.bound_s):
                answer = await work()
        except (TimeoutError, RedisError, OSError) as error:
            outcome = "late" if isinstance(error, TimeoutError) else "failed"
            self.reason = f"{name}: {type(error).__name__}"
            self._down_until = time.monotonic() + PAUSE_S
            raise RedisDown(self.reason) from error
        finally:
            metrics.REDIS_MS.labels(name, outcome).observe((time.perf_counter() - began) * 1000)
        self.reason = None
        return answer

    async def ready(self) -> str | None:
        """Why it does not work now, or nothing."""
        try:
            await self.run("ping", self.redis.ping)
        except RedisDown as error:
            return str(error)
        return None

    async def close(self) -> None:
        """Ends the connections."""
        await self.redis.aclose()
