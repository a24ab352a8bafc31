"""A world's processes on record, so that `down` can make sure that none is left."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol


class _HasPid(Protocol):
    @property
    def part(self) -> str: ...
    @property
    def pid(self) -> int: ...


class _NamedPid:
    def __init__(self, part: str, pid: int) -> None:
        self.part, self.pid = part, pid


@dataclass(frozen=True)
class Process:
    """A process that was started: its pid alone may belong to another one by now, with its start time it
    cannot."""

    part: str
    pid: int
    started: int

    def alive(self) -> bool:
        """Whether this very process is still there."""
        return self.started != 0 and started_at(self.pid) == self.started

    def kill(self) -> None:
        """Ends it at once."""
        if self.alive():
            with suppress(ProcessLookupError):  # it may end in between
                os.kill(self.pid, signal.SIGKILL)


def started_at(pid: int) -> int:
    """Start time in clock ticks since boot (/proc/PID/stat, field 22); 0 for none or a process that has
    ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return 0 if fields[0] in "ZX" else int(fields[19])


def memory_mib(pid: int) -> int:
    """Memory in MiB, each shared page counted for its part only (Pss of /proc/PID/smaps_rollup); 0 for none.

    The control plane's processes are one binary, so that resident memory would count its pages four times.
    """
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return next((int(line.split()[1]) // 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


def _path(home: Path) -> Path:
    return home / "processes.json"


def write(home: Path, children: Sequence[_HasPid]) -> None:
    """Records the processes and this one."""
    own = _NamedPid("daemon", os.getpid())
    found = [Process(child.part, child.pid, started_at(child.pid)) for child in (own, *children)]
    temporary = _path(home).with_suffix(".tmp")
    temporary.write_text(json.dumps([asdict(process) for process in found if process.started]))
    temporary.replace(_path(home))


def read(home: Path) -> list[Process]:
    """The processes on record; none when there is no record."""
    try:
        return [Process(**entry) for entry in json.loads(_path(home).read_text())]
    except FileNotFoundError:
        return []


def forget(home: Path) -> None:
    """Removes the record."""
    _path(home).unlink(missing_ok=True)
