"""What the service takes, by environment variables; every one has a default and a bound."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


class LimitError(ValueError):
    """A variable does not hold what it may; the text names it and says what it may hold."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one request and of the service."""

    body_bytes: int = 2 * 1024 * 1024
    """Largest body (`PII_BODY_BYTES`): twice the gateway's own limit of a request, since JSON escapes add to it."""
    texts: int = 2000
    """Most texts of a request (`PII_TEXTS`)."""
    characters: int = 400_000
    """Most characters of all its texts (`PII_CHARACTERS`): a context of 100,000 tokens at four characters each."""
    milliseconds: int = 5000
    """Longest time of a request (`PII_MILLISECONDS`), waiting included; the gateway waits a
    little longer (`timeoutMs` of the guard)."""
    waiting: int = 32
    """Requests that wait for the one at work (`PII_WAITING`); beyond them the answer is 503 at once."""

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Limits:
        """Raises LimitError."""
        return cls(
            body_bytes=_number(environment, "PII_BODY_BYTES", cls.body_bytes, 1024, 64 * 1024 * 1024),
            texts=_number(environment, "PII_TEXTS", cls.texts, 1, 100_000),
            characters=_number(environment, "PII_CHARACTERS", cls.characters, 1000, 4_000_000),
            milliseconds=_number(environment, "PII_MILLISECONDS", cls.milliseconds, 50, 60_000),
            waiting=_number(environment, "PII_WAITING", cls.waiting, 1, 1000),
        )


def _number(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    given = environment.get(name, str(default))
    if not given.isascii() or not given.isdigit() or not least <= int(given) <= most:
        raise LimitError(f"{name}: '{given[:32]}' is not a whole number from {least} to {most}")
    return int(given)
