"""What the audit trail says of many requests in one line: of those that were refused before anybody knew who asked, and
of those whose own line could not be written.

Anybody who reaches the gateway can be refused as often as he likes. A locked line for each would let him grow a store
that nobody may empty for years, and fill the spool, by which those with a key would be refused. So they are counted,
and a line a minute says how many of which kind there were; who signed in has a line for each request, as ever."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from bastide_gateway.call import Call

EVERY_S: Final = 60.0
"""Seconds between two such lines: at most 1,440 a day from one process, whatever comes. A choice."""

MOST_KINDS: Final = 32
"""Kinds that a line names; the rest is counted together. There are about as many codes of refusals (errors and
limits of this package), so that a line stays below 2 KiB even where LiteLLM brings new ones."""

REST: Final = "other"


class Summary:
    """Counts since the last line. It belongs to one thread."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._since = clock()
        self._told = clock()
        self._refused: Counter[str] = Counter()
        self._lost = 0

    def refused(self, call: Call) -> None:
        """Counts the request of a stranger."""
        self._begin()
        kind = f"{call.status or 0} {call.outcome or 'none'}"
        known = kind in self._refused or len(self._refused) < MOST_KINDS
        self._refused[kind if known else REST] += 1

    def lost(self) -> None:
        """Counts a request whose own line could not be written."""
        self._begin()
        self._lost += 1

    def due(self) -> bool:
        """Whether a line should be written now: a lost line is told at once, which also tries the disk again."""
        return self._lost > 0 or (bool(self._refused) and self._clock() - self._told >= EVERY_S)

    def line(self) -> dict[str, Any] | None:
        """The line, or nothing where nothing was counted. The counts stay until `written`."""
        if not self._refused and not self._lost:
            return None
        return {
            "time": _text(self._clock()),
            "since": _text(self._since),
            "strangers": dict(sorted(self._refused.items())),
            "linesLost": self._lost,
        }

    def written(self) -> None:
        """The line is on the disk: the counts begin again."""
        self._refused.clear()
        self._lost = 0
        self._told = self._clock()

    def _begin(self) -> None:
        if not self._refused and not self._lost:
            self._since = self._clock()


def _text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
