"""Why a text was not redacted. No message holds any of the text."""

from __future__ import annotations


class RefusedError(Exception):
    """The caller asked for what is not taken; the text says what is, and nothing of what was sent."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class UnjudgedError(Exception):
    """Some recogniser did not come to its end, so nobody may say that the text is clean."""
