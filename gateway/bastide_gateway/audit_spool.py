"""Lines on the pod's disk until they are in S3: they outlive the process, and nothing of them is lost on the way.

Each class has a file to which lines are added, and sealed files, each of which is one object to be written: its first
line names the writer, its number in the writer's chain for the class, and the SHA-256 of the object before it."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

FIRST: Final = "0" * 64
"""What the first object of a chain names as the one before it."""

KEPT_PART: Final = 8
"""One part in so many of the spool is for lines of requests that were let in before it was full. A choice: 8 MiB of the
default 64, room for 11,000 of them at 700 bytes; a pod has hundreds under way."""


@dataclass(frozen=True)
class Sealed:
    """One object to be written."""

    file: Path
    key: str
    """Below the bucket's prefix."""
    days: int
    """For how long it is locked, from the moment when it is written to the bucket: the role may set no other time."""


class Spool:
    """The lines of one process. A process that comes after it in the same folder writes what it left."""

    def __init__(self, folder: Path, days: Mapping[str, int], most_bytes: int) -> None:
        self._folder, self._days, self._most = folder, days, most_bytes
        self.writer = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._bytes = 0
        self._chain: dict[str, tuple[int, str]] = {}
        """By class: number and digest of the last object."""

    @property
    def full(self) -> bool:
        """No room for a further request. What is left is for the lines of those under way."""
        return self._bytes >= self._most - self._most // KEPT_PART

    def open(self) -> None:
        """Makes the folder, and seals the lines that a process left when it was killed. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in sorted(self._folder.glob("*.open")):
            writer, name = left.stem.split(".")
            last = self._folder / f"{writer}.{name}.chain"
            number, previous = json.loads(last.read_text()) if last.exists() else (0, FIRST)
            # A line may have been cut; what is not JSON would spoil the object for its readers.
            lines = [one for one in left.read_bytes().split(b"\n") if _whole(one)]
            self._seal(writer, name, number + 1, previous, lines, "killed")
            left.unlink()
            last.unlink(missing_ok=True)
        self._bytes = sum(one.stat().st_size for one in self._folder.iterdir())

    def append(self, data_class: str, line: Mapping[str, Any]) -> None:
        """Raises OSError where there is no room."""
        data = (json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
        with self._lock:
            if self._bytes + len(data) > self._most:
                raise OSError("the audit spool is full")
            with self._open(data_class).open("ab", buffering=0) as file:
                before = file.tell()
                if file.write(data) != len(data):
                    os.ftruncate(file.fileno(), before)
                    raise OSError("the disk of the audit spool is full")
            self._bytes += len(data)

    def seal(self, is_end: bool) -> None:
        """Makes an object of what was added since the last; at the end one for each chain that was begun."""
        with self._lock:
            for name in self._days:
                file = self._open(name)
                lines = file.read_bytes().splitlines() if file.exists() else []
                number, previous = self._chain.get(name, (0, FIRST))
                if not lines and not (is_end and number):
                    continue
                digest = self._seal(
                    self.writer, name, number + 1, previous, lines, "stopped" if is_end else None
                )
                self._chain[name] = (number + 1, digest)
                kept = self._folder / f"{self.writer}.{name}.chain"
                kept.write_text(json.dumps([number + 1, digest]))
                file.unlink(missing_ok=True)
                if is_end:
                    kept.unlink()
            self._bytes = sum(one.stat().st_size for one in self._folder.iterdir())

    def sealed(self) -> list[Sealed]:
        """Objects to be written, oldest first."""
        found = []
        for file in sorted(self._folder.glob("*.sealed")):
            at, name, writer, number = file.name.removesuffix(".sealed").split(".")
            day = datetime.strptime(at, "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
            found.append(Sealed(file, f"{name}/{day:%Y/%m/%d}/{writer}/{number}.jsonl", self._days[name]))
        return found

    def written(self, sealed: Sealed) -> None:
        """It is in S3."""
        with self._lock:
            size = sealed.file.stat().st_size
            sealed.file.unlink()
            self._bytes -= size

    def _open(self, name: str) -> Path:
        return self._folder / f"{self.writer}.{name}.open"

    def _seal(
        self, writer: str, name: str, number: int, previous: str, lines: list[bytes], end: str | None
    ) -> str:
        head = {
            "audit": 1,
            "class": name,
            "writer": writer,
            "number": number,
            "previous": previous,
            "lines": len(lines),
        }
        if end is not None:
            head["end"] = end
        data = b"\n".join([json.dumps(head, separators=(",", ":")).encode(), *lines]) + b"\n"
        at = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z"
        file = self._folder / f"{at}.{name}.{writer}.{number:08}.sealed"
        draft = file.with_suffix(".draft")
        draft.write_bytes(data)
        draft.replace(file)
        return hashlib.sha256(data).hexdigest()


def _whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
