"""How a run is told: one line of JSON each on standard output, and a refusal's reason as the container's termination
message, so that `kubectl describe pod` shows it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

MESSAGE_LIMIT: Final = 4096
"""Most bytes of a termination message (Kubernetes API, Container.terminationMessagePath)."""


def say(line: Mapping[str, Any]) -> None:
    """One line for the log."""
    print(json.dumps({"level": "info", **line}), flush=True)


def refuse(reason: str, termination_log: Path) -> None:
    """The reason, for the log and for the pod's status."""
    text = f"model refused: {reason}"
    print(json.dumps({"level": "error", "message": text}), file=sys.stderr, flush=True)
    # Outside a pod there is no such file, and the log says it all.
    with suppress(OSError):
        termination_log.write_bytes(text.encode()[:MESSAGE_LIMIT])
