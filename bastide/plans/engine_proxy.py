"""What stands before an engine in its pod: ports, and how large a request may be. Pure."""

from __future__ import annotations

import math
from typing import Any, Final

from bastide.settings import EngineSettings

PORT: Final = 8000
"""Port for clients, of the pod and of its Service."""

METRICS_PORT: Final = 8002
"""Port for Prometheus: the engine's metrics, and the proxy's own."""

DOOR_PORT: Final = 8003
"""Port inside the pod by which the engine's probes open and close the pod for clients."""

BYTES_PER_TOKEN: Final = 32
"""Most bytes of a request for each token of its prompt. A token of text is about 4 characters; one outside ASCII may
be escaped as 6 bytes, and a chat adds names and quotes. Eight times the usual, on the safe side."""

SMALLEST_KIB: Final = 1024
"""A request may always be this large: tools and schemas add to short prompts."""

MEDIA_KIB: Final = 32 * 1024
"""Room for media inside a request, where an engine takes them: images as base64, one third larger than the file."""

BUFFERED_AT_ONCE: Final = 4
"""Requests of the largest size that may be on their way in at one moment. A choice; typical ones are a thousandth."""

BASE_MIB: Final = 192
"""Envoy with this configuration holds 74 MiB, and 15 KiB more for each connection at rest (measured). A connection
that streams may hold 64 KiB in each direction, for which 100 KiB are added."""

OPEN_SHARE: Final = 0.6
"""Share of its memory up to which the proxy takes requests; above, new ones get 503 (`charts/vllm`, _proxy.tpl). What
is planned has to fit below."""


def max_request_kib(engine: EngineSettings) -> int:
    """Largest body of a request in KiB."""
    if engine.limits.max_request_kib is not None:
        return engine.limits.max_request_kib
    text = max(SMALLEST_KIB, engine.max_model_len * BYTES_PER_TOKEN // 1024)
    return text + (MEDIA_KIB if engine.media.domains else 0)


def max_connections(engine: EngineSettings) -> int:
    """Most connections and most requests at once: what runs, what waits four times over, and some that ask for
    /v1/models or are being refused."""
    return max(256, 8 * engine.max_num_seqs)


def values(engine: EngineSettings) -> dict[str, Any]:
    """`proxy` of the chart's values."""
    return {
        "port": PORT,
        "metricsPort": METRICS_PORT,
        "doorPort": DOOR_PORT,
        "maxRequestBytes": max_request_kib(engine) * 1024,
        "maxConnections": min(65535, max_connections(engine)),
        "memoryMib": BASE_MIB + math.ceil(_held_mib(engine) / OPEN_SHARE),
    }


def _held_mib(engine: EngineSettings) -> int:
    """MiB that all connections and the largest requests hold together."""
    return max_connections(engine) // 10 + BUFFERED_AT_ONCE * -(-max_request_kib(engine) // 1024)
