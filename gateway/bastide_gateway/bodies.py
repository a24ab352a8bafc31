"""Reads bodies of requests before anybody has signed in: each within its size and time, all of them within a part of
the pod's memory. When they are more, the one that came first and is still not whole is refused, so that many who send
slowly take the place of each other and not of who sends at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from bastide_gateway.errors import Refused

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

TOGETHER_BYTES: Final = 128 << 20
"""Bytes of all bodies that are not whole yet: 32 of the largest. A choice: 0.7 of a pod's 1.5 GiB are LiteLLM's at rest
(measured), and without a bound its 1000 connections could hold 4 GiB of halves."""


class Bodies:
    """The bodies that are being read."""

    def __init__(self, largest: int, seconds: float, together: int = TOGETHER_BYTES) -> None:
        self._largest, self._seconds = largest, seconds
        self._most = max(together, 2 * largest)
        self._held: dict[asyncio.Timeout, int] = {}
        """Bytes by the bound of their time, in the order in which they came."""

    async def read(self, receive: Receive, length: bytes) -> bytes:
        """The whole body; `length` is the request's content-length. Raises `Refused`."""
        if not length.isdigit() or int(length) > self._largest:
            raise too_large(self._largest)
        try:
            async with asyncio.timeout(self._seconds) as bound:
                self._held[bound] = 0
                try:
                    return await self._whole(receive, bound)
                finally:
                    del self._held[bound]
        except TimeoutError:
            raise Refused(
                408,
                "body_too_slow",
                f"the body did not come within {self._seconds:g} s, or others needed its place; send it faster",
            ) from None

    async def _whole(self, receive: Receive, bound: asyncio.Timeout) -> bytes:
        data = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(499, "client_gone", "the client left before its request was whole")
            data += message.get("body", b"")
            if len(data) > self._largest:
                raise too_large(self._largest)
            if not message.get("more_body"):
                return bytes(data)
            self._held[bound] = len(data)
            if sum(self._held.values()) > self._most:
                self._make_room()

    def _make_room(self) -> None:
        first = next((bound for bound in self._held if not bound.expired()), None)
        if first is not None:
            first.reschedule(asyncio.get_running_loop().time())


def too_large(most: int) -> Refused:
    """The refusal of a body above so many bytes."""
    return Refused(
        413, "body_too_large", f"the body is larger than {most} bytes, which are allowed; send less"
    )
