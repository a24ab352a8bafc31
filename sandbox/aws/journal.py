"""What was asked of this AWS and what it refused: for status, benchmarks and tests."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final

KEPT_REFUSALS: Final = 200
"""Enough to see what a whole failed `up` was refused, and small enough to return at once."""


@dataclass(frozen=True)
class Refusal:
    """One call that was answered with an error."""

    time: str
    service: str
    operation: str
    status: int
    code: str
    message: str


@dataclass
class Journal:
    """Counts of calls since the start or the last reset, and the latest refusals."""

    calls: Counter[str] = field(default_factory=Counter)
    refusals: deque[Refusal] = field(default_factory=lambda: deque(maxlen=KEPT_REFUSALS))
    _lock: Lock = field(default_factory=Lock)

    def called(self, service: str, operation: str) -> None:
        """Counts a call."""
        with self._lock:
            self.calls[f"{service}.{operation}"] += 1

    def refused(self, service: str, operation: str, status: int, code: str, message: str) -> None:
        """Remembers an answer with an error."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._lock:
            self.refusals.append(Refusal(now, service, operation, status, code, message))

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self.calls.clear()
            self.refusals.clear()

    def document(self) -> dict[str, Any]:
        """Total, calls by operation, refusals oldest first."""
        with self._lock:
            return {
                "total": self.calls.total(),
                "byOperation": dict(self.calls),
                "refused": [asdict(refusal) for refusal in self.refusals],
            }
