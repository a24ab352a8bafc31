"""Waiting until a server of this package answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from sandbox.daemon.child import Child, ChildError

PAUSE: Final = 0.05
"""Seconds between two questions."""


def until_answers(name: str, child: Child, answers: Callable[[], bool], within: float) -> None:
    """Returns when `answers` says so. Raises `ChildError` where `child` ended, or did not answer within so many
    seconds; then it is killed, because nothing could use it."""
    deadline = time.monotonic() + within
    while True:
        # First, because another server may answer on the port of one that has ended.
        child.require_running()
        if answers():
            return
        if time.monotonic() > deadline:
            child.stop(0)
            raise ChildError(f"{name} did not answer within {within:.0f} s; see {child.log}")
        time.sleep(PAUSE)
