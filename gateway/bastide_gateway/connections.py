"""What a connection may cost before it is known who is at its other end. uvicorn has no time-out for headers, and its
`limit_concurrency` answers 503 to whoever comes last: a stranger with enough open connections would have everybody
else refused, the kubelet's probes too, and the pod ended.

So here: headers have a time and a size, connections a number; and when that is reached, one that says nothing makes
room for the new one. A request that is whole keeps its connection, whatever comes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEADER_BYTES: Final = 64 << 10
"""Most bytes of a request's line and headers: those of a load balancer and a token are below 20 KiB. As much as
uvicorn gives its slower parser, h11; the other, httptools, has no bound."""


@dataclass(frozen=True)
class Bounds:
    """Of one listener."""

    most: int
    """Connections at the same time, those of load balancers and probes included."""

    header_s: float
    """Seconds for a request's headers, from the connection or from the first byte after the last answer on."""


def protocol(bounds: Bounds) -> type[asyncio.Protocol]:
    """uvicorn's protocol, whichever the image has, within the bounds."""

    class Bounded(_Bounded, AutoHTTPProtocol):  # type: ignore[misc]
        held = bounds

    return Bounded


class _Bounded:
    """Stands before uvicorn's protocol, whose `cycle` is the last request of the connection, or none."""

    held: Bounds
    cycle: Any
    connections: set[Any]
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        self.since = self.loop.time()
        """When it began to wait for a request, or for the rest of one."""

    @property
    def idle(self) -> bool:
        """No request is under way; some of the next may have come."""
        return self.cycle is None or bool(self.cycle.response_complete)

    @property
    def whole(self) -> bool:
        """A request is under way, and nothing of it is still to come."""
        return not self.idle and not self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Makes room where there are too many, or ends this one."""
        super().connection_made(transport)  # type: ignore[misc]
        if len(self.connections) > self.held.most and not self._make_room():
            self.connections.discard(self)
            transport.abort()
            return
        self._watch()

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._unwatch()
        super().connection_lost(error)  # type: ignore[misc]

    def data_received(self, data: bytes) -> None:
        """Bytes of headers or of a body."""
        super().data_received(data)  # type: ignore[misc]
        if not self.idle or self.transport.is_closing():
            self._unwatch()
            return
        if self._timer is None:
            self._watch()
        # What is left of a refused request's body has the same time and no bound in bytes: to cut it off at once
        # would take the answer from a client that still sends.
        if self.cycle is None or not self.cycle.more_body:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES:
                self.transport.abort()

    def on_response_complete(self) -> None:
        """The connection waits for its next request; uvicorn's own keep-alive time-out is for that."""
        self.since = self.loop.time()
        super().on_response_complete()  # type: ignore[misc]

    def _make_room(self) -> bool:
        """Ends who has waited longest: without a request, else with one of which a part is still to come."""
        others = [one for one in self.connections if one is not self and not one.whole]
        if not others:
            return False
        longest = min(others, key=lambda one: (not one.idle, one.since))
        # Its end is told in the loop's next round, and others may come before.
        self.connections.discard(longest)
        longest.transport.abort()
        return True

    def _watch(self) -> None:
        self._timer = self.loop.call_later(self.held.header_s, self._late)

    def _unwatch(self) -> None:
        self._header_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        if self.idle:
            self.transport.abort()
