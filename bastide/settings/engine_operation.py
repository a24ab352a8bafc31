"""Settings of running an engine: traces, logs, and how it ends."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bastide.settings.base import Strict, matching

OtlpEndpoint = Annotated[
    str,
    matching(
        r"https?://([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)(:\d{1,5})?(/[\w./-]*)?",
        "is not an OTLP endpoint; allowed: http(s)://host:port/path such as "
        "'http://otel-collector.bastide-monitoring:4318/v1/traces', without user, password or query: a "
        "secret here would stand in every pod's arguments; rewrite it",
    ),
]


class TracingSettings(Strict):
    """Traces by OpenTelemetry, one span a request, joined to the caller's by `traceparent`."""

    endpoint: OtlpEndpoint | None = None
    """OTLP endpoint for HTTP with protobuf, path included. Without one no traces are made."""

    sample_ratio: float = Field(0.1, gt=0, le=1)
    """Share of requests that are traced where the caller did not decide. A choice."""


class LogsSettings(Strict):
    """What an engine writes to its log. Prompts and answers never: there is no setting for it."""

    format: Literal["json", "text"] = "json"
    """json is one object a line, for log stores; text is vLLM's own."""

    level: Literal["info", "warning", "error"] = "info"
    """Least severe line that is written. There is no debug: tool parsers of vLLM 0.32 write answers at that
    level."""


class DrainSettings(Strict):
    """How a pod ends: it leaves its Service, waits until every client knows, then ends what runs."""

    shutdown_seconds: int = Field(120, ge=1, le=3600)
    """Seconds for requests in flight to end after SIGTERM. A choice: 4,800 tokens at 40 tokens a second for one
    user. Without it SIGTERM cuts answers in the middle."""

    pre_stop_seconds: int = Field(15, ge=1, le=120)
    """Seconds before SIGTERM in which the Service, and gateways that watch it, drop the pod. A choice: endpoint
    changes travel in about a second; a draining engine refuses new requests, so it errs on the long side."""
