"""One JSON line a request: what was decided, why, and what it cost. Never text of the request or the
answer."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from typing import Any

from bastide_gateway.call import Call
from bastide_gateway.document import Document


def line(document: Document, call: Call) -> dict[str, Any] | None:
    """The record of a request that has ended; none where its class allows no line."""
    held = document.classes.get(call.data_class or "")
    if held is not None and held.log == "none":
        return None
    now = time.monotonic()
    caller = call.caller
    group = call.group
    route = document.routes.get(call.route or "")
    candidates = route.candidates.get(call.data_class or "", ()) if route is not None else ()
    refused = document.refused.get(call.route or "", {}).get(call.data_class or "", {})
    return {
        "log": "bastide.route",
        "time": datetime.fromtimestamp(call.started, UTC).isoformat(timespec="milliseconds"),
        "request_id": call.request_id,
        "correlation_id": call.correlation_id,
        "path": call.path,
        "key": None if caller is None else caller.key_hash,
        "team": None if caller is None else caller.team,
        "class": call.data_class,
        "asked_class": call.asked_class,
        "route": call.route,
        "group": group,
        "candidates": list(candidates),
        "not_candidates": dict(refused),
        "attempts": [
            {"deployment": attempt.deployment, "group": attempt.group, "failure": attempt.failure}
            for attempt in call.attempts
        ],
        "deployment": call.deployment,
        "region": document.deployments[call.deployment].region
        if call.deployment is not None and call.deployment in document.deployments
        else None,
        "stream": call.streaming,
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "cost_usd": None if call.cost_usd is None else format(call.cost_usd, "f"),
        "cache_hit": call.cache_hit,
        "latency_ms": round((now - call.started_clock) * 1000, 1),
        "first_token_ms": None
        if call.first_token_clock is None
        else round((call.first_token_clock - call.started_clock) * 1000, 1),
        "guards_ms": {name: round(took, 2) for name, took in call.guards_ms.items()},
        "facts": dict(call.facts),
        "status": call.status,
        "outcome": call.outcome,
        "reason": call.reason,
    }


class DecisionLog:
    """Writes the lines to a file descriptor, whole or not at all."""

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self.broken: str | None = None
        """Why the last line could not be written; requests are refused until one can, where the log must
        be."""

    def write(self, record: dict[str, Any]) -> None:
        """Writes one line. What fails is noted and raises nothing."""
        data = (json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            self.broken = f"the decision log cannot be written: {error.strerror}"
        else:
            self.broken = None

    def probe(self) -> None:
        """After a failure: tries again, with a line that says so."""
        if self.broken is not None:
            self.write({"log": "bastide.note", "note": "the decision log can be written again"})
