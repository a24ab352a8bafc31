"""What is known of a file that is on its way, kept beside it, so that a run that was killed is gone on with.

One line a chunk, written after its bytes, with its own SHA-256: what the disk gives back later is compared with that,
so a line without its bytes (a node that lost power) costs one chunk and no mistake.
"""

from __future__ import annotations

import json
from pathlib import Path
from threading import Lock
from typing import Any, Final

_FORMAT: Final = 1


class Journal:
    """The chunks of one file that have come. `about` is what the file must be; a journal of anything else is not
    gone on with."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self._path = path
        self._lock = Lock()
        self._about = {"format": _FORMAT, **about}
        self.chunks: dict[int, str] = {}
        """SHA-256 by the chunk's number."""
        self.resumed = self._load()
        if not self.resumed:
            self.chunks = {}
            path.write_text(json.dumps(self._about, sort_keys=True) + "\n")

    def add(self, number: int, sha256: str) -> None:
        """Keeps that a chunk has come."""
        with self._lock, self._path.open("a") as opened:
            opened.write(f"{number} {sha256}\n")

    def _load(self) -> bool:
        try:
            head, *lines = self._path.read_text().splitlines()
            if json.loads(head) != self._about:
                return False
        except (OSError, ValueError):
            return False
        for line in lines:
            number, _, sha256 = line.partition(" ")
            # The last line of a killed run may be half of one.
            if number.isdecimal() and len(sha256) == 64:
                self.chunks[int(number)] = sha256
        with self._path.open("a") as opened:
            opened.write("\n")
        return True
