"""The audit trail: one line for each request and each call of the administration that may change something, kept in
storage where nobody can change or delete it before its time.

Its settings in routes.json, rendered by the kit (docs/audit.md):

    bucket, prefix, region   where the objects go
    mode                     COMPLIANCE (nobody shortens it) or GOVERNANCE (who has the right to may)
    days                     "CLASS=DAYS" for each class: for how long its lines are kept
    spool, spoolMib          folder in which lines wait until they are written, and how much may wait
    batchSeconds             longest wait before lines are written

A line has no text of the request or answer. Requests that are refused before it is known who sends them have no line
of their own: one a minute says how many there were (audit_summary.py). Lines wait on the pod's own disk and go to S3 in
batches; a full spool is a failure of this guard, and `onFailure` says what it means: with "refuse" no request passes
that could not be told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bastide_gateway.audit_objects import Objects
from bastide_gateway.audit_settings import AuditSettings, read
from bastide_gateway.audit_spool import Spool
from bastide_gateway.audit_summary import Summary
from bastide_gateway.call import Call
from bastide_gateway.document import STRICTEST
from bastide_gateway.guards import Guard

log = logging.getLogger("bastide.gateway")


class Audit(Guard):
    """The guard."""

    always = True

    def __init__(self, settings: AuditSettings, objects: Objects | None = None) -> None:
        self._settings = settings
        self._spool = Spool(settings.spool, settings.days, settings.spool_bytes)
        self._objects = objects or Objects(settings)
        self._writing: asyncio.Task[None] | None = None
        self._summary = Summary()
        self._failed: str | None = None
        self._unwritten: str | None = None
        """Why the last line of a caller could not be put on the disk, until one can."""

    async def start(self) -> None:
        """Takes up what an ended process left, and begins to write."""
        await asyncio.to_thread(self._spool.open)
        self._writing = asyncio.create_task(self._write())

    async def ready(self) -> str | None:
        """Why the next request could not be told, or nothing. That S3 does not answer is no such reason while there is
        room to wait."""
        if self._writing is None or self._writing.done():
            return "the audit trail is not being written"
        if self._spool.full:
            return f"the audit spool is full: {self._failed or 'lines come faster than they are written'}"
        return self._unwritten

    async def check_request(self, call: Call, body: dict[str, Any]) -> None:
        """Fails where the request could not be told afterwards."""
        reason = await self.ready()
        if reason is not None:
            raise OSError(reason)

    async def finished(self, call: Call) -> None:
        """Takes the request's line. Also of what a caller was refused; a stranger is counted, whatever the disk is
        like, so that he can fill nothing."""
        if call.by_stranger:
            self._summary.refused(call)
            return
        self._keep(call.data_class or STRICTEST, line(call))

    async def administered(self, record: Mapping[str, Any]) -> None:
        """Takes the line of a call of the administration: whom it lets in holds for every class."""
        self._keep(STRICTEST, record)

    def _keep(self, data_class: str, told: Mapping[str, Any]) -> None:
        try:
            self._spool.append(data_class, told)
        except OSError as error:
            # Not raised: the frame would hold the guard broken until another request ends, and a pod that is not
            # ready gets none. `ready` says it instead, until the writer's next round finds the disk well.
            self._summary.lost()
            if self._unwritten is None:
                log.warning("a line of the audit trail was lost: %s", type(error).__name__)
            self._unwritten = f"the audit spool cannot be written: {type(error).__name__}"

    async def stop(self) -> None:
        """Writes what waits, and says at the end of each chain that it is the end."""
        if self._writing is not None:
            self._writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writing
        try:
            self._tell()
        finally:
            await asyncio.to_thread(self._flush, True)

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(self._settings.batch_seconds)
            try:
                try:
                    await asyncio.to_thread(self._flush, False)
                finally:
                    if self._summary.due():
                        self._tell()
            except (
                Exception
            ) as error:  # it goes on whatever happens: the spool says when there is no more room
                self._failed = type(error).__name__
                log.warning("the audit trail could not be written: %s", self._failed)

    def _tell(self) -> None:
        """Adds the line of all that have none. Raises OSError where there is no room; the counts then stay."""
        summary = self._summary.line()
        if summary is not None:
            self._spool.append(STRICTEST, summary)
            self._summary.written()
        self._unwritten = None

    def _flush(self, is_end: bool) -> None:
        self._spool.seal(is_end)
        for sealed in self._spool.sealed():
            self._objects.put(sealed)
            self._spool.written(sealed)
        self._failed = None


def line(call: Call) -> dict[str, Any]:
    """What is kept of a request: who, what, when, decided how, with which result. Never text."""
    caller = call.caller
    return {
        "time": datetime.fromtimestamp(call.started, UTC).isoformat(timespec="milliseconds"),
        "request": call.request_id,
        "path": call.path,
        "key": caller.key_hash if caller else None,
        "team": caller.team if caller else None,
        "class": call.data_class,
        "askedClass": call.asked_class,
        "route": call.route,
        "attempts": [[one.deployment, one.group, one.failure] for one in call.attempts],
        "deployment": call.deployment,
        "stream": call.streaming,
        "inputTokens": call.input_tokens,
        "outputTokens": call.output_tokens,
        "costUsd": None if call.cost_usd is None else format(call.cost_usd, "f"),
        "cache": call.cache_hit,
        "facts": dict(call.facts),
        "status": call.status,
        "outcome": call.outcome,
    }


def make(settings: Mapping[str, Any]) -> Guard:
    """Raises `StartError` for settings that cannot work."""
    return Audit(read(settings))
