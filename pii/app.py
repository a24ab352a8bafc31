"""The service's HTTP interface.

`POST /redact` {"texts": [TEXT or {"text": TEXT, "context": [WORD, ...]}, ...], "restore": false} gives
{"texts": [...], "found": {KIND: COUNT}} and, if asked to restore, "mapping": {PLACEHOLDER: TEXT}, which is the
caller's alone: the service forgets it. `GET /ready` is 200 when a known text was redacted, else 503.

One request is worked on at a time in each process, as Python would have it anyway; others wait, for a bounded time.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pii.errors import RefusedError, UnjudgedError
from pii.limits import Limits
from pii.redactor import Redacted, Redactor, Text
from pii.wanted import wanted

_KNOWN = Text("write to an.nguyen@example.com or call 0912 345 678")
_KNOWN_REDACTED = "write to <EMAIL_1> or call <PHONE_1>"


class Service:
    """One process's redactor, and the line of those who wait for it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._redactor: Redactor | None = None
        self._line = anyio.CapacityLimiter(1)

    async def start(self) -> None:
        """Makes the redactor and tries it on a known text. Raises RuntimeError when that was not redacted."""
        redactor = await anyio.to_thread.run_sync(Redactor)
        tried = await anyio.to_thread.run_sync(redactor.redact, [_KNOWN], 30.0)
        if tried.texts != (_KNOWN_REDACTED,):
            raise RuntimeError("a known text was not redacted: this build must not serve")
        self._redactor = redactor

    async def redact(self, request: Request) -> JSONResponse:
        """The answer to POST /redact, and a line in the log without any text."""
        started = time.monotonic()
        answer: dict[str, Any]
        status, found = 200, {}
        try:
            ready, asked = self._redactor, wanted(await self._body(request), self.limits)
            if ready is None:
                raise RefusedError(503, "not ready yet")
            done = await self._turn(ready, asked.texts, started)
            found = done.found
            answer = {"texts": done.texts, "found": found}
            if asked.restore:
                answer["mapping"] = done.mapping
        except RefusedError as error:
            status, answer = error.status, {"error": str(error)}
        except UnjudgedError as error:
            status, answer = 503, {"error": str(error)}
        except ClientDisconnect:
            status, answer = 499, {"error": "the caller went away"}
        except Exception as error:  # whatever it is, its message may hold text: only its class is told
            status, answer = 500, {"error": f"the text could not be judged ({type(error).__name__})"}
        _log(status=status, found=found, milliseconds=round((time.monotonic() - started) * 1000, 1))
        return JSONResponse(answer, status, {"cache-control": "no-store"})

    async def ready(self, request: Request) -> JSONResponse:
        """The answer to GET /ready."""
        is_ready = self._redactor is not None
        kinds = list(self._redactor.kinds) if self._redactor else []
        return JSONResponse({"ready": is_ready, "kinds": kinds}, 200 if is_ready else 503)

    async def _body(self, request: Request) -> bytes:
        """Never more than the limit in memory, whatever the caller's length says."""
        body = bytearray()
        with anyio.move_on_after(self.limits.milliseconds / 1000) as time_out:
            async for piece in request.stream():
                body += piece
                if len(body) > self.limits.body_bytes:
                    raise RefusedError(
                        413, f"the body has more than {self.limits.body_bytes} bytes (PII_BODY_BYTES)"
                    )
        if time_out.cancelled_caught:
            raise RefusedError(408, "the body took too long to come")
        return bytes(body)

    async def _turn(self, redactor: Redactor, texts: tuple[Text, ...], started: float) -> Redacted:
        if self._line.statistics().tasks_waiting >= self.limits.waiting:
            raise UnjudgedError(f"{self.limits.waiting} requests are waiting already (PII_WAITING)")
        until = started + self.limits.milliseconds / 1000
        with anyio.move_on_after(until - time.monotonic()):
            async with self._line:
                left = until - time.monotonic()
                # Its own deadline ends it: a thread cannot be ended from outside.
                with anyio.CancelScope(shield=True):
                    done: Redacted = await anyio.to_thread.run_sync(redactor.redact, texts, left)
                    return done
        raise UnjudgedError("the time for this request is over")


def application(limits: Limits) -> Starlette:
    """The ASGI application; it starts with making the redactor, and does not start without one that works."""
    service = Service(limits)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await service.start()
        _log(status="started", found={}, milliseconds=0)
        yield

    return Starlette(
        routes=[
            Route("/redact", service.redact, methods=["POST"]),
            Route("/ready", service.ready, methods=["GET"]),
        ],
        lifespan=lifespan,
    )


def _log(**fields: Any) -> None:
    """One line of JSON: what happened, how often, how long. Never a text, never a placeholder's meaning."""
    sys.stdout.write(json.dumps({"at": round(time.time(), 3), "event": "redact", **fields}) + "\n")
    sys.stdout.flush()
