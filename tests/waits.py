"""How tests wait for what other processes do."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

Found = TypeVar("Found")

PATIENCE_S: Final = 420.0
"""Upper bound of every wait: no test is about how long something takes, and what never comes is told all
the same. The longest that is waited for, a vLLM until it serves, takes 40 s on two idle cores and minutes
where other tests run (measured)."""


def until(
    look: Callable[[], Found],
    what: str = "",
    seconds: float = PATIENCE_S,
    every: float = 0.05,
    goes_on: Callable[[], object] | None = None,
) -> Found:
    """What `look` gives, once it gives something. The pause between two looks is `every` seconds, and longer
    where a look takes long, so that looking (a kubectl, say) does not hold up what is looked at; 0 is none.

    `goes_on` is asked between looks and raises where waiting is in vain (the process waited for has ended).
    """
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if found := look():
            return found
        if goes_on is not None:
            goes_on()
        ended = time.monotonic()
        assert ended < deadline, f"not within {seconds:.0f} s: {what or 'what the test waits for'}"
        if every:
            time.sleep(max(every, min(2 * (ended - began), 5)))


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not reaped yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def listens(port: int) -> bool:
    """Whether a server of this machine accepts connections at this port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
