"""Processes that the daemon starts, each with a log of its own and never outliving it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from secrets import randbelow
from socket import AF_INET, SOCK_STREAM, socket
from typing import Final

from sandbox.daemon.processes import memory_mib

LOWEST_PORT: Final = 10_000
"""Of those that `free_port` chooses from: below stand the ports that services are known by."""

_LEASH: Final = Path(__file__).with_name("leash.py")

_STARTER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")
"""Every process is started from this one thread, which lives as long as the daemon does: the kernel ends a
leashed process when the thread that started it ends, and request or cluster threads come and go."""


class ChildError(Exception):
    """A process of the sandbox did not start or did not get ready; the text names its log."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on at this moment, from those that the system gives to nobody by
    itself: one of the others may be an outgoing connection's before its server binds it."""
    given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        # A machine that gives all of them leaves no better choice than its own.
        port = randbelow(given - LOWEST_PORT) + LOWEST_PORT if given > 2 * LOWEST_PORT else 0
        with socket(AF_INET, SOCK_STREAM) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])


class Child:
    """A running process, its part's name, and its log."""

    def __init__(self, part: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None):
        self.part, self.log = part, log
        self._command = list(command)
        self._env = dict(env) if env is not None else None
        self._process = _STARTER.submit(self._start).result()

    def _start(self) -> subprocess.Popen[bytes]:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        leashed = [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *self._command]
        with self.log.open("ab") as out:
            # Its own group: a Ctrl-C at the terminal must reach the daemon first, which ends its parts in
            # order.
            return subprocess.Popen(
                leashed,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self._env,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, stable for the child's whole life (the leash becomes the command)."""
        return self._process.pid

    def running(self) -> bool:
        """Whether the process is still there; reaps it when it is not."""
        return self._process.poll() is None

    def require_running(self) -> None:
        """Raises `ChildError` with the end of the log when the process has ended."""
        code = self._process.poll()
        if code is not None:
            raise ChildError(f"{self.part} ended with status {code}; the end of {self.log}:\n{self.tail()}")

    def tail(self, lines: int = 8) -> str:
        """The last lines of the log."""
        try:
            text = self.log.read_text(errors="replace")
        except FileNotFoundError:
            return "(no log)"
        return "\n".join(text.splitlines()[-lines:])

    def stop(self, patience: float = 3.0) -> None:
        """Asks the process to end, and kills it after `patience` seconds. No error if it has ended."""
        if not self.running():
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def memory_mib(self) -> int:
        """Memory in MiB, shared pages counted once over all processes; 0 when the process has ended."""
        return memory_mib(self.pid)


def stop_all(children: Sequence[Child], patience: float = 3.0) -> None:
    """Ends several processes at once, so that the patience is spent once and not for each."""
    for child in children:
        if child.running():
            os.kill(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + patience
    for child in children:
        child.stop(max(0.05, deadline - time.monotonic()))
