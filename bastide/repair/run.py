"""What a killed Pulumi run leaves on this machine: its lock and its orphaned processes.

An engine that dies by kill -9 removes no lock and ends none of its plugins. Both are looked at strictly: a
lock is stale only if its process is provably gone, and a process is an orphan only if it names an engine that
no longer answers and belongs to this stack.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

GRACE: Final = 5.0
"""Seconds between asking a process to end and ending it; the engine's own grace for a plugin."""

_PLUGIN: Final = re.compile(r"(^|/)pulumi-(language|resource|analyzer)-|^sandbox\.(plugins\.|language_host)")
_ADDRESS: Final = re.compile(r"127\.0\.0\.1:\d+")


@dataclass(frozen=True)
class Lock:
    """One lock file of a stack in a file backend."""

    path: Path
    pid: int
    host: str
    user: str
    since: datetime

    @staticmethod
    def of_stack(backend: Path, project: str, stack: str) -> list[Lock]:
        """The stack's locks; none if nothing holds it."""
        folder = backend / ".pulumi" / "locks" / "organization" / project / stack
        locks = []
        for path in sorted(folder.glob("*.json")):
            content = json.loads(path.read_text())
            # Go writes nanoseconds, datetime reads microseconds.
            since = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", content["timestamp"]))
            locks.append(Lock(path, content["pid"], content["hostname"], content["username"], since))
        return locks

    @property
    def is_of_this_host(self) -> bool:
        """Whether the pid means anything here."""
        return self.host == socket.gethostname()

    @property
    def is_held(self) -> bool:
        """Whether its process lives. One that started after the lock was written only got its number."""
        started = start_time(self.pid)
        return started is not None and started <= self.since.timestamp() + 1.0  # /proc counts in ticks

    def __str__(self) -> str:
        return f"pid {self.pid} of {self.user} on {self.host}, since {self.since:%Y-%m-%d %H:%M:%S}"


def mend_files(backend: Path, project: str, stack: str) -> list[str]:
    """Removes what the file backend left half written of one stack, and returns the names. To be called only when
    no run of the stack lives."""
    found = half_written(backend, project, stack)
    for path in found:
        path.unlink()
    return [path.name for path in found]


def half_written(backend: Path, project: str, stack: str) -> list[Path]:
    """What the file backend left half written of one stack.

    The backend writes a file in three steps: its bytes under a temporary name, its attributes beside it, and a
    rename. The state is whole at every moment, but attributes that were cut off stop every later command
    ("EOF"); without any, the defaults apply.
    """
    folders = (
        backend / ".pulumi" / "stacks" / project,
        backend / ".pulumi" / "locks" / "organization" / project / stack,
    )
    found = []
    for path in [path for folder in folders for path in sorted(folder.glob("*"))]:
        if path.parent == folders[0] and not path.name.startswith(f"{stack}.json"):
            continue
        if path.suffix == ".tmp" or (path.suffix == ".attrs" and not _is_json(path)):
            found.append(path)
    return found


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except ValueError:
        return False
    return True


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on, or None for a process that is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields


def start_time(pid: int) -> float | None:
    """When the process started, in seconds since the epoch; None if it does not live."""
    fields = _stat(pid)
    if fields is None:
        return None
    boot = re.search(r"^btime (\d+)", Path("/proc/stat").read_text(), re.MULTILINE)
    if boot is None:
        raise RuntimeError("/proc/stat has no btime: this needs Linux")
    return int(boot[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """One process of this user."""

    pid: int
    parent: int
    started: float
    arguments: tuple[str, ...]
    folder: str

    def option(self, name: str) -> str | None:
        """The value after an argument."""
        pairs = zip(self.arguments, self.arguments[1:], strict=False)
        return next((value for argument, value in pairs if argument == name), None)

    @property
    def is_plugin(self) -> bool:
        """Whether it is a provider, a policy pack or a language host."""
        return any(_PLUGIN.search(argument) for argument in self.arguments)

    @property
    def addresses(self) -> set[str]:
        """Local addresses among its arguments."""
        return {argument for argument in self.arguments if _ADDRESS.fullmatch(argument)}


def processes() -> Iterator[Process]:
    """The processes of this user, but this one."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if entry.stat().st_uid != os.getuid():
                continue
            arguments = tuple((entry / "cmdline").read_text(errors="replace").split("\0")[:-1])
            folder = str((entry / "cwd").readlink())
        except OSError:
            continue
        fields, started = _stat(int(entry.name)), start_time(int(entry.name))
        if fields and started is not None:
            yield Process(int(entry.name), int(fields[1]), started, arguments, folder)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    return True


def orphans(folder: Path, project: str, stack: str) -> list[Process]:
    """What is left of this stack's runs whose engine is gone: programs, their plugins, and their children."""
    everything = {process.pid: process for process in processes()}
    programs = [
        process
        for process in everything.values()
        if process.option("--project") == project
        and process.option("--stack") == stack
        and process.option("--engine")
        and process.option("--monitor")
        # Another project may have the same name.
        and Path(process.option("--root_directory") or folder).resolve() == folder.resolve()
    ]
    engines = {engine for process in programs if (engine := process.option("--engine"))}
    plugins = [
        process
        for process in everything.values()
        if process.is_plugin and (process.addresses & engines or process.folder == str(folder))
    ]
    dead = {
        address
        for address in engines.union(*(plugin.addresses for plugin in plugins))
        if not _answers(address)
    }
    ours = {process.pid for process in programs if process.option("--engine") in dead}
    ours |= {plugin.pid for plugin in plugins if plugin.addresses and plugin.addresses <= dead}
    while more := {p.pid for p in everything.values() if p.parent in ours} - ours:
        ours |= more
    return [everything[pid] for pid in sorted(ours)]


def end(found: Sequence[Process]) -> None:
    """Ends the processes, and returns when they are gone. A number that was given anew is left alone."""

    def alive() -> list[Process]:
        return [process for process in found if start_time(process.pid) == process.started]

    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in alive():
            with suppress(ProcessLookupError):  # it may end in between
                os.kill(process.pid, number)
        deadline = time.monotonic() + GRACE
        while alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        if not alive():
            return
