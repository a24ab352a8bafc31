"""One line of the preflight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OK: Final = "ok"
NOTE: Final = "note"
"""Nothing stops a run, and it is good to know."""
FAIL: Final = "FAIL"
"""A run would stop, or change the wrong account."""


@dataclass(frozen=True)
class Line:
    """What was looked at, the result, and what was seen or what to do."""

    what: str
    result: str
    text: str

    def __str__(self) -> str:
        return f"{self.result:4}  {self.what:12} {self.text}"
