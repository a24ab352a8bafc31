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
    """The reason, for the log and for the pod's status. It may quote a bucket that somebody else writes to: control
    characters, which could move a terminal's cursor or begin a line of their own, and what is too long stay out."""
    clean = "".join(each if each.isprintable() else "?" for each in reason[:MESSAGE_LIMIT])
    text = f"model refused: {clean}".encode()[:MESSAGE_LIMIT].decode(errors="ignore")
    print(json.dumps({"level": "error", "message": text}), file=sys.stderr, flush=True)
    # Outside a pod there is no such file, and the log says it all.
    with suppress(OSError):
        termination_log.write_text(text)
