"""`python -m sandbox.daemon`: one world, until SIGTERM. `bastide sandbox up` starts it."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import time
from typing import TextIO

from sandbox.daemon.child import ChildError
from sandbox.daemon.supervisor import Supervisor, log_to
from sandbox.state import home
from sandbox.toolchain import ToolsMissingError, paths


def _locked(lock: TextIO, seconds: float = 1.0) -> bool:
    """Takes the lock. Whoever looks whether a daemon runs holds it for a moment, which is waited for."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def main() -> int:
    """Runs the world of `home()`; returns 1 when it could not start and 2 when another daemon has it."""
    folder = home()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log_to(folder / "logs" / "daemon.log")
    lock = (folder / "lock").open("a")
    if not _locked(lock):
        print(f"another daemon already runs the world in {folder}", file=sys.stderr)
        return 2
    lock.truncate(0)
    lock.write(str(os.getpid()))  # by which `down` finds a daemon that is still starting
    lock.flush()
    try:
        supervisor = Supervisor(folder, paths().kube)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stop())
        supervisor.run()
    except (ChildError, ToolsMissingError) as error:
        logging.getLogger(__name__).error("the world did not start: %s", error)
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
