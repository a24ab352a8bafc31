"""The inner face, on an address of its own: LiteLLM's administration, and no model. Every call that may change
something is told, in one line on standard output and to the guards that ask for it (the audit trail); one that could
not be told does not reach LiteLLM."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from bastide_gateway import administration_line, asgi, faults, metrics, request_id
from bastide_gateway.asgi import App, Message, Receive, Scope, Send
from bastide_gateway.bodies import Bodies
from bastide_gateway.call import Call
from bastide_gateway.errors import Refused
from bastide_gateway.gateway import Gateway

log = logging.getLogger("bastide.gateway")

ADMIN: Final = (
    "/key/",
    "/team/",
    "/user/",
    "/spend/",
    "/global/spend",
    "/model/info",
    "/health/readiness",
    "/health/liveliness",
)
"""What the inner address has of LiteLLM's administration: keys, teams, spend. Models, guards and settings are not
changed at run time: they come from the configuration, and `/model/new`, `/config/update` and the like would change
one replica behind the stack's back."""

REFUSED_PARTS: Final = frozenset({"regenerate", "callback", "disable_logging", "model", "..", ""})
"""Parts of a path below those: `/team/TEAM/callback` would send every text of a team to an address in the database,
`/team/model/add` widen what it may use behind the stack's back. `/key//x` and `/team/../x` find nothing."""

BODY_BYTES: Final = 256 << 10
"""Of one call. A choice: a team with a thousand models and ids is 64 KiB."""

ANSWER_BYTES: Final = 4 * BODY_BYTES
"""So much of an answer is kept until it is whole, to find the id of what was made; LiteLLM gives back what it got."""


class Admin:
    """The face. It takes the master key alone: by LiteLLM's own rules a virtual key may change some of what binds it,
    its metadata with the data class too."""

    def __init__(self, app: App, gateway: Gateway, master: str, body_s: float) -> None:
        self._app, self._gateway, self._master = app, gateway, f"Bearer {master}".encode()
        self._bodies = Bodies(BODY_BYTES, body_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's request."""
        if scope["type"] != "http":
            return
        refused = _elsewhere(scope["path"])
        given = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        if len(given) != 1 or not hmac.compare_digest(given[0], self._master):
            await self._stranger(send, refused)
        elif scope["method"] not in ("GET", "HEAD"):
            await self._told(scope, receive, send, refused)
        elif refused is not None:
            await _refuse(send, refused)
        else:
            await self._app(scope, receive, send)

    async def _stranger(self, send: Send, refused: Refused | None) -> None:
        """Counted, as on the public face, and no line: who reaches this address could write as many as he likes."""
        told = "administration takes `authorization: Bearer KEY` with the master key, and no other"
        refused = refused or Refused(401, "master_key_needed", told)
        await _refuse(send, refused)
        call = Call(request_id.make(), path="administration", status=refused.status, outcome=refused.code)
        metrics.STRANGERS.labels(refused.code).inc()
        await self._gateway.frame.finished(call)

    async def _told(self, scope: Scope, receive: Receive, send: Send, refused: Refused | None) -> None:
        call = Call(request_id.make(), path=administration_line.path(scope["path"]))
        about: dict[str, Any] = {}
        watched = _Watched(call, send)
        try:
            if refused is not None:
                raise refused
            length = asgi.headers(scope).get(b"content-length", b"0")
            data = await self._bodies.read(receive, length)
            about["asked"] = administration_line.asked(data, scope.get("query_string", b""))
            self._gateway.log_gate()
            await self._gateway.frame.administrable()
            await self._app(_readable(scope), asgi.replay(data, receive), watched)
            call.outcome = "ok" if (call.status or 500) < 400 else "litellm_refused"
            about["answered"] = administration_line.answered(watched.kept) if call.outcome == "ok" else {}
        except Refused as why:
            call.status, call.outcome = why.status, why.code
            await _refuse(send, why, {"x-request-id": call.request_id})
        except asyncio.CancelledError:
            call.outcome = "client_gone"
            raise
        except Exception:
            call.status, call.outcome = call.status or 500, "internal_error"
            raise
        finally:
            await self._tell(call, scope, about)

    async def _tell(self, call: Call, scope: Scope, about: Mapping[str, Any]) -> None:
        peer = scope.get("client")
        took = (time.monotonic() - call.started_clock) * 1000
        record = administration_line.record(
            call, scope["method"], None if peer is None else str(peer[0])[:64], took, about
        )
        self._gateway.log.write(record)
        try:
            await self._gateway.frame.administered(call, record)
        except Exception as error:
            log.error("the end of administration %s failed: %s", call.request_id, faults.told(error))


class _Watched:
    """Hands an answer on, with our id, and keeps what it says."""

    def __init__(self, call: Call, send: Send) -> None:
        self._call, self._send = call, send
        self.kept = b""
        """The body, as long as it is no longer than is read."""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._call.status = message["status"]
            ours = (b"x-request-id", self._call.request_id.encode())
            message = {**message, "headers": [*message.get("headers", ()), ours]}
        elif len(self.kept) <= ANSWER_BYTES:
            # Cut, it is no JSON, and nothing is read from it.
            self.kept += message.get("body", b"")[: ANSWER_BYTES + 1]
        await self._send(message)


def _readable(scope: Scope) -> Scope:
    """Without what lets LiteLLM pack its answer (gzip), in which no id could be read."""
    headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"accept-encoding"]
    return {**scope, "headers": headers}


def _elsewhere(path: str) -> Refused | None:
    """Why this path is not administered, or nothing."""
    if path.startswith(ADMIN) and not REFUSED_PARTS & set(path.split("/")[2:]):
        return None
    return Refused(404, "not_found", f"not administered here; allowed: {', '.join(ADMIN)}")


async def _refuse(send: Send, refused: Refused, more: Mapping[str, str] | None = None) -> None:
    await asgi.answer(send, refused.status, refused.body(), {**refused.headers, **(more or {})})
